"""From Stripe events to observations: route, fetch what changed, say what happened.

The state of an object is fetched rather than taken from the Stripe event: the event's snapshot is
rendered in the account's default version, its nested lists are cut, and it may be older than what
is stored. An object with many events is fetched once; each event still becomes a change event.

When more has changed than can be fetched at once, snapshots that are proven right stand for
fetching (``snapshots.py``). What is left is fetched later: its change events go into the stream at
once with the state that is stored, and the new state follows with an event of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.catalog import Collection, Retrieval
from stripe_sync.client import Priority
from stripe_sync.errors import NotFound, PermissionDenied, StripeSyncError
from stripe_sync.extract.pages import complete_lists
from stripe_sync.extract.substreams import FetchedObject, Substreams
from stripe_sync.records import ChangeType, Observation, PendingFetch, RecordRow
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.poll.changed_object import ChangedObject, copied
from stripe_sync.sync.poll.event_payload import use_event_payload
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.warehouse.writing.writer_pool import BatchWriterPool

log = logging.getLogger(__name__)

FETCHES = 16
"""Objects fetched at a time."""

FETCHED_AT_ONCE = 16
"""Changed objects that are fetched before their changes are stored; more would hold them up."""


@dataclass(frozen=True, slots=True)
class ProcessedEvents:
    """What some Stripe events, or some waiting objects, come to.

    Attributes:
        observations: In stream order.
        failed: Stripe events whose objects could not be fetched; try them again.
        forbidden: Catalogue ids whose objects the key may not read, with the reason.
        waiting: Objects to fetch later.
        fetched: Objects whose state is among the observations: collection id, key, when.
        expected_hashes: Stored states that event payloads continue, as in ``Batch``.
    """

    observations: list[Observation]
    failed: list[JsonObject] = field(default_factory=list)
    forbidden: dict[str, PermissionDenied] = field(default_factory=dict)
    waiting: list[PendingFetch] = field(default_factory=list)
    fetched: list[tuple[str, str, datetime]] = field(default_factory=list)
    expected_hashes: Mapping[tuple[str, str], str | None] = field(default_factory=dict)


class EventProcessor:
    """Turns Stripe events into observations.

    Args:
        session: The open sync.
        writers: Look up what is stored.
    """

    def __init__(self, session: Session, writers: BatchWriterPool) -> None:
        self._session = session
        self._writers = writers
        self._slots = asyncio.Semaphore(FETCHES)
        self._events_row = session.catalog[STRIPE_EVENTS]
        self._relatives = Substreams(session, self._slots)

    async def apply(
        self, events: Sequence[JsonObject], answered_at: datetime, *, backlog: bool = False
    ) -> ProcessedEvents:
        """Fetch what changed and say what happened.

        Args:
            events: Stripe events, oldest first.
            answered_at: When they were there.
            backlog: Whether objects are waiting to be fetched; they use all that Stripe allows.
        """
        objects: dict[tuple[str, str], ChangedObject] = {}
        for event in events:
            seen = event["data"]["object"]
            for row, upstream_id in self._records(event):
                changed = objects.setdefault(
                    (row.id, upstream_id), ChangedObject(row, upstream_id, seen)
                )
                changed.events.append(event)
                changed.seen = seen
        expected_hashes = await self._spare_requests(
            list(objects.values()), answered_at, backlog=backlog
        )
        await self._fetch_all(objects.values())
        relatives = await self._relatives.find(events, list(_fetched(objects.values())))
        failed = {event["id"]: event for event in relatives.failed}
        for changed in _in_error(objects.values()):
            failed |= {event["id"]: event for event in changed.events}
        observations = list(self._observations(events, objects.values(), failed, answered_at))
        return ProcessedEvents(
            [*observations, *relatives.observations],
            list(failed.values()),
            {**_forbidden(objects.values()), **relatives.forbidden},
            [changed.waiting() for changed in objects.values() if changed.later],
            _times(objects.values()),
            expected_hashes,
        )

    async def fetch(self, waiting: Sequence[PendingFetch]) -> ProcessedEvents:
        """Fetch objects whose changes are in the stream already.

        Args:
            waiting: The objects. Those that could not be fetched are not among the ``fetched``.
        """
        catalog = self._session.catalog
        objects = [ChangedObject(catalog[w.collection_id], w.upstream_id, w.seen) for w in waiting]
        await self._fetch_all(objects)
        relatives = await self._relatives.find((), list(_fetched(objects)))
        list(_in_error(objects))
        observations = [
            o for changed in objects if changed.error is None for o in self._state(changed)
        ]
        # What may not be read is not worth asking for again.
        done = [c for c in objects if not c.error or isinstance(c.error, PermissionDenied)]
        times = _times(done) if relatives.whole else []
        forbidden = {**_forbidden(objects), **relatives.forbidden}
        return ProcessedEvents([*observations, *relatives.observations], [], forbidden, [], times)

    def _records(self, event: JsonObject) -> list[tuple[Collection, str]]:
        """The records that a Stripe event changes: collection and key."""
        snapshot = event["data"]["object"]
        found = []
        for row in self._session.catalog.route(snapshot.get("object", "")):
            if not row.ignores(event["type"]):
                try:
                    found.append((row, self._session.normalizer(row).upstream_id(snapshot)))
                except StripeSyncError as error:
                    # Old versions leave out what keys are made of; the holder is read instead.
                    log.info("%s: %s", event["id"], error)
        return found

    async def _spare_requests(
        self, objects: Sequence[ChangedObject], answered_at: datetime, *, backlog: bool
    ) -> dict[tuple[str, str], str | None]:
        """In a burst, use snapshots or put fetching off.

        Returns:
            What the snapshots continue: payload hashes by collection id and key.
        """
        asking = [changed for changed in objects if changed.row.retrieve_request(changed.seen)]
        expected_hashes: dict[tuple[str, str], str | None] = {}
        if len(asking) <= FETCHED_AT_ONCE:
            return expected_hashes
        keys = [changed.key for changed in asking]
        stored = await asyncio.to_thread(self._writers.stored, self._session.sync.id, keys)
        left = 0 if backlog else FETCHED_AT_ONCE
        for changed in asking:
            known = stored.get(changed.key)
            if self._use_snapshot(changed, known, answered_at):
                expected_hashes[changed.key] = known.payload_hash if known else None
            elif left > 0 or known is None or known.deleted or _deleting(changed):
                left -= 1
            else:
                changed.later = True
        return expected_hashes

    def _use_snapshot(
        self, changed: ChangedObject, known: RecordRow | None, answered_at: datetime
    ) -> bool:
        return use_event_payload(
            changed,
            known,
            normalizer=self._session.normalizer(changed.row),
            api_version=changed.row.api_version or self._session.settings.api_version,
            answered_at=answered_at,
        )

    async def _fetch_all(self, objects: Iterable[ChangedObject]) -> None:
        asking = [c for c in objects if c.state is None and not c.later]
        await asyncio.gather(*(self._fetch(changed) for changed in asking))

    async def _fetch(self, changed: ChangedObject) -> None:
        row = changed.row
        retrieve_request = row.retrieve_request(changed.seen)
        async with self._slots:
            changed.observed_at = self._session.clock.now()
            if retrieve_request is None:
                changed.only_told = True
                return
            path, values = retrieve_request
            expand = {"expand": list(row.expand)} if row.expand else None
            api, version = self._session.api, row.api_version
            try:
                state = await api.get(
                    path, values, expand, priority=Priority.LIVE, api_version=version
                )
                if self._is_other(changed, state):
                    changed.only_told = True
                elif not state.get("deleted"):
                    await complete_lists(api, [state], Priority.LIVE, version)
                    changed.state = state
            except NotFound:
                # Where it stood it is no more, but it may stand elsewhere.
                changed.only_told = row.retrieval is Retrieval.EMBEDDED
            except StripeSyncError as error:
                changed.error = error

    def _is_other(self, changed: ChangedObject, state: JsonObject) -> bool:
        """Whether a path gave another object: the customer's discount, not the invoice's."""
        if state.get("deleted"):
            return False
        normalizer = self._session.normalizer(changed.row)
        return normalizer.upstream_id(state) != changed.upstream_id

    def _observations(
        self,
        events: Sequence[JsonObject],
        objects: Iterable[ChangedObject],
        failed: dict[str, JsonObject],
        answered_at: datetime,
    ) -> Iterator[Observation]:
        by_event: dict[str, list[ChangedObject]] = {}
        for changed in objects:
            if changed.error is None:
                for event in changed.events:
                    by_event.setdefault(event["id"], []).append(changed)
        version = self._session.settings.api_version
        for event in events:
            if event["id"] in failed:
                continue
            yield self._event_record(event)
            for changed in by_event.get(event["id"], []):
                normalizer = self._session.normalizer(changed.row)
                yield changed.normalize(
                    event, normalizer, answered_at=answered_at, api_version=version
                )

    def _event_record(self, event: JsonObject) -> Observation:
        """The Stripe event itself, as a record of the collection of Stripe events."""
        return self._session.normalizer(self._events_row).normalize(
            copied(event),
            observed_at=self._session.clock.now(),
            api_version=event.get("api_version"),
        )

    def _state(self, changed: ChangedObject) -> Iterator[Observation]:
        """The fetched state of an object whose changes were told before."""
        assert changed.observed_at is not None  # noqa: S101 - set by every fetch
        normalizer = self._session.normalizer(changed.row)
        if changed.state is not None:
            yield normalizer.normalize(copied(changed.state), observed_at=changed.observed_at)
        elif not changed.only_told:
            yield normalizer.tombstone(
                changed.upstream_id, observed_at=changed.observed_at, parent_id=None
            )


def _deleting(changed: ChangedObject) -> bool:
    return any(changed.row.change_of(e["type"]) is ChangeType.DELETED for e in changed.events)


def _fetched(objects: Iterable[ChangedObject]) -> Iterator[FetchedObject]:
    """The objects that are still there."""
    for changed in objects:
        if changed.state is not None and changed.observed_at is not None:
            yield FetchedObject(changed.row, changed.state, changed.observed_at, changed.events)


def _times(objects: Iterable[ChangedObject]) -> list[tuple[str, str, datetime]]:
    return [(*changed.key, changed.observed_at) for changed in objects if changed.observed_at]


def _forbidden(objects: Iterable[ChangedObject]) -> dict[str, PermissionDenied]:
    return {c.row.id: c.error for c in objects if isinstance(c.error, PermissionDenied)}


def _in_error(objects: Iterable[ChangedObject]) -> Iterator[ChangedObject]:
    """Those that could not be fetched though the key may; says so."""
    for changed in objects:
        if changed.error and not isinstance(changed.error, PermissionDenied):
            log.warning("%s %s: %s", changed.row.id, changed.upstream_id, changed.error)
            yield changed
