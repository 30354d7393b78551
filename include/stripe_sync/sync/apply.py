"""From Stripe events to observations: route, fetch what changed, say what happened.

The state of an object is fetched rather than taken from the Stripe event: the event's snapshot is
rendered in the account's default version, its nested lists are cut, and it may be older than what
is stored. An object with many events is fetched once; each event still becomes a change event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stripe_sync import jsonio
from stripe_sync.catalog import ChangeType, Collection, Obtained
from stripe_sync.client import Lane
from stripe_sync.clock import from_unix
from stripe_sync.errors import NotFound, PermissionDenied, StripeSyncError
from stripe_sync.extract.pages import complete_lists
from stripe_sync.jsonio import JsonObject
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
    state: JsonObject | None = None  # None: gone
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

    async def apply(self, events: Sequence[JsonObject]) -> Applied:
        """Fetch what changed and say what happened.

        Args:
            events: Stripe events, oldest first.
        """
        objects: dict[tuple[str, str], _Changed] = {}
        for event in events:
            for row in self._rows(event):
                snapshot = event["data"]["object"]
                key = (row.id, self._session.shaper(row).upstream_id(snapshot))
                objects.setdefault(key, _Changed(row, key[1])).events.append(event)
        await asyncio.gather(*(self._fetch(changed) for changed in objects.values()))
        forbidden = {
            changed.row.id: changed.error
            for changed in objects.values()
            if isinstance(changed.error, PermissionDenied)
        }
        failed: dict[str, JsonObject] = {}
        for changed in objects.values():
            if changed.error and not isinstance(changed.error, PermissionDenied):
                log.warning("%s %s: %s", changed.row.id, changed.upstream_id, changed.error)
                failed |= {event["id"]: event for event in changed.events}
        return Applied(
            list(self._observations(events, objects, failed)), list(failed.values()), forbidden
        )

    def _rows(self, event: JsonObject) -> list[Collection]:
        """The collections whose records a Stripe event changes."""
        name = event["data"]["object"].get("object", "")
        return [
            row
            for row in self._session.catalog.route(name)
            if row.obtained is Obtained.TOP_LEVEL_LIST and not row.ignores(event["type"])
        ]

    async def _fetch(self, changed: _Changed) -> None:
        row = changed.row
        retrieval = row.retrieval(changed.events[-1]["data"]["object"])
        async with self._slots:
            changed.observed_at = self._session.clock.now()
            if retrieval is None:
                changed.error = StripeSyncError(f"{row.id} cannot be fetched by id")
                return
            path, values = retrieval
            expand = {"expand": list(row.expand)} if row.expand else None
            api, version = self._session.api, row.api_version
            try:
                state = await api.get(path, values, expand, lane=Lane.LIVE, api_version=version)
                if not state.get("deleted"):
                    await complete_lists(api, [state], Lane.LIVE, version)
                    changed.state = state
            except NotFound:
                changed.state = None
            except StripeSyncError as error:
                changed.error = error

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
        if changed.state is None:
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
            fallback=snapshot,
            api_version=event.get("api_version") if snapshot else None,
        )


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
