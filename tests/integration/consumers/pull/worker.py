"""A process that reads a pull consumer until it is killed."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from integration.consumers.pull.conftest import NAME
from stripe_sync import PullQueue, StreamReader


def work(url: str, log: str, seed: int) -> None:
    """Take, write down what was taken, acknowledge or refuse."""
    asyncio.run(_work(url, Path(log), random.Random(seed)))


async def _work(url: str, log: Path, rng: random.Random) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with StreamReader(url) as reader:
        queue = PullQueue(reader)
        while True:
            batch = await queue.next(NAME, batch_size=rng.randrange(1, 20), wait_seconds=1)
            lines = [f"{each.item.sync_id} {each.item.seq}\n" for each in batch.items]
            os.write(descriptor, "".join(lines).encode())
            tokens = [each.ack_token for each in batch.items]
            rng.shuffle(tokens)
            refused = len(tokens) // 10
            await queue.nack(NAME, tokens[:refused])
            await queue.ack(NAME, tokens[refused:])
