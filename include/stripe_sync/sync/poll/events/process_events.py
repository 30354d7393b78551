"""Process Stripe events: from Stripe events to observations, in four steps from list to list.

1. ``_route``: each Stripe event to the records that it changes. An object with many events is one
   ``ChangedObject``.
2. ``_resolve``: each changed object to its present state, by a fetch. In a burst (``burst.py``) the
   event's payload may stand for the fetch, or the fetch is deferred (``pending_fetches.py``).
3. ``Substreams.find``: from both to their children, references and embedded objects.
4. ``_emit``: one observation for each event and record that it changes (``observations.py``), in
   stream order.

Why fetch, when each Stripe event has a payload? The payload is rendered in the account's default
version, its nested lists are cut, and it may be older than the stored state.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from stripe_sync.catalog import STRIPE_EVENTS, Retrieval
from stripe_sync.client import Priority
from stripe_sync.client.retry import LIVE_RETRY
from stripe_sync.errors import (
    EndpointUnavailable,
    InvalidRequest,
    MalformedObject,
    NotFound,
    PermissionDenied,
    StripeError,
    StripeSyncError,
)
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.refusals import Refusals
from stripe_sync.extract.requester import IN_FLIGHT
from stripe_sync.extract.substreams import FetchedObject, Substreams
from stripe_sync.records import Observation, PendingFetch, RecordRow
from stripe_sync.records.canonical_json import JsonObject, copied
from stripe_sync.sync.poll.events import burst
from stripe_sync.sync.poll.events.changed_object import ChangedObject, ProcessedEvents
from stripe_sync.sync.poll.events.observations import (
    change_observation,
    is_ahead,
    state_observation,
)
from stripe_sync.sync.poll.events.parse_event import (
    fingerprint,
)
from stripe_sync.sync.poll.events.stream_order import in_stream_order
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)

CONCURRENT_FETCHES = 16
"""Fetches under way at a time."""


class EventProcessor:
    """Turns Stripe events, and pending fetches, into observations.

    Args:
        session: The open sync.
        refusals: What Stripe refused so far.
        priority: Priority of its requests.
    """

    def __init__(
        self, session: Session, refusals: Refusals, priority: Priority = Priority.LIVE
    ) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(CONCURRENT_FETCHES)
        self._refusals = refusals
        # Completing lists needs slots of its own: it runs while one of these is held.
        self._requester = replace(
            session.context.requester,
            priority=priority,
            slots=asyncio.Semaphore(IN_FLIGHT),
            retry=LIVE_RETRY,
            refusals=refusals,
        )
        self._substreams = Substreams(session.context.through(self._requester), self._slots)
        self._limits = session.settings.limits(livemode=session.sync.livemode)

    def in_order(self, events: Sequence[JsonObject]) -> list[JsonObject]:
        """Stripe events in stream order, as far as it is known before their objects are."""
        return self._sorted(events, frozenset())

    def _sorted(self, events: Sequence[JsonObject], existing: Container[str]) -> list[JsonObject]:
        """In stream order; ``existing`` has the ids of those events whose object exists now."""
        kinds = {str(event["data"]["object"].get("object")) for event in events}
        routed = {kind: self._session.catalog.route(kind) for kind in kinds}
        first = {kind: collections[0] for kind, collections in routed.items() if collections}
        return in_stream_order(events, first, existing)

    async def process(
        self,
        events: Sequence[JsonObject],
        answered_at: datetime,
        *,
        overdue: Container[str] = (),
        postpone_long: bool = False,
    ) -> ProcessedEvents:
        """Process a batch of Stripe events.

        Args:
            events: Oldest first.
            answered_at: When Stripe answered with them.
            overdue: Ids of those that are stored with their own payload if the fetch fails again.
            postpone_long: Whether lists that may take many requests are left for another try.
        """
        objects = self._route(events)
        expected_hashes = await self._resolve(objects, answered_at)
        for changed in objects:
            if changed.failed and any(event["id"] in overdue for event in changed.events):
                log.warning("%s %s is stored as its events are: %s", *changed.key, changed.error)
                changed.give_up()
        existing = {e["id"] for each in objects if each.state is not None for e in each.events}
        events = self._sorted(events, existing)
        substreams = await self._substreams.find(
            events, _fetched_objects(objects), postpone_long=postpone_long
        )
        failed = {event["id"]: event for each in objects if each.failed for event in each.events}
        unfinished = {e["id"]: e for e in substreams.failed if e["id"] not in failed}
        observations = self._emit(events, objects, failed, answered_at)
        return ProcessedEvents(
            observations=[*observations, *substreams.observations],
            failed=list(failed.values()),
            unfinished=list(unfinished.values()),
            forbidden={**_forbidden(objects), **substreams.forbidden},
            deferred=[changed.pending_fetch() for changed in objects if changed.deferred],
            fetched=_fetch_times(objects),
            expected_hashes=expected_hashes,
        )

    async def fetch_pending(
        self, pending: Sequence[PendingFetch], *, overdue: Container[tuple[str, str]] = ()
    ) -> ProcessedEvents:
        """Fetch objects whose change events are stored already.

        A fetch may return a later change before its Stripe event is polled: stored now, the change
        would have two change events. Such an object is left for that event.

        Args:
            pending: The objects. Those that could not be fetched are not among the ``fetched``.
            overdue: Keys of objects that are not left for a Stripe event: none can come any more.
        """
        catalog = self._session.catalog
        by_key = {(each.collection_id, each.upstream_id): each for each in pending}
        objects = [
            ChangedObject(catalog[p.collection_id], p.upstream_id, p.locator) for p in pending
        ]
        await self._fetch_all(objects)
        find = self._session.warehouse.records.rows
        stored = await asyncio.to_thread(find, self._session.sync.id, list(by_key))
        states, ahead = [], []
        for changed in objects:
            state, record = self._state_of(changed), stored.get(changed.key)
            if (
                state
                and record
                and changed.key not in overdue
                and is_ahead(state, record, by_key[changed.key], self._normalizer(changed))
            ):
                ahead.append(changed)
            elif state and self._session.sync.selects(changed.collection.id):
                states.append(state)
        objects = [changed for changed in objects if changed not in ahead]
        substreams = await self._substreams.find((), _fetched_objects(objects))
        done = [changed for changed in objects if not changed.failed]
        return ProcessedEvents(
            observations=[*states, *substreams.observations],
            forbidden={**_forbidden(objects), **substreams.forbidden},
            ahead=[changed.key for changed in ahead],
            fetched=_fetch_times(done) if substreams.whole else [],
            expected_hashes={key: record.payload_hash for key, record in stored.items()},
        )

    def _state_of(self, changed: ChangedObject) -> Observation | None:
        """As ``state_observation``; a state that cannot be normalized is set aside."""
        try:
            return state_observation(changed, self._normalizer(changed))
        except MalformedObject as error:
            self._session.context.set_aside(
                changed.collection,
                changed.state,
                error,
                observed_at=changed.observed_at or self._session.clock.now(),
            )
            return None

    # Step 1: route

    def _route(self, events: Sequence[JsonObject]) -> list[ChangedObject]:
        """The objects that Stripe events change, each with all of its events."""
        objects: dict[tuple[str, str], ChangedObject] = {}
        fingerprints: set[UUID | None] = set()
        for event in events:
            payload = event["data"]["object"]
            for collection in self._session.catalog.route(str(payload.get("object"))):
                if collection.ignores(event["type"]) or not self._is_wanted(collection.id):
                    continue
                try:
                    upstream_id = self._session.normalizer(collection).upstream_id(payload)
                except StripeSyncError as error:
                    # Old versions leave out parts of the key; a substream reads the object then.
                    log.info("%s: %s", event["id"], error)
                    continue
                changed = objects.setdefault(
                    (collection.id, upstream_id), ChangedObject(collection, upstream_id, payload)
                )
                # Of two events of one change the second is no event of the object any more.
                content = fingerprint(event)
                if content is None or content not in fingerprints:
                    changed.events.append(event)
                    changed.locator = payload
                fingerprints.add(content)
        return list(objects.values())

    def _is_wanted(self, collection_id: str) -> bool:
        """Whether the sync has a collection, or another one whose objects are read through it."""
        return self._session.sync.selects(collection_id) or collection_id in self._substreams.hosts

    # Step 2: resolve

    async def _resolve(
        self, objects: Sequence[ChangedObject], answered_at: datetime
    ) -> dict[tuple[str, str], str | None]:
        """Fill in the states; gives back the hashes that event payloads were compared with."""
        expected_hashes: dict[tuple[str, str], str | None] = {}
        retrievable = [c for c in objects if c.collection.retrieve_request(c.locator)]
        fetches = Counter(changed.collection.id for changed in retrievable)
        if not burst.fits_budget(fetches.values(), self._limits):
            keys = [changed.key for changed in retrievable]
            find = self._session.warehouse.records.rows
            stored = await asyncio.to_thread(find, self._session.sync.id, keys)
            for changed in retrievable:
                record = stored.get(changed.key)
                if self._take_event_state(changed, record, answered_at):
                    expected_hashes[changed.key] = record.payload_hash if record else None
        await self._fetch_all(objects)
        return expected_hashes

    def _take_event_state(
        self, changed: ChangedObject, record: RecordRow | None, answered_at: datetime
    ) -> bool:
        collection, normalizer = changed.collection, self._normalizer(changed)
        version = collection.api_version or self._session.settings.api_version
        found = burst.event_state(
            collection,
            changed.events,
            record,
            normalizer=normalizer,
            api_version=version,
            answered_at=answered_at,
            stripe_ahead=self._session.stripe_ahead(),
        ) or burst.patched_state(
            collection,
            changed.events,
            record,
            normalizer=normalizer,
            answered_at=answered_at,
            stripe_ahead=self._session.stripe_ahead(),
        )
        if found is None:
            return False
        # Not when the event was made: a request sent after that, but answered before it, returned
        # an older state.
        changed.state, changed.observed_at = found.state, answered_at
        changed.deferred, changed.uncertain = bool(found.uncertain), found.uncertain
        return True

    async def _fetch_all(self, objects: Sequence[ChangedObject]) -> None:
        unresolved = [changed for changed in objects if changed.state is None]
        await asyncio.gather(*(self._fetch(changed) for changed in unresolved))
        if failed := [changed for changed in unresolved if changed.failed]:
            log.warning(
                "%s of %s changed objects are tried again later, the first is %s %s: %s",
                *(len(failed), len(unresolved), *failed[0].key, failed[0].error),
            )

    async def _fetch(self, changed: ChangedObject) -> None:
        collection = changed.collection
        request = collection.retrieve_request(changed.locator)
        expand = {"expand": list(collection.expand)} if collection.expand else None
        version = collection.api_version
        async with self._slots:
            changed.observed_at = self._session.clock.now()
            if request is None:
                changed.event_only = True
                return
            try:
                state = await self._requester.get(*request, expand, api_version=version)
                self._refusals.answered(request[0])
                if state.get("deleted"):
                    return
                # A path may give another object: the customer's discount, not the invoice's.
                if self._normalizer(changed).upstream_id(state) != changed.upstream_id:
                    changed.event_only = True
                    return
                changed.deferred = not await self._complete(changed, state)
                changed.state = state
            except NotFound:
                # An embedded object that left this parent may be in another one.
                changed.event_only = collection.retrieval is Retrieval.EMBEDDED
            except (InvalidRequest, EndpointUnavailable, MalformedObject) as error:
                # Stripe does not return this object: the payloads of its events are all there is.
                self._session.context.requester.set_aside.add(
                    collection.id,
                    {"id": changed.upstream_id},
                    f"stored from its Stripe events: {error}",
                    observed_at=changed.observed_at,
                    missing=True,
                )
                changed.event_only = True
            except PermissionDenied as error:
                changed.error = error
                changed.forbidden = self._refuse(request[0], error, changed.upstream_id)
            except StripeError as error:
                changed.error = error

    async def _complete(self, changed: ChangedObject, state: JsonObject) -> bool:
        """Complete the embedded lists of a fetched object; False where another try may do so.

        A list that cannot be read does not hold back the change of its object. One that Stripe
        refuses is not asked for again.

        Raises:
            StripeError: For a pending fetch, which stays in the queue.
        """
        try:
            await complete_lists(
                self._requester,
                [state],
                changed.collection.api_version,
                expand=changed.collection.expand,
            )
        except StripeError as error:
            if not changed.events:
                raise
            log.warning("%s %s lacks the end of a list: %s", *changed.key, error)
            return False
        return True

    def _refuse(self, path: str, error: PermissionDenied, upstream_id: str) -> bool:
        """Record that an object is refused; whether all of its collection is."""
        try:
            self._refusals.add_object(path, error, upstream_id)
        except PermissionDenied:
            return True
        return False

    # Step 4: emit (step 3 is extract/substreams.py)

    def _emit(
        self,
        events: Sequence[JsonObject],
        objects: Sequence[ChangedObject],
        failed: Mapping[str, JsonObject],
        answered_at: datetime,
    ) -> list[Observation]:
        """For each event that did not fail: the event as a record, then each of its changes."""
        changed_by_event: dict[str, list[ChangedObject]] = {}
        for changed in objects:
            if changed.error is None:
                for event in changed.events:
                    changed_by_event.setdefault(event["id"], []).append(changed)
        observations = []
        for event in events:
            if event["id"] in failed:
                continue
            try:
                observations += self._observe(event, changed_by_event, answered_at)
            except MalformedObject as error:
                self.set_aside(event, error, observed_at=answered_at)
        return observations

    def _observe(
        self,
        event: JsonObject,
        changed_by_event: Mapping[str, Sequence[ChangedObject]],
        answered_at: datetime,
    ) -> list[Observation]:
        """The Stripe event as a record, then each of its changes."""
        changes = [
            change_observation(
                changed,
                event,
                self._normalizer(changed),
                answered_at=answered_at,
                api_version=self._session.settings.api_version,
            )
            for changed in changed_by_event.get(event["id"], ())
            if self._session.sync.selects(changed.collection.id)
        ]
        if not self._session.sync.selects(STRIPE_EVENTS):
            return changes
        return [self._event_record(event), *changes]

    def set_aside(self, event: JsonObject, reason: object, *, observed_at: datetime) -> None:
        """Set a Stripe event aside that cannot be processed."""
        stripe_events = self._session.catalog[STRIPE_EVENTS]
        self._session.context.set_aside(stripe_events, event, reason, observed_at=observed_at)

    def _event_record(self, event: JsonObject) -> Observation:
        """The Stripe event itself, as a record of the collection of Stripe events."""
        normalizer = self._session.normalizer(self._session.catalog[STRIPE_EVENTS])
        return normalizer.normalize(
            copied(event),
            observed_at=self._session.clock.now(),
            api_version=event.get("api_version"),
        )

    def _normalizer(self, changed: ChangedObject) -> Normalizer:
        return self._session.normalizer(changed.collection)


def _fetched_objects(objects: Sequence[ChangedObject]) -> list[FetchedObject]:
    """The objects that exist."""
    return [
        FetchedObject(c.collection, c.state, c.observed_at, c.events)
        for c in objects
        if c.state is not None and c.observed_at is not None
    ]


def _fetch_times(objects: Sequence[ChangedObject]) -> list[tuple[str, str, datetime]]:
    return [(*changed.key, changed.observed_at) for changed in objects if changed.observed_at]


def _forbidden(objects: Sequence[ChangedObject]) -> dict[str, PermissionDenied]:
    return {
        c.collection.id: c.error
        for c in objects
        if c.forbidden and isinstance(c.error, PermissionDenied)
    }
