"""Apply the answer to a write: its object, and those in it, to the streams, in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl

from stripe_sync.catalog import Collection
from stripe_sync.errors import ConcurrentUpdate, MalformedObject, StripeError
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.extract.requester import Requester
from stripe_sync.extract.substreams import FetchedObject, Substreams
from stripe_sync.mutations.report import MutationResult, MutationStatus, record_json
from stripe_sync.mutations.send import Execution, SentRequest
from stripe_sync.records import (
    Batch,
    ExecutedMutation,
    Observation,
    RecordRow,
    Source,
    canonical_json,
)
from stripe_sync.records.canonical_json import JsonObject, copied
from stripe_sync.records.changes.old_values import old_values
from stripe_sync.records.set_aside import redact_named
from stripe_sync.sync.refetch import retrieve
from stripe_sync.sync.session import Session
from stripe_sync.sync.set_aside import taken
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

log = logging.getLogger(__name__)

_READS = 5
"""Times that an object is read again because others write it at the same time."""


@dataclass(frozen=True, slots=True)
class _Observed:
    """What is to be stored.

    Attributes:
        main: The object of an answer; None where it cannot be stored.
        embedded: The objects that it contains.
        is_known: Whether the stream has the change already: nothing is written then.
        compared_idx: ``updated_idx`` of the record that ``is_known`` was decided by, if any.
    """

    main: Observation | None
    embedded: Sequence[Observation] = ()
    is_known: bool = False
    compared_idx: int | None = None

    @property
    def observations(self) -> list[Observation]:
        """What is written."""
        return [] if self.main is None or self.is_known else [self.main, *self.embedded]


class AnswerWriter:
    """Stores what requests returned.

    Args:
        session: The open sync.
        writer: Writes batches.
        requester: Reads objects again where an answer is not their present state.
    """

    def __init__(self, session: Session, writer: BatchWriter, requester: Requester) -> None:
        self._session = session
        self._writer = writer
        self._requester = requester
        self._context = session.context.through(requester)
        self._substreams = Substreams(self._context, asyncio.Semaphore(1))

    async def store(self, execution: Execution) -> MutationResult:
        """Store the outcome of a request, and mark it as done, in one transaction.

        What the answer is decides, never the verb: ``deleted: true`` is a deletion, and a DELETE
        that returns the object is a change of it. An answer that Stripe stored for an earlier
        attempt may be older than the object: it is read again.

        Args:
            execution: The request.

        Raises:
            StripeError: The object could not be read again; the request stays open.
            WarehouseError: The warehouse cannot be reached.
            LakeError: What cannot be stored as a record could not be set aside.
        """
        obj, observed_at = self._object_of(execution), execution.answered_at
        collection = self._collection_of(execution.request, obj)
        if collection is None or not self._session.sync.selects(collection.id):
            return await self._finish_only(execution, collection, obj)
        if self._must_read_again(execution, collection, obj):
            try:
                obj, observed_at = await self.read_again(collection, obj)
            except StripeError as error:
                answer = execution.answer
                if answer is None or answer.is_replay or not execution.as_stored:
                    raise
                log.warning("%s is stored as the write returned it: %s", collection.id, error)
        elif not _is_deleted(obj):
            await self.complete(collection, obj)
        answered = copied(obj)
        requested_at = execution.requested_at
        for attempt in range(_READS + 1):
            params = execution.request.path_params
            observed = await self.observe(collection, obj, observed_at, path_params=params)
            found = _Observed(observed[0], observed[1:]) if observed else _Observed(None)
            if execution.answer is None and not await self._is_deletion(obj, found):
                found = replace(found, is_known=True)
            elif attempt:
                # What others changed since, their own Stripe events report.
                found = await self._compare(execution, found, answered)
            executed = _executed(execution, collection, found.main, requested_at)
            batch = self._batch(replace(executed, compared_idx=found.compared_idx), found)
            try:
                return await self._load(execution, collection, batch, refetch=attempt < _READS)
            except ConcurrentUpdate as error:
                # Another process stored a state while the request was under way.
                log.info("Reading %s again: %s", collection.id, error)
                obj, observed_at = await self.read_again(collection, obj)
                requested_at = observed_at
        message = "a batch without refetch cannot conflict"
        raise AssertionError(message)

    def _object_of(self, execution: Execution) -> JsonObject:
        """The object in the answer; the stub of a deletion with the ids of the path."""
        answer, request = execution.answer, execution.request
        if answer is not None and not _is_deleted(answer.body):
            return answer.body
        kind = self._session.catalog.parent(request.collection_id).object
        known = {"id": request.upstream_id, **request.path_params}
        return {"object": kind, **known, **(answer.body if answer else {"deleted": True})}

    def _collection_of(self, request: SentRequest, obj: JsonObject) -> Collection | None:
        """The collection of an answer, by its ``object``: one request may return another kind."""
        found = self._session.catalog.route(str(obj.get("object")))
        named = [each for each in found if each.id == request.collection_id]
        return next(iter([*named, *found]), None)

    def _must_read_again(
        self, execution: Execution, collection: Collection, obj: JsonObject
    ) -> bool:
        answer = execution.answer
        if answer is None:
            return True
        if _is_deleted(obj) and not answer.is_replay:
            return False
        # Some fields are in an object only where they are expanded, which a write is not asked for.
        is_partial = bool(collection.expand) or answer.is_replay or not execution.as_stored
        return is_partial and collection.retrieve_request(obj) is not None

    async def read_again(
        self, collection: Collection, obj: JsonObject
    ) -> tuple[JsonObject, datetime]:
        """The object as it is now, and when it was; as deleted where it is gone."""
        if collection.retrieve_request(obj) is None:
            return obj, self._session.clock.now()
        observed_at = self._session.clock.now()
        found = await retrieve(self._requester, collection, obj)
        if found is None:
            return {**obj, "deleted": True}, observed_at
        return found, observed_at

    async def complete(self, collection: Collection, obj: JsonObject) -> None:
        """Complete the lists in an object, in place; one that Stripe refuses stays as it is."""
        try:
            await complete_lists(self._requester, [obj], collection.api_version)
        except (MalformedObject, StripeError) as error:
            # The next Stripe event of the object, or a reconcile, reads the list.
            log.warning("%s %s lacks the end of a list: %s", collection.id, obj.get("id"), error)

    async def observe(
        self,
        collection: Collection,
        obj: JsonObject,
        observed_at: datetime,
        *,
        path_params: JsonObject,
    ) -> list[Observation]:
        """An object of an answer, and the objects that it contains.

        Args:
            collection: Its collection.
            obj: The object, with complete lists.
            observed_at: When Stripe showed it.
            path_params: Of the request's path, which may name its parent.

        Returns:
            The object itself first; none where it cannot be stored and is set aside.
        """
        parent_id = collection.parent_id(obj)
        if parent_id is None and any(call.parent for call in collection.lists):
            parent_id = _parent_in_path(path_params)
        main = self._context.observe(
            collection,
            copied(obj),
            observed_at=observed_at,
            parent_id=parent_id,
            deleted=_is_deleted(obj),
        )
        if not main or _is_deleted(obj):
            return main
        fetched = FetchedObject(collection, obj, observed_at, [])
        return [*main, *await self._substreams.embedded(fetched)]

    async def _is_deletion(self, obj: JsonObject, found: _Observed) -> bool:
        """Whether a lost answer to a DELETE is stored as the deletion of a record.

        Of an object that only ends, and still is, its Stripe event reports the change: without the
        id of the request it could not be recognised as ours. Of an object without a record nobody
        knows whether there ever was one; if so, its Stripe event stores it.
        """
        return _is_deleted(obj) and await self._record(found) is not None

    async def _record(self, found: _Observed) -> RecordRow | None:
        """The stored record of what is to be stored."""
        if found.main is None:
            return None
        key, sync_id = (found.main.collection_id, found.main.upstream_id), self._session.sync.id
        find = self._session.warehouse.records.rows
        return (await asyncio.to_thread(find, sync_id, [key])).get(key)

    async def _compare(
        self, execution: Execution, found: _Observed, answered: JsonObject
    ) -> _Observed:
        """Find out whether the stream has this mutation's change, from a poller who was faster."""
        stored = await self._record(found)
        if found.main is None or stored is None or stored.deleted:
            return found
        if not _shows(found.main, stored, execution.request, answered):
            return replace(found, is_known=True)
        mutation = _executed(execution, None, None, execution.requested_at)
        find = self._session.warehouse.mutations.is_reported
        key = found.main.collection_id, found.main.upstream_id
        is_known = await asyncio.to_thread(find, self._session.sync.id, key, mutation)
        return replace(found, is_known=is_known, compared_idx=stored.updated_idx)

    async def _load(
        self, execution: Execution, collection: Collection, batch: Batch, *, refetch: bool
    ) -> MutationResult:
        async with taken(self._session) as set_aside:
            batch = replace(batch, set_aside=set_aside, refetch=refetch)
            loaded = await asyncio.to_thread(self._writer.load, batch)
        row, upstream_id = None, batch.mutation.upstream_id if batch.mutation else None
        if upstream_id:
            key = collection.id, upstream_id
            find = self._session.warehouse.records.rows
            row = (await asyncio.to_thread(find, self._session.sync.id, [key])).get(key)
        return MutationResult(
            position=execution.request.position,
            status=MutationStatus.DONE,
            collection_id=collection.id,
            upstream_id=upstream_id,
            record=record_json(row, loaded.record_seq) if row else None,
            seq=loaded.record_seq,
        )

    async def _finish_only(
        self, execution: Execution, collection: Collection | None, obj: JsonObject
    ) -> MutationResult:
        """For an object that the sync does not have: only the outcome is stored."""
        request = execution.request
        mutation = _executed(execution, None, None, execution.requested_at)
        batch = self._batch(mutation, _Observed(None))
        await asyncio.to_thread(self._writer.load, batch)
        payload = copied(obj)
        redact_named(payload, self._session.sensitive_fields)
        if collection is not None:
            self._context.normalizer(collection).redact(payload)
        upstream_id = str(obj["id"]) if obj.get("id") else None
        collection_id = collection.id if collection else request.collection_id
        return MutationResult(
            position=request.position,
            status=MutationStatus.DONE,
            collection_id=collection_id,
            upstream_id=upstream_id,
            record={
                "collection_id": collection_id,
                "upstream_id": upstream_id,
                "deleted": _is_deleted(obj),
                "payload": payload,
            },
        )

    def _batch(self, mutation: ExecutedMutation, found: _Observed) -> Batch:
        sync = self._session.sync
        return Batch(
            sync_id=sync.id,
            resource_id=sync.resource_id,
            source=Source.MUTATION,
            observations=found.observations,
            redact_stored=self._context.redact_stored,
            mutation=mutation,
        )


