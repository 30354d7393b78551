"""Retrieve the objects that stored objects name and that no list returned.

Records are searched in stream order, each once for each collection; how far is stored together with
what was found, so a search that was interrupted continues. Each missing object is retrieved once:
those that Stripe does not have are remembered, those that it did not answer for are tried again
later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.catalog.references import Reference, references_of
from stripe_sync.errors import (
    AuthenticationError,
    EndpointUnavailable,
    PermissionDenied,
    StripeError,
    StripeSyncError,
)
from stripe_sync.extract.extractors.missing import MissingReader
from stripe_sync.records import Batch, MissingObject, Observation, Source
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.session import Session
from stripe_sync.warehouse import CollectionState
from stripe_sync.warehouse.state.missing_objects import NamingRecord

log = logging.getLogger(__name__)

SEARCHED_POSITIONS = 2_000
"""Stream positions, each of at most one record, that are searched with one query."""

LOOKED_UP = 200_000
"""Named objects that are remembered, so that each is looked up once."""

RETRIEVED_OBJECTS = 200
"""Missing objects that are retrieved for one transaction."""


@dataclass(slots=True)
class MissingReport:
    """What became of missing objects.

    Attributes:
        retrieved: Objects that are stored now, by the short name of their collection.
        gone: Objects that Stripe does not have.
        failed: Objects to try again later.
    """

    retrieved: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    failed: int = 0

    def __str__(self) -> str:
        names = ", ".join(f"{count} {name}" for name, count in sorted(self.retrieved.items()))
        rest = f"{self.gone} do not exist, {self.failed} are tried again later"
        return f"{names or 'none'}; {rest}"


@dataclass(frozen=True, slots=True)
class _Target:
    """A complete collection whose missing objects are searched for.

    Attributes:
        state: Its state.
        read_at: When its last read began, where reads of a time window bring new objects soon.
    """

    state: CollectionState
    read_at: datetime | None

    def wants(self, found: Reference, record: NamingRecord) -> bool:
        """Whether a named object belongs to the sync, and no read of a window brings it soon."""
        if self.read_at and record.changed_at > self.read_at:
            return False
        bound = (self.state.cursor or {}).get("bound")
        # Only an object that is contained in full shows its age.
        return bound is None or (found.created is not None and found.created >= bound)


async def retrieve_missing(session: Session) -> MissingReport:
    """Search the stored records for missing objects of complete collections, and retrieve them.

    Args:
        session: The open sync.

    Raises:
        AuthenticationError: Stripe refuses the key.
        WarehouseError: The warehouse cannot be read or written.
        LakeError: The lake cannot be written.
    """
    report = MissingReport()
    with session.warehouse.locks.missing(session.sync.id):
        targets = await asyncio.to_thread(_targets, session)
        run = _Run(session, targets, report)
        try:
            # Retrieved objects may name others.
            while await asyncio.to_thread(run.search) | await run.retrieve():
                pass
        finally:
            run.close()
    if report.retrieved:
        await asyncio.to_thread(LakeFollower(session).flush_if_due)
    if report.retrieved or report.gone or report.failed:
        log.info("Objects that others name and that no list returned: %s", report)
    return report


async def retrieve_missing_last(session: Session) -> int:
    """The same at the end of a run, which is complete whether this succeeds or not.

    Returns:
        Number of objects that are stored now.
    """
    try:
        report = await retrieve_missing(session)
    except StripeSyncError as error:
        log.warning("Missing objects are retrieved by the next reconcile: %s", error)
        return 0
    return report.retrieved.total()


def _targets(session: Session) -> dict[str, _Target]:
    warehouse = session.warehouse
    times = warehouse.reconciles.times(session.sync.id)
    found = {}
    for state in warehouse.collections.states(session.sync.name):
        if not state.status.is_complete or state.collection_id not in session.catalog:
            continue
        if not session.sync.selects(state.collection_id):
            continue
        collection = session.catalog[state.collection_id]
        read_at = None
        if any(each.days for each in collection.reread_schedule):
            reads = [state.started_at, *times.get(state.collection_id, {}).values()]
            read_at = max((at for at in reads if at), default=None)
        found[state.collection_id] = _Target(state, read_at)
    return found


class _Run:
    """Searches and retrieves, under the lock of the sync."""

    def __init__(
        self, session: Session, targets: Mapping[str, _Target], report: MissingReport
    ) -> None:
        self._session = session
        self._targets = targets
        self._report = report
        self._references = references_of(session.catalog)
        self._reader = MissingReader(session.context)
        self._searched = {name: each.state.searched_seq for name, each in targets.items()}
        self._closed: set[str] = set()
        # Named objects that were looked up already: thousands of records name the same few.
        self._looked_up: set[tuple[str, str]] = set()
        self._writer = session.warehouse.writer()

    def close(self) -> None:
        """Release the connection."""
        self._writer.close()

    def search(self) -> bool:
        """Search what was not searched yet; returns whether there was anything."""
        by_seq: dict[int, list[str]] = {}
        for name, seq in self._searched.items():
            by_seq.setdefault(seq, []).append(name)
        searched = [self._search(names, seq) for seq, names in sorted(by_seq.items())]
        return any(searched)

    def _search(self, names: Sequence[str], seq: int) -> bool:
        missing, sync_id = self._session.warehouse.missing, self._session.sync.id
        fields, began, end = self._references.fields(names), seq, missing.last_seq(sync_id)
        while seq < end:
            until = min(seq + SEARCHED_POSITIONS, end)
            records = missing.naming_records(sync_id, fields, after=seq, until=until)
            found = {each.key: each for each in self._named(records, set(names))}
            if found or until == end:
                missing.add(sync_id, list(found.values()), searched=names, searched_seq=until)
            seq = until
        self._searched.update(dict.fromkeys(names, seq))
        return seq > began

    def _named(self, records: Iterable[NamingRecord], names: set[str]) -> Iterator[MissingObject]:
        records = list(records)
        if len(self._looked_up) > LOOKED_UP:
            self._looked_up.clear()
        self._looked_up |= {(each.collection_id, each.upstream_id) for each in records}
        for record in records:
            for found in self._references.find(record.collection_id, record.payload):
                target = self._targets.get(found.collection_id)
                if found.key in self._looked_up:
                    continue
                if target and found.collection_id in names and target.wants(found, record):
                    self._looked_up.add(found.key)
                    yield MissingObject(
                        *found.key, record.collection_id, record.upstream_id, found.field
                    )

    async def retrieve(self) -> bool:
        """Retrieve all that are due; returns whether any is stored now."""
        stored = False
        while due := await asyncio.to_thread(self._due):
            failed = self._report.failed
            results = await asyncio.gather(*(self._retrieve(each) for each in due))
            found = [
                (each, result)
                for each, result in zip(due, results, strict=True)
                if isinstance(result, Observation)
            ]
            await asyncio.to_thread(self._store, found)
            stored = stored or bool(found)
            if self._report.failed - failed == len(due):
                break  # Stripe does not answer
        return stored

    def _due(self) -> list[MissingObject]:
        return self._session.warehouse.missing.pending(
            self._session.sync.id,
            self._targets.keys() - self._closed,
            self._session.clock.now(),
            limit=RETRIEVED_OBJECTS,
        )

    async def _retrieve(self, missing: MissingObject) -> Observation | None:
        store, sync_id = self._session.warehouse.missing, self._session.sync.id
        now = self._session.clock.now()
        try:
            found = await self._reader.retrieve(missing)
        except AuthenticationError:
            raise
        except StripeError as error:
            if isinstance(error, PermissionDenied | EndpointUnavailable):
                self._closed.add(missing.collection_id)
            log.info("%s %s is tried again later: %s", *missing.key, error)
            self._report.failed += 1
            await asyncio.to_thread(store.postpone, sync_id, [missing], now, str(error))
            return None
        if isinstance(found, Observation):
            return found
        self._report.gone += 1
        await asyncio.to_thread(store.mark, sync_id, [missing], now, gone=found)
        return None

    def _store(self, found: Sequence[tuple[MissingObject, Observation]]) -> None:
        if not found:
            return
        sync, now = self._session.sync, self._session.clock.now()
        observations = [observation for _, observation in found]
        redact_stored = self._session.context.redact_stored
        self._writer.load(
            Batch(
                sync.id,
                sync.resource_id,
                Source.RECONCILE,
                observations,
                redact_stored=redact_stored,
            )
        )
        objects = [missing for missing, _ in found]
        self._session.warehouse.missing.mark(sync.id, objects, now)
        names = (self._session.catalog[each.collection_id].name for each in objects)
        self._report.retrieved.update(names)
