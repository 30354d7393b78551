"""Sends requests of others with the sync's key and pace, and stores the objects of the answers.

What POST and DELETE return is stored like the answer of a mutation, before the caller has it. What
GET returns is the present state, stored like a reconcile's: after the Stripe events of its changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.catalog import STRIPE_EVENTS, Collection
from stripe_sync.client import RetryPolicy
from stripe_sync.client.answers import RawAnswer, WriteAnswer
from stripe_sync.errors import MalformedObject, StripeSyncError
from stripe_sync.mutations.apply_answer import AnswerWriter
from stripe_sync.mutations.proxy.request import Call, ProxyRequest, checked
from stripe_sync.mutations.send import WRITE_RETRY, Execution, PassedRequest
from stripe_sync.records import Batch, Observation, Source, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import redact_named
from stripe_sync.sync.reconcile.reconcile import oldest_created
from stripe_sync.sync.refetch import load_certain
from stripe_sync.sync.session import Session
from stripe_sync.sync.set_aside import taken
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

log = logging.getLogger(__name__)

HEADERS = (
    "Request-Id",
    "Original-Request",
    "Idempotent-Replayed",
    "Retry-After",
    "Stripe-Rate-Limited-Reason",
    "Stripe-Should-Retry",
    "Stripe-Version",
)
"""Headers of Stripe's answer that are passed on."""

STORED_SECONDS = 2.0
"""Longest time that a GET waits until its objects are stored; after that they are stored later."""

MAX_READS = 32
"""Answers to GETs that wait to be stored; further ones are left to polling."""

_COMPUTED = frozenset({"create_preview", "preview", "upcoming"})
"""Parts of the paths of requests whose answers are computed, and no objects."""

_ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """What Stripe answered.

    Attributes:
        status: HTTP status.
        headers: Some of its headers (``HEADERS``).
        content: The body as it came; in errors without keys and other secrets.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class Proxy:
    """Sends requests of others for one sync.

    Args:
        session: The open sync.
        answers: Stores what writes returned.
        writer: Writes batches.
    """

    def __init__(self, session: Session, answers: AnswerWriter, writer: BatchWriter) -> None:
        self._session = session
        self._answers = answers
        self._writer = writer
        self._reads: set[asyncio.Task[None]] = set()

    async def send(self, request: ProxyRequest) -> ProxyAnswer:
        """Send a request, and store the objects of its answer.

        Raises:
            ConfigurationError: The request may not be sent.
            AuthenticationError: Stripe refuses the sync's key.
            StripeError: Stripe does not answer; ``may_have_run`` says whether it may have executed
                the request.
            WarehouseError: The shared budget cannot be reached; nothing was sent.
        """
        call = checked(request, self._session.catalog)
        sent_at = self._session.clock.now()
        raw = await self._session.api.pass_through(
            call.method,
            call.template,
            call.path_params,
            query=call.query,
            body=call.body,
            idempotency_key=call.idempotency_key,
            api_version=call.api_version,
            # Without a key a second try may find what the first one has done.
            retry=_ONCE if call.method == "delete" else WRITE_RETRY,
        )
        if raw.write is not None:
            await self._store(call, raw.write, sent_at)
        headers = {name: raw.headers[name] for name in HEADERS if name in raw.headers}
        return ProxyAnswer(raw.status, headers, self._content(raw))

    async def finish(self) -> None:
        """Wait until the answers to all GETs are stored."""
        await asyncio.gather(*self._reads, return_exceptions=True)

    def _content(self, raw: RawAnswer) -> bytes:
        """The body; of an error without what is redacted in records."""
        if raw.write is not None or not self._session.sensitive_fields:
            return raw.content
        body = canonical_json.loads(raw.content)
        redact_named(body, self._session.sensitive_fields)
        return canonical_json.dumps(body)

    async def _store(self, call: Call, answer: WriteAnswer, sent_at: datetime) -> None:
        """Store the objects of an answer; the caller gets it whatever happens to them."""
        if call.method != "get":
            await _logged(self._store_written(call, answer, sent_at))
        elif len(self._reads) < MAX_READS:
            task = asyncio.create_task(_logged(self._store_read(call, answer.body, sent_at)))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)
            await asyncio.wait({task}, timeout=STORED_SECONDS)

    async def _store_written(self, call: Call, answer: WriteAnswer, sent_at: datetime) -> None:
        collection = self._collection_of(answer.body)
        if collection is None or not _COMPUTED.isdisjoint(call.template.split("/")):
            return
        as_stored = self._is_as_stored(call, collection)
        if not as_stored and collection.retrieve_request(answer.body) is None:
            return
        await self._answers.store(
            Execution(
                request=PassedRequest(collection.id, dict(call.path_params), call.body),
                requested_at=sent_at,
                answered_at=self._session.clock.now(),
                answer=answer,
                as_stored=as_stored,
            )
        )

    async def _store_read(self, call: Call, body: JsonObject, read_at: datetime) -> None:
        is_list = body.get("object") == "list"
        objects = body.get("data") if is_list else [body]
        observations: list[Observation] = []
        for collection, obj in await self._wanted(call, objects):
            shown, observed_at = obj, read_at
            if self._is_as_stored(call, collection):
                await self._answers.complete(collection, obj)
            elif is_list or collection.retrieve_request(obj) is None:
                continue  # another request for each would cost more than the next reconcile
            else:
                shown, observed_at = await self._answers.read_again(collection, obj)
            observations += await self._answers.observe(
                collection, shown, observed_at, path_params=dict(call.path_params)
            )
        sync = self._session.sync
        if not observations:
            return
        async with taken(self._session) as set_aside:
            batch = Batch(
                sync.id,
                sync.resource_id,
                Source.RECONCILE,
                observations,
                set_aside=set_aside,
                redact_stored=self._session.context.redact_stored,
            )
            await load_certain(self._session, self._writer.load, batch)

    async def _wanted(self, call: Call, objects: object) -> list[tuple[Collection, JsonObject]]:
        """The objects that the sync would read with the same request, and store."""
        wanted: list[tuple[Collection, JsonObject]] = []
        oldest: dict[str, int | None] = {}
        for obj in objects if isinstance(objects, list) else ():
            collection = self._collection_of(obj)
            if collection is None or call.template not in collection.paths:
                continue
            if collection.id not in oldest:
                find = asyncio.to_thread(oldest_created, self._session, collection)
                oldest[collection.id] = await find
            if await self._is_wanted(collection, obj, oldest[collection.id]):
                wanted.append((collection, obj))
        return wanted

    async def _is_wanted(self, collection: Collection, obj: JsonObject, oldest: int | None) -> bool:
        """Whether the sync stores an object of this age, or has it already."""
        created = collection.created(obj)
        if oldest is None or created is None or created >= oldest:
            return True
        try:
            key = self._session.normalizer(collection).upstream_id(obj)
        except MalformedObject:
            return False
        return bool(await self._session.context.stored.existing(collection.id, [key]))

    def _collection_of(self, obj: object) -> Collection | None:
        """The collection of an object that the sync has; Stripe events are left to polling."""
        if not isinstance(obj, dict):
            return None
        for collection in self._session.catalog.route(str(obj.get("object"))):
            if collection.id != STRIPE_EVENTS and self._session.sync.selects(collection.id):
                return collection
        return None

    def _is_as_stored(self, call: Call, collection: Collection) -> bool:
        """Whether a request returns objects of a collection as they are stored."""
        context = self._session.context
        version = call.api_version or context.api_version
        is_whole = not call.expands and not (call.method == "get" and collection.expand)
        return is_whole and version == context.version_of(collection)


async def _logged(storing: Awaitable[None]) -> None:
    """Store; what fails is stored by polling, as after a change by anybody else."""
    try:
        await storing
    except StripeSyncError as error:
        log.warning("Objects of an answer are left to polling: %s", error)
