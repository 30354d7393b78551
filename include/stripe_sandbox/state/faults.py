"""Faults on purpose: decides which of them happen now."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from stripe_sandbox.settings import Fault, FaultKind
from stripe_sandbox.state.environment import Environment


def take_fault(
    environment: Environment,
    kind: FaultKind,
    subject: str,
    *,
    url: str = "",
    expand: Iterable[str] = (),
) -> Fault | None:
    """The fault that happens to a subject now, if any; counts it down if it is a counted one.

    Args:
        environment: Has the faults that are set, and decides by chance.
        kind: Kind of fault.
        subject: ``METHOD /v1/template``, or the type of a Stripe event.
        url: Path and query of the request.
        expand: The fields that it expands.
    """
    for fault in environment.settings.faults:
        if fault.kind != kind or fault.next == 0 or not fnmatchcase(subject, fault.endpoint):
            continue
        if not fnmatchcase(url, fault.url):
            continue
        if fault.expand and not any(fnmatchcase(name, fault.expand) for name in expand):
            continue
        if fault.probability < 1.0 and environment.random.random() >= fault.probability:
            continue
        if fault.next is not None:
            fault.next -= 1
        return fault
    return None


def event_delay(environment: Environment, kind: str) -> float:
    """Seconds until a new Stripe event of this type becomes visible."""
    fault = take_fault(environment, "late_event", kind)
    return fault.seconds if fault is not None else 0.0


def event_is_duplicated(environment: Environment, kind: str) -> bool:
    """Whether the log gets a second Stripe event for the same change."""
    return take_fault(environment, "duplicate_event", kind) is not None
