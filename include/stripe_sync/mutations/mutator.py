"""Runs mutations of one open sync: store the requests, send them, apply the answers, await."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from stripe_sync.client import Priority
from stripe_sync.client.answers import WriteAnswer
from stripe_sync.errors import (
    ConfigurationError,
    IdempotencyConflict,
    Refusal,
    StripeError,
)
from stripe_sync.extract.requester import IN_FLIGHT
from stripe_sync.mutations.apply_answer import AnswerWriter
from stripe_sync.mutations.await_consumers import await_consumers, check_consumers
from stripe_sync.mutations.mutation import (
    DEFAULT_OPTIONS,
    Mutation,
    PreparedMutation,
    RunOptions,
    new_intents,
    run_key,
)
from stripe_sync.mutations.proxy.proxy import Proxy
from stripe_sync.mutations.report import (
    MutationReport,
    MutationResult,
    MutationStatus,
    record_json,
    refusal_of,
)
from stripe_sync.mutations.send import (
    REFUSED,
    WRITE_RETRY,
    Execution,
    PassedRequest,
    may_have_run,
    send,
)
from stripe_sync.mutations.validation import check, collection_to_write
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.mutations.intents import ERASED, Intent, NewIntent

log = logging.getLogger(__name__)

CONCURRENT_WRITES = 16
"""Requests of one run under way at a time; the rate limit decides when each is sent."""


@asynccontextmanager
async def open_mutator(session: Session) -> AsyncIterator[Mutator]:
    """A mutator for an open sync; closes its connections at the end."""
    requester = replace(
        session.context.requester,
        priority=Priority.LIVE,
        slots=asyncio.Semaphore(IN_FLIGHT),
        retry=WRITE_RETRY,
    )
    writer = session.warehouse.writer(connections=4)
    answers = AnswerWriter(session, writer, requester)
    proxy = Proxy(session, answers, writer)
    try:
        yield Mutator(session, answers, proxy)
    finally:
        await proxy.finish()
        writer.close()


class Mutator:
    """Runs mutations of one sync.

    Args:
        session: The open sync.
        answers: Stores what requests returned.
        proxy: Sends requests of others.

    Attributes:
        proxy: The same.
    """

    def __init__(self, session: Session, answers: AnswerWriter, proxy: Proxy) -> None:
        self.proxy = proxy
        self._session = session
        self._answers = answers
        self._store = session.warehouse.mutations
        self._slots = asyncio.Semaphore(CONCURRENT_WRITES)

    async def run(
        self, mutation: Mutation, options: RunOptions = DEFAULT_OPTIONS
    ) -> MutationReport:
        """Write to Stripe and to the streams.

        Raises:
            ConfigurationError: Something is wrong with the mutation; nothing was sent.
            IdempotencyConflict: The key was used for another run; nothing was sent.
            WarehouseError: The warehouse cannot be reached; the same key finds out what was done.
        """
        prepared = await self.prepare(mutation, options)
        return await self.run_prepared(prepared.key, options)

    async def prepare(
        self, mutation: Mutation, options: RunOptions = DEFAULT_OPTIONS
    ) -> PreparedMutation:
        """Check a mutation and store its requests; nothing is sent.

        Args:
            mutation: What to write.
            options: How it will be sent; only checked here.

        Raises:
            ConfigurationError: Something is wrong with the mutation.
            IdempotencyConflict: The key was used for another run.
            WarehouseError: The warehouse cannot be reached.
        """
        await check_consumers(self._session, options.await_consumers)
        catalog = self._session.catalog
        requests = check(
            mutation.collection_id,
            mutation.kind,
            mutation.records,
            catalog=catalog,
            allow_unknown_params=mutation.allow_unknown_params,
        )
        collection = collection_to_write(mutation.collection_id, catalog)
        sync_id = self._session.sync.id
        key = run_key(sync_id, mutation.key)
        asks = self._must_be_approved(mutation)
        new = new_intents(collection, requests, mutation, key, needs_approval=asks)
        stored = await asyncio.to_thread(self._store.find, sync_id, key)
        if not stored:
            stored = await asyncio.to_thread(self._store.prepare, sync_id, key, new)
        if asks and not all(each.needs_approval for each in stored):
            # The key was used before the setting was changed.
            stored = await asyncio.to_thread(self._store.require_approval, sync_id, key)
        if len(stored) != len(new):
            if mutation.keep_stored and not any(_is_open(each, mutation) for each in stored):
                return self._prepared(stored)
            message = (
                f"this key was used for {len(stored)} records, now there are {len(new)}:"
                " use another key for another run"
            )
            raise IdempotencyConflict(message)
        for intent, wanted in zip(stored, new, strict=True):
            await self._take_over(key, intent, wanted, mutation)
        return self._prepared(stored)

    async def find_prepared(self, key: str) -> PreparedMutation:
        """What is known of a stored run: counts and ids.

        Args:
            key: Of ``prepare``.

        Raises:
            ConfigurationError: There is no such run.
            WarehouseError: The warehouse cannot be reached.
        """
        return self._prepared(await self._find(key))

    def needs_approval(self, *, from_form: bool = False) -> bool:
        """Whether a person must approve a mutation of this sync before it is sent.

        Args:
            from_form: Whether it comes from the form of the DAG ``stripe_mutate``.
        """
        livemode = self._session.sync.livemode
        return self._session.settings.needs_approval(livemode=livemode, from_form=from_form)

    def _must_be_approved(self, mutation: Mutation) -> bool:
        if mutation.approval == "form":
            return self.needs_approval(from_form=True)
        return mutation.approval == "always"

    def _prepared(self, stored: Sequence[Intent]) -> PreparedMutation:
        ids = [intent.path_params["id"] for intent in stored if "id" in intent.path_params]
        return PreparedMutation(
            key=stored[0].key,
            collection_id=stored[0].collection_id,
            kind=stored[0].kind,
            upstream_ids=tuple(dict.fromkeys(ids)),
            records=len(stored),
            livemode=self._session.sync.livemode,
            needs_approval=any(intent.needs_approval for intent in stored),
        )

    async def _find(self, key: str) -> list[Intent]:
        intents = await asyncio.to_thread(self._store.find, self._session.sync.id, key)
        if not intents:
            message = "there is no such mutation, or it is older than 30 days"
            raise ConfigurationError(message, param="key")
        return intents

    async def _take_over(
        self, key: str, intent: Intent, wanted: NewIntent, mutation: Mutation
    ) -> None:
        """Let a run that a person asks for again replace what was never executed."""
        if _is_open(intent, mutation):
            replace_one = self._store.replace
            await asyncio.to_thread(replace_one, self._session.sync.id, key, wanted)
        elif not mutation.keep_stored and intent.body_hash not in {wanted.body_hash, ERASED}:
            message = (
                f"this key was used with other parameters (records[{intent.position}]): use another"
                " key for another run"
            )
            raise IdempotencyConflict(message)

    async def run_prepared(
        self, key: str, options: RunOptions = DEFAULT_OPTIONS, *, question: str | None = None
    ) -> MutationReport:
        """Send the stored requests of a run that have no outcome yet.

        Args:
            key: Of ``prepare``.
            options: How to send them, and whom to await.
            question: What a person was asked about it; None: nobody was asked.

        Raises:
            ConfigurationError: There is no such run, or nobody approved one that needs it.
            WarehouseError: The warehouse cannot be reached; the same key finds out what was done.
        """
        await check_consumers(self._session, options.await_consumers)
        intents = await self._find(key)
        await self._check_approved(intents, question)
        if options.on_error == "stop":
            results = await self._one_after_the_other(intents)
        else:
            results = await self._together(intents)
        report = MutationReport(
            self._session.sync.name, intents[0].collection_id, intents[0].kind, tuple(results)
        )
        if report.seq is None or not options.await_consumers:
            return report
        late = await await_consumers(
            self._session,
            options.await_consumers,
            [each.seq for each in report.results if each.seq is not None],
            collection_id=report.collection_id,
            seconds=options.await_seconds,
        )
        return replace(report, late=tuple(late))

    async def _check_approved(self, intents: Sequence[Intent], question: str | None) -> None:
        """Refuse requests that need an approval of exactly this run and have none."""
        if not any(each.needs_approval and each.is_open for each in intents):
            return
        find = self._session.warehouse.approvals.find
        found = await asyncio.to_thread(find, question) if question else None
        if not found or not found.approved_by or found.mutation_key != intents[0].key:
            message = "a person must approve this mutation, and nobody did: nothing was sent"
            raise ConfigurationError(message, param="key")

    async def _one_after_the_other(self, intents: Sequence[Intent]) -> list[MutationResult]:
        results: list[MutationResult] = []
        for intent in intents:
            if results and not results[-1].ok:
                results.append(_result(intent, MutationStatus.NOT_SENT))
            else:
                results.append(await self._execute(intent))
        return results

    async def _together(self, intents: Sequence[Intent]) -> list[MutationResult]:
        """All at once; those of one object in their order, since Stripe locks it."""
        chains: dict[object, list[Intent]] = {}
        for intent in intents:
            chains.setdefault(intent.path_params.get("id") or intent.position, []).append(intent)

        async def run(chain: Sequence[Intent]) -> list[MutationResult]:
            async with self._slots:
                return [await self._execute(intent) for intent in chain]

        found = await asyncio.gather(*(run(chain) for chain in chains.values()))
        return sorted((each for part in found for each in part), key=lambda each: each.position)

    async def _execute(self, intent: Intent) -> MutationResult:
        """The outcome of one request: the stored one, or that of sending it."""
        if intent.status == "done":
            return await self._stored_result(intent)
        if intent.status == "refused":
            refusal = Refusal(**(intent.error or {"type": ""}))
            return _result(intent, MutationStatus.REFUSED, refusal)
        if intent.is_key_expired:
            return await self._execute_expired(intent)
        place = (self._session.sync.id, intent.key, intent.position)
        intent = await asyncio.to_thread(self._store.mark_sent, *place)
        if intent.status in {"done", "refused"}:
            # Another process has finished the same run meanwhile.
            return await self._execute(intent)
        try:
            execution = await send(self._session, intent)
        except StripeError as error:
            return await self._failed(intent, error)
        return await self._apply(intent, execution)

    async def _failed(self, intent: Intent, error: StripeError) -> MutationResult:
        sync_id, refusal = self._session.sync.id, refusal_of(error)
        if error.is_outcome_unknown or may_have_run(intent, error):
            return _result(intent, MutationStatus.UNKNOWN, refusal)
        if isinstance(error, REFUSED):
            stored = {name: getattr(refusal, name) for name in Refusal.__dataclass_fields__}
            left = await self._store_left(intent, error)
            if await asyncio.to_thread(self._store.refuse, sync_id, intent, stored, left):
                intent = replace(intent, upstream_id=left)
                return _result(intent, MutationStatus.REFUSED, refusal)
            # Another process runs the same: its outcome is that of the request.
            now = (await self._find(intent.key))[intent.position]
            if now.status in {"done", "refused"}:
                return await self._execute(now)
            return _result(intent, MutationStatus.UNKNOWN, refusal)
        await asyncio.to_thread(self._store.mark_unsent, sync_id, intent)
        return _result(intent, MutationStatus.NOT_EXECUTED, refusal)

    async def _store_left(self, intent: Intent, error: StripeError) -> str | None:
        """Store the payment that a declined card left; its id where it is what was written."""
        found = None
        for kind, name in error.left:
            if kind == self._session.catalog.parent(intent.collection_id).object:
                found = name
            # Read as it is now: the answer has secrets, and shows it before what followed.
            answer = WriteAnswer({"object": kind, "id": name}, error.request_id, is_replay=True)
            now = self._session.clock.now()
            request = PassedRequest(intent.collection_id, {}, intent.body)
            try:
                await self._answers.store(Execution(request, now, now, answer))
            except StripeError as unread:
                log.warning("Polling stores %s %s: %s", kind, name, unread)
        return found

    async def _apply(self, intent: Intent, execution: Execution) -> MutationResult:
        try:
            return await self._answers.store(execution)
        except StripeError as error:
            log.warning("A write was executed, and its object cannot be read: %s", error)
            return _result(intent, MutationStatus.UNKNOWN, refusal_of(error))

    async def _execute_expired(self, intent: Intent) -> MutationResult:
        """A request whose key Stripe may have forgotten is never sent again."""
        if intent.upstream_id is not None:
            # A Stripe event has shown the object.
            now = self._session.clock.now()
            return await self._apply(intent, Execution(intent, now, now, None))
        message = (
            "it was sent more than 23 hours ago without an answer, and Stripe forgets keys after"
            " 24: look for the change in Stripe, and if it is missing, start a new run"
        )
        return _result(intent, MutationStatus.UNKNOWN, Refusal("api_error", message=message))

    async def _stored_result(self, intent: Intent) -> MutationResult:
        """The answer from the store: the record as it is now."""
        key = intent.result_collection_id or intent.collection_id, intent.upstream_id or ""
        find = self._session.warehouse.records.rows
        keys = [key] if intent.upstream_id else []
        row = (await asyncio.to_thread(find, self._session.sync.id, keys)).get(key)
        return MutationResult(
            position=intent.position,
            status=MutationStatus.DONE,
            collection_id=key[0],
            upstream_id=intent.upstream_id,
            record=record_json(row, intent.seq) if row else None,
            seq=intent.seq,
        )


def _is_open(intent: Intent, mutation: Mutation) -> bool:
    """Whether a person asks again for what Stripe has refused."""
    return intent.status == "refused" and intent.attempt < mutation.attempt


def _result(intent: Intent, status: MutationStatus, error: Refusal | None = None) -> MutationResult:
    return MutationResult(
        position=intent.position,
        status=status,
        collection_id=intent.collection_id,
        upstream_id=intent.path_params.get("id") or intent.upstream_id,
        error=error,
    )
