"""Echoes: the Stripe events that report a change which a mutation has written already.

One request makes many Stripe events, some of them about the same object. The change event of a
mutation stands for one of these: of the same request, about the same object, and about the same
change. All others make change events of their own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from stripe_sync.records import ChangeType, Observation, StripeEvent
from stripe_sync.records.mutation import OwnChange, OwnChanges


def find_echoes(
    observations: Iterable[Observation], own: OwnChanges, processed: Container[str]
) -> dict[str, int]:
    """Find the Stripe events that echo a mutation.

    Args:
        observations: Of one batch, in stream order.
        own: Change events of mutations without an echo so far.
        processed: Ids of the Stripe events that were processed before.

    Returns:
        Stream position of the mutation's change event, by id of the Stripe event.
    """
    if not own:
        return {}
    by_record: dict[tuple[str, str], list[StripeEvent]] = {}
    for each in observations:
        key = each.collection_id, each.upstream_id
        if each.stripe_event and key in own and each.stripe_event.id not in processed:
            by_record.setdefault(key, []).append(each.stripe_event)
    echoes: dict[str, int] = {}
    for key, events in by_record.items():
        for change in own[key]:
            if echo := _echo_of(change, [each for each in events if each.id not in echoes]):
                echoes[echo.id] = change.seq
    return echoes


def _echo_of(change: OwnChange, events: Sequence[StripeEvent]) -> StripeEvent | None:
    """The Stripe event that fits best: its type or its old values show the same change."""
    same_request = [each for each in events if each.request_id == change.request_id]
    ranked = sorted(same_request, key=lambda each: _fit(each, change), reverse=True)
    return next((each for each in ranked if _fit(each, change)), None)


def _fit(event: StripeEvent, change: OwnChange) -> int:
    """How well a Stripe event of the same request and object fits, from 0 for not at all."""
    if change.event_type is not ChangeType.UPDATED:
        return 3 if event.change is change.event_type else int(_may_be(event, change))
    # By name: the stored state may have been older than the one that Stripe changed.
    previous, changes = event.previous_attributes or {}, change.changes or {}
    if previous and previous.keys() <= changes.keys():
        return 3
    return 2 if previous.keys() & changes.keys() else int(_may_be(event, change))


def _may_be(event: StripeEvent, change: OwnChange) -> bool:
    """Whether an event whose type leaves the change open may report it: ``charge.succeeded``."""
    if event.previous_attributes or event.change is ChangeType.CREATED:
        return False
    if change.event_type is ChangeType.CREATED:
        return event.change is None
    return change.event_type is ChangeType.UPDATED and event.change is not ChangeType.DELETED
