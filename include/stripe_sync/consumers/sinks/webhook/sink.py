"""Delivers to a webhook: different objects side by side, the items of one object in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Self

from stripe_sync.clock import SystemClock
from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    ItemFailure,
    Outcome,
    SinkContext,
    SinkSettings,
    TargetError,
)
from stripe_sync.consumers.sinks.webhook.failures import Blame, Failure
from stripe_sync.consumers.sinks.webhook.health import ObjectKey, TargetHealth
from stripe_sync.consumers.sinks.webhook.poster import Poster
from stripe_sync.consumers.sinks.webhook.settings import WebhookSettings
from stripe_sync.consumers.sinks.webhook.signing import Signer
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.items import ItemKey, StreamItem

_PATIENCE_SECONDS = 1.0
"""Time for which a batch waits for its last requests."""

_BEGIN_SECONDS = 5.0
"""Time after which no more objects of a batch are begun: a pause or the end of a run takes effect
between batches."""

_HOLD_SECONDS = 5.0
"""Time in which a target that was just found down is not asked again."""


@dataclass(eq=False)
class _Run:
    """A call of ``deliver``.

    Attributes:
        queued: Objects of which no item was tried.
        is_again: Whether the items failed before.
        delivered: Items that were delivered.
        failure: Why no more are tried.
        has_begun: Set once each object was tried, or no more will be.
        is_cut: Whether the time to begin more is over.
        is_over: Whether its outcome was returned.
    """

    queued: int
    is_again: bool
    delivered: int = 0
    failure: Failure | None = None
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    is_cut: bool = False
    is_over: bool = False

    def stop(self, failure: Failure) -> None:
        """Try no more; of several reasons the one that is certain counts."""
        if self.failure is None or (failure.blame is Blame.TARGET and not self.failure.pauses):
            self.failure = failure
        self.has_begun.set()

    @property
    def finds_down(self) -> bool:
        """Whether no item at all can be delivered now."""
        if self.failure is None:
            return False
        return self.failure.blame is Blame.TARGET or not self.is_again


@dataclass(eq=False)
class _Chain:
    """Items of one object, in order: the first is under way, or the next to be tried.

    Attributes:
        is_tried: Whether one was tried.
        failure: Why the first was not delivered.
        last: The item that an earlier outcome has as unfinished.
        task: Delivers them.
    """

    key: ObjectKey
    items: list[StreamItem]
    run: _Run
    is_tried: bool = False
    failure: Failure | None = None
    last: ItemKey | None = None
    task: asyncio.Task[None] = field(init=False)


class WebhookSink:
    """Delivers to a URL.

    Args:
        poster: Posts an item.
        concurrency: Most requests at once.
    """

    Settings: ClassVar[type[SinkSettings]] = WebhookSettings
    needs_connection: ClassVar[bool] = True
    keeps_cursor: ClassVar[bool] = False
    longest_wait: ClassVar[timedelta] = timedelta(minutes=15)
    gives_up_after: ClassVar[timedelta | None] = timedelta(hours=24)

    def __init__(self, poster: Poster, concurrency: int) -> None:
        self._poster = poster
        self._slots = asyncio.Semaphore(concurrency)
        self._health = TargetHealth(None)
        self._under_way: dict[ObjectKey, _Chain] = {}
        self._settled: list[_Chain] = []
        self._held: tuple[Failure, float] | None = None
        self._clock = SystemClock()

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        """See ``Sink``."""
        checked = WebhookSettings.model_validate(settings)
        poster = Poster(checked, Signer.of(context), context.selection.stream)
        return cls(poster, checked.concurrency)

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        """See ``Sink``. Nothing is asked of the target: only an item shows whether it takes one."""
        await self._poster.open()
        self._health = TargetHealth(checkpoint.position)
        return checkpoint

    def position(self) -> JsonObject | None:
        """See ``Sink``."""
        return self._health.position()

    async def close(self) -> None:
        """See ``Sink``."""
        await _cancel(self._under_way.values())
        self._under_way.clear()
        await self._poster.close()

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        """See ``Sink``. Requests that take longer than some seconds go on after it has returned."""
        self._settle()
        if batch.items:
            self._raise_held()
        self._health.begin()
        objects, skipped = self._by_object(batch)
        run = _Run(queued=len(objects), is_again=batch.start == batch.end)
        chains = [_Chain(key, items, run) for key, items in objects.items()]
        for chain in chains:
            chain.task = asyncio.create_task(self._deliver_object(chain))
        try:
            await self._wait(chains, run)
            return self._conclude(chains, run, skipped)
        except BaseException:
            # Nothing of the batch is reported, so nothing of it may go on.
            await _cancel(chains)
            raise

    def _conclude(self, chains: list[_Chain], run: _Run, skipped: set[ItemKey]) -> Outcome:
        run.is_over = True
        if run.failure is not None and run.finds_down:
            if not run.delivered:
                raise _target_error(run.failure, run.failure.retry_after)
            self._hold(run.failure)
        return self._outcome(chains, skipped)

    def _by_object(
        self, batch: DeliveryBatch
    ) -> tuple[dict[ObjectKey, list[StreamItem]], set[ItemKey]]:
        """What can be tried, and what has to wait for an item that is under way or has failed."""
        blocked = {*self._under_way, *(chain.key for chain in self._settled if chain.failure)}
        objects: dict[ObjectKey, list[StreamItem]] = {}
        skipped = set()
        for item in batch.items:
            if item.object_key in blocked:
                skipped.add(item.key)
            else:
                objects.setdefault(item.object_key, []).append(item)
        return objects, skipped

    async def _wait(self, chains: list[_Chain], run: _Run) -> None:
        """Until all is delivered, or nothing but slow requests is left, or the target is down."""
        if not chains:
            return
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                await run.has_begun.wait()
        except TimeoutError:
            run.is_cut = True
        await _cancel(chain for chain in chains if not chain.is_tried)
        pending = {chain.task for chain in chains if not chain.task.done()}
        if pending:
            _, pending = await asyncio.wait(pending, timeout=_PATIENCE_SECONDS)
        # What is probably down has to show that it is not, or each batch would look like a success.
        while pending and not (run.is_again or run.delivered) and self._health.is_down:
            _, pending = await asyncio.wait(
                pending, timeout=_PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )

    async def _deliver_object(self, chain: _Chain) -> None:
        run = chain.run
        async with self._slots:
            while chain.items and run.failure is None and not run.is_cut:
                if not chain.is_tried:
                    chain.is_tried = True
                    run.queued -= 1
                    if not run.queued:
                        run.has_begun.set()
                chain.failure = await self._poster.post(chain.items[0])
                if chain.failure is not None:
                    self._note(chain, chain.failure)
                    return
                self._health.succeeded()
                run.delivered += 1
                del chain.items[0]

    def _note(self, chain: _Chain, failure: Failure) -> None:
        """A failure, and whether it means that no more is to be tried."""
        run = chain.run
        self._health.failed(chain.key, failure.blame, again=run.is_again)
        likely_down = self._health.is_down and not (run.is_again or run.delivered)
        if failure.blame is Blame.TARGET or likely_down or self._health.is_hopeless:
            run.stop(failure)
            if run.is_over and run.finds_down:
                self._hold(failure)

    def _settle(self) -> None:
        """Set aside what was under way and no longer is, until an outcome has it."""
        done = [chain for chain in self._under_way.values() if chain.task.done()]
        for chain in done:
            del self._under_way[chain.key]
            chain.task.result()
        self._settled += done

    def _outcome(self, chains: list[_Chain], skipped: set[ItemKey]) -> Outcome:
        failed: dict[ItemKey, ItemFailure] = {}
        finished, unfinished = set(), set()
        for chain in self._settled:
            if chain.last is not None and chain.failure is None:
                finished.add(chain.last)
            elif chain.last is not None and chain.failure is not None:
                failed[chain.last] = _item_failure(chain.failure)
        self._settled = []
        for chain in chains:
            if not chain.items:
                continue
            first, *later = (item.key for item in chain.items)
            skipped.update(later)
            if not chain.task.done():
                unfinished.add(first)
                self._detach(chain, first)
            elif chain.failure is not None:
                failed[first] = _item_failure(chain.failure)
            elif (reason := _why_not_tried(chain)) is None:
                skipped.add(first)
            else:
                failed[first] = reason
        return Outcome(failed, frozenset(skipped), frozenset(unfinished), frozenset(finished))

    def _detach(self, chain: _Chain, first: ItemKey) -> None:
        """Let the first item go on, and give back the others."""
        del chain.items[1:]
        chain.last = first
        self._under_way[chain.key] = chain

    def _hold(self, failure: Failure) -> None:
        if self._held is not None and self._held[0].pauses:
            return
        seconds = math.inf if failure.pauses else failure.retry_after or _HOLD_SECONDS
        self._held = failure, self._clock.monotonic() + seconds

    def _raise_held(self) -> None:
        """What an earlier batch found, but could not raise, since a part of it was delivered."""
        if self._held is None:
            return
        failure, until = self._held
        left = until - self._clock.monotonic()
        if left <= 0 or not (failure.pauses or failure.retry_after):
            self._held = None
        if left > 0:
            raise _target_error(failure, failure.retry_after and left)


def _target_error(failure: Failure, retry_after: float | None) -> TargetError:
    return TargetError(failure.error, retry_after=retry_after, pauses=failure.pauses)


def _item_failure(failure: Failure) -> ItemFailure:
    return ItemFailure(failure.error, retry_after=failure.retry_after)


def _why_not_tried(chain: _Chain) -> ItemFailure | None:
    """Why the next item of a chain was not tried; None where it waits with others."""
    if not chain.task.cancelled():
        chain.task.result()  # raises what went wrong
    failure = chain.run.failure
    if failure is None and chain.run.is_cut:
        return None
    if failure is None:
        message = "an item is neither delivered nor tried"
        raise RuntimeError(message)
    if chain.run.finds_down:
        return None
    return ItemFailure(f"not tried, since {failure.error}", retry_after=failure.retry_after)


async def _cancel(chains: Iterable[_Chain]) -> None:
    tasks = [chain.task for chain in chains]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
