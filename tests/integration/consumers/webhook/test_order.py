"""Random failures: each item arrives, those of an object in order and never two at once."""

from __future__ import annotations

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest
from aiohttp import web

from integration.consumers.webhook.receiver import (
    SYNC,
    Received,
    Receiver,
    batch,
    event,
    receiving,
    sink_to,
)
from stripe_sync.consumers.sink import DeliveryBatch, Outcome, TargetError
from stripe_sync.consumers.sinks.webhook import WebhookSink
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey, StreamItem

SEEDS = int(os.environ.get("STRIPE_SYNC_TEST_SEEDS", "3"))
CONCURRENCY = 5
PAGE = 40


class Engine:
    """Delivers a stream as the delivery of consumers does, with nothing but the protocol."""

    def __init__(self, sink: WebhookSink, items: list[StreamItem], chance: random.Random) -> None:
        self.sink, self.items, self.chance = sink, items, chance
        self.read = 0
        self.waiting: dict[ItemKey, StreamItem] = {}
        self.under_way: dict[ItemKey, StreamItem] = {}

    async def run(self) -> None:
        while self.read < len(self.items) or self.waiting or self.under_way:
            await self._again()
            await self._page()
            await asyncio.sleep(0.001)

    async def _page(self) -> None:
        page = self.items[self.read : self.read + self.chance.randint(1, PAGE)]
        blocked = {each.object_key for each in (*self.waiting.values(), *self.under_way.values())}
        free = [item for item in page if item.object_key not in blocked]
        if await self._deliver(free, end=self.read + len(page)):
            self.read += len(page)
            self.waiting |= {item.key: item for item in page if item.object_key in blocked}

    async def _again(self) -> None:
        """Some of what failed, of each object from its first item on."""
        by_object = defaultdict(list)
        running = {item.object_key for item in self.under_way.values()}
        for _, item in sorted(self.waiting.items()):
            if item.object_key not in running:
                by_object[item.object_key].append(item)
        chosen = self.chance.sample(sorted(by_object), k=min(len(by_object), 10))
        items = sorted((item for key in chosen for item in by_object[key]), key=lambda i: i.seq)
        if items and await self._deliver(items):
            for item in items:
                if item.key not in self.failed_now:
                    del self.waiting[item.key]

    async def _deliver(self, items: list[StreamItem], end: int | None = None) -> bool:
        start = StreamCursor({SYNC: self.read})
        until = start if end is None else StreamCursor({SYNC: end})
        try:
            outcome = await self.sink.deliver(DeliveryBatch(items, start, until))
        except TargetError:
            return False
        self._take(outcome, items)
        return True

    def _take(self, outcome: Outcome, items: Iterable[StreamItem]) -> None:
        sent = {item.key: item for item in items}
        before = dict(self.under_way)
        assert {*outcome.failed, *outcome.finished} <= {*sent, *before}
        assert {*outcome.skipped, *outcome.unfinished} <= {*sent}
        assert not {*outcome.finished} & {*outcome.failed, *outcome.unfinished}
        for key in {*outcome.finished, *(outcome.failed.keys() & before.keys())}:
            del self.under_way[key]
        self.failed_now = {*outcome.failed, *outcome.skipped}
        for key in self.failed_now:
            self.waiting[key] = sent.get(key) or before[key]
        self.under_way |= {key: sent[key] for key in outcome.unfinished}


def unreliable(chance: random.Random) -> dict[str, float]:
    return {
        "accepted": 10.0,
        "400": chance.choice([0, 1, 3]),
        "500": chance.choice([0, 1, 20]),
        "503": chance.choice([0, 0.2]),
        "cut": chance.choice([0, 0.5]),
        "slow": chance.choice([0, 0.05]),
    }


def check(receiver: Receiver, items: list[StreamItem], accepted: list[Received]) -> None:
    assert receiver.overlaps == []
    assert receiver.most_at_once <= CONCURRENCY
    assert receiver.unsigned == []
    firsts = list(dict.fromkeys(received.json["seq"] for received in accepted))
    assert sorted(firsts) == [item.seq for item in items]
    names = {item.seq: item.upstream_id for item in items}
    orders = defaultdict(list)
    for seq in firsts:
        orders[names[seq]].append(seq)
    assert all(order == sorted(order) for order in orders.values())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_item_arrives_and_those_of_an_object_in_order(seed: int) -> None:
    chance = random.Random(seed)
    items = [event(seq, name=f"cus_{chance.randint(1, 25)}") for seq in range(1, 201)]
    weights = unreliable(chance)
    accepted: list[Received] = []

    async def answer(received: Received) -> web.StreamResponse:
        (kind,) = chance.choices(list(weights), list(weights.values()))
        if kind.isdecimal():
            return web.Response(status=int(kind))
        if kind == "slow":
            await asyncio.sleep(1.3)
        accepted.append(received)
        if kind == "cut":
            raise asyncio.CancelledError  # the item was taken; its sender gets no answer
        return web.Response()

    async def run() -> Receiver:
        async with (
            receiving(answer) as receiver,
            sink_to(receiver.url, concurrency=CONCURRENCY, timeout_seconds=30) as sink,
        ):
            await Engine(sink, items, chance).run()
            assert await sink.deliver(batch()) == Outcome()
            return receiver

    check(asyncio.run(run()), items, accepted)