def _executed(
    execution: Execution,
    collection: Collection | None,
    main: Observation | None,
    requested_at: datetime,
) -> ExecutedMutation:
    request, answer = execution.request, execution.answer
    return ExecutedMutation(
        key=request.key,
        position=request.position,
        requested_at=requested_at,
        request_id=answer.request_id if answer else None,
        collection_id=collection.id if collection and main else None,
        upstream_id=main.upstream_id if main else None,
    )


def _shows(
    state: Observation, stored: RecordRow, request: SentRequest, answered: JsonObject
) -> bool:
    """Whether a record and the new state of its object differ in what this mutation changed.

    Args:
        state: The new state.
        stored: The record.
        request: The request.
        answered: The answer to the request.
    """
    if state.deleted:
        return True
    before = canonical_json.loads(stored.payload_json)
    written = {name.partition("[")[0] for name, _ in parse_qsl(request.body or "", True)}
    if not written or not written <= before.keys():
        # An action, or parameters that are no fields: what the answer changes.
        written |= old_values(before, answered).keys()
    return bool(old_values(before, state.payload).keys() & written)


def _parent_in_path(path_params: JsonObject) -> str | None:
    parents = (value for name, value in path_params.items() if name != "id")
    return next(parents, None)


def _is_deleted(obj: JsonObject) -> bool:
    return obj.get("deleted") is True
