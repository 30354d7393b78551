"""Which of the faults that are set strikes now."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from stripe_sandbox.settings import Fault, FaultKind

if TYPE_CHECKING:
    from stripe_sandbox.state import State


def strike(state: State, kind: FaultKind, subject: str) -> Fault | None:
    """The fault of a kind that strikes a subject, if any; uses one up of a counted fault.

    Args:
        state: The sandbox.
        kind: What may happen.
        subject: ``METHOD /v1/template``, or the type of a Stripe event.
    """
    for fault in state.settings.faults:
        if fault.kind != kind or fault.next == 0 or not fnmatchcase(subject, fault.endpoint):
            continue
        if fault.probability < 1.0 and state.random.random() >= fault.probability:
            continue
        if fault.next is not None:
            fault.next -= 1
        return fault
    return None


def event_delay(state: State, kind: str) -> float:
    """Seconds until a Stripe event of this type shows up."""
    fault = strike(state, "late_event", kind)
    return fault.seconds if fault is not None else 0.0


def event_twice(state: State, kind: str) -> bool:
    """Whether a second Stripe event describes the same change."""
    return strike(state, "duplicate_event", kind) is not None
