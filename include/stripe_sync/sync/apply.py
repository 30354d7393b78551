"""From Stripe events to observations: route, fetch what changed, say what happened.

The state of an object is fetched rather than taken from the Stripe event: the event's snapshot is
rendered in the account's default version, its nested lists are cut, and it may be older than what
is stored. An object with many events is fetched once; each event still becomes a change event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stripe_sync import jsonio
from stripe_sync.catalog import ChangeType, Collection, Obtained
from stripe_sync.client import Lane
from stripe_sync.clock import from_unix
from stripe_sync.errors import NotFound, PermissionDenied, StripeSyncError
from stripe_sync.extract.pages import complete_lists
from stripe_sync.jsonio import JsonObject
from stripe_sync.sync.relatives import Fetched, Relatives
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.warehouse.model import Observation, StripeEvent

log = logging.getLogger(__name__)

FETCHES = 16
"""Objects fetched at a time."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run of Stripe events comes to.

    Attributes:
        observations: In stream order.
        failed: Stripe events whose objects could not be fetched; try them again.
        forbidden: Catalogue ids whose objects the key may not read, with the reason.
    """

    observations: list[Observation]
    failed: list[JsonObject]
    forbidden: dict[str, PermissionDenied]


@dataclass(slots=True)
class _Changed:
    """One changed object and what fetching it gave."""

    row: Collection
    upstream_id: str
    events: list[JsonObject] = field(default_factory=list)
    state: JsonObject | None = None  # None: gone, unless only Stripe events tell of it
    only_told: bool = False
    observed_at: datetime | None = None
    error: StripeSyncError | None = None


class Applier:
    """Turns Stripe events into observations.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(FETCHES)
        self._events_row = session.catalog[STRIPE_EVENTS]
        self._relatives = Relatives(session, self._slots)

    async def apply(self, events: Sequence[JsonObject]) -> Applied:
        """Fetch what changed and say what happened.

        Args:
            events: Stripe events, oldest first.
        """
        objects: dict[tuple[str, str], _Changed] = {}
        for event in events:
            for row, upstream_id in self._records(event):
                key = (row.id, upstream_id)
                objects.setdefault(key, _Changed(row, key[1])).events.append(event)
        await asyncio.gather(*(self._fetch(changed) for changed in objects.values()))
        relatives = await self._relatives.find(events, list(_fetched(objects.values())))
        forbidden = {
            changed.row.id: changed.error
            for changed in objects.values()
            if isinstance(changed.error, PermissionDenied)
        }
        forbidden |= relatives.forbidden
        failed = {event["id"]: event for event in relatives.failed}
        for changed in objects.values():
            if changed.error and not isinstance(changed.error, PermissionDenied):
                log.warning("%s %s: %s", changed.row.id, changed.upstream_id, changed.error)
                failed |= {event["id"]: event for event in changed.events}
        observations = list(self._observations(events, objects, failed))
        return Applied([*observations, *relatives.observations], list(failed.values()), forbidden)

    def _records(self, event: JsonObject) -> list[tuple[Collection, str]]:
        """The records that a Stripe event changes: collection and key."""
        snapshot = event["data"]["object"]
        found = []
        for row in self._session.catalog.route(snapshot.get("object", "")):
            if not row.ignores(event["type"]):
                try:
                    found.append((row, self._session.shaper(row).upstream_id(snapshot)))
                except StripeSyncError as error:
                    # Old versions leave out what keys are made of; the holder is read instead.
                    log.info("%s: %s", event["id"], error)
        return found

    async def _fetch(self, changed: _Changed) -> None:
        row = changed.row
        retrieval = row.retrieval(changed.events[-1]["data"]["object"])
        async with self._slots:
            changed.observed_at = self._session.clock.now()
            if retrieval is None:
                changed.only_told = True
                return
            path, values = retrieval
            expand = {"expand": list(row.expand)} if row.expand else None
            api, version = self._session.api, row.api_version
            try:
                state = await api.get(path, values, expand, lane=Lane.LIVE, api_version=version)
                if self._is_other(changed, state):
                    changed.only_told = True
                elif not state.get("deleted"):
                    await complete_lists(api, [state], Lane.LIVE, version)
                    changed.state = state
            except NotFound:
                # Where it stood it is no more, but it may stand elsewhere.
                changed.only_told = row.obtained is Obtained.EMBEDDED
            except StripeSyncError as error:
                changed.error = error

    def _speaks_our_version(self, event: JsonObject) -> bool:
        return bool(event.get("api_version") == self._session.settings.api_version)

    def _is_other(self, changed: _Changed, state: JsonObject) -> bool:
        """Whether a path gave another object: the customer's discount, not the invoice's."""
        if state.get("deleted"):
            return False
        shaper = self._session.shaper(changed.row)
        return shaper.upstream_id(state) != changed.upstream_id

    def _observations(
        self,
        events: Sequence[JsonObject],
        objects: dict[tuple[str, str], _Changed],
        failed: dict[str, JsonObject],
    ) -> Iterator[Observation]:
        by_event: dict[str, list[_Changed]] = {}
        for changed in objects.values():
            if changed.error is None:
                for event in changed.events:
                    by_event.setdefault(event["id"], []).append(changed)
        for event in events:
            if event["id"] in failed:
                continue
            yield self._event_record(event)
            for changed in by_event.get(event["id"], []):
                yield self._change(event, changed)

    def _event_record(self, event: JsonObject) -> Observation:
        """The Stripe event itself, as a record of the collection of Stripe events."""
        return self._session.shaper(self._events_row).observe(
            _copy(event),
            observed_at=self._session.clock.now(),
            api_version=event.get("api_version"),
        )

    def _change(self, event: JsonObject, changed: _Changed) -> Observation:
        """What one Stripe event says of one object, given what fetching it gave.

        The fetched state holds for all of the object's events here, save that an object gone by
        now was there until the event that deleted it, and one back by now was gone in between.
        """
        assert changed.observed_at is not None  # noqa: S101 - set by every fetch
        shaper = self._session.shaper(changed.row)
        told = _told(event, changed.row)
        shaper.redact(told.previous_attributes or {})
        later = changed.events[changed.events.index(event) + 1 :]
        observed_at = changed.observed_at
        if changed.only_told:
            gone, snapshot = told.change is ChangeType.DELETED, True
        elif changed.state is None:
            deleted_later = any(
                changed.row.change_of(other["type"]) is ChangeType.DELETED for other in later
            )
            gone, snapshot = not deleted_later, True
        else:
            gone = snapshot = told.change is ChangeType.DELETED and bool(later)
            # It was gone before it was fetched: the fetched state is the later one.
            observed_at -= timedelta(microseconds=1 if gone else 0)
        return shaper.observe(
            _copy(event["data"]["object"] if snapshot else changed.state),
            observed_at=observed_at,
            deleted=gone,
            stripe_event=told,
            fallback=snapshot and not (changed.only_told and self._speaks_our_version(event)),
            api_version=event.get("api_version") if snapshot else None,
        )


def _fetched(objects: Iterable[_Changed]) -> Iterator[Fetched]:
    """The objects that are still there."""
    for changed in objects:
        if changed.state is not None and changed.observed_at is not None:
            yield Fetched(changed.row, changed.state, changed.observed_at, changed.events)


def _told(event: JsonObject, row: Collection) -> StripeEvent:
    """What a Stripe event says, in the warehouse's terms."""
    previous = event["data"].get("previous_attributes")
    return StripeEvent(
        id=event["id"],
        type=event["type"],
        change=row.change_of(event["type"]),
        created=from_unix(event["created"]),
        previous_attributes=None if previous is None else _copy(previous),
        api_version=event.get("api_version"),
    )


def _copy(obj: JsonObject | None) -> JsonObject:
    """A copy deep enough that shaping it leaves the original alone."""
    copy: JsonObject = jsonio.loads(jsonio.dumps(obj))
    return copy
