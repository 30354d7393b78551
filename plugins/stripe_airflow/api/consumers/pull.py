"""Routes of the readers of pull consumers: next, ack, nack."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request, Response

from stripe_airflow.api.consumers.models import (
    AckedItems,
    AckTokens,
    NackedItems,
    NextItems,
    PulledItems,
)
from stripe_airflow.api.rights import DELIVER
from stripe_airflow.api.routing import Route, StorableText
from stripe_airflow.api.streams.answers import json_answer
from stripe_airflow.api.streams.disconnect import unless_gone
from stripe_airflow.api.streams.process import streams
from stripe_sync import PullBatch

ConsumerId = Annotated[StorableText, Path(description="Name or id of the consumer.")]

# Asynchronous as they wait: FastAPI runs others in threads that Airflow's routes need. Reading here
# takes items from other readers, so it needs more than the right to read the streams.
router = APIRouter(tags=["pull"], route_class=Route, dependencies=[DELIVER])


@router.post("/{consumer_id}/next", response_model=PulledItems)
async def take_next(
    consumer_id: ConsumerId, request: Request, body: NextItems | None = None
) -> Response:
    """Take the next items; acknowledge each, or it comes again after `ack_wait_ms`.

    Changes of one object come in their order, and the next one only after the ack of the one
    before. Take batches of 100 and more: each answer is a transaction.
    """
    body = body or NextItems()
    queue = await streams().queue(waits=bool(body.wait_for))
    work = queue.next(consumer_id, batch_size=body.batch_size, wait_seconds=body.wait_for / 1000)

    async def give_back(batch: PullBatch) -> None:
        await queue.give_back(consumer_id, batch)

    return await _answer(request, await unless_gone(request, work, undo=give_back))


@router.post("/{consumer_id}/ack")
async def ack(consumer_id: ConsumerId, body: AckTokens) -> AckedItems:
    """Count items as delivered. A token that was acknowledged before, or is unknown, is expired."""
    result = await (await streams().queue()).ack(consumer_id, body.ack_tokens)
    return AckedItems(acked=len(result.done), expired=result.expired)


@router.post("/{consumer_id}/nack")
async def nack(consumer_id: ConsumerId, body: AckTokens) -> NackedItems:
    """Have items delivered again: after 1 second, then 2, 4 … up to an hour."""
    result = await (await streams().queue()).nack(consumer_id, body.ack_tokens)
    return NackedItems(nacked=len(result.done), expired=result.expired)


async def _answer(request: Request, batch: PullBatch) -> Response:
    name = batch.stream.value.removesuffix("s").encode()
    data = b",".join(
        b'{"ack_token":"%s","%s":%s}' % (each.ack_token.encode(), name, each.item.body)
        for each in batch.items
    )
    return await json_answer(request, b'{"data":[%s],"info":%s}' % (data, orjson.dumps(batch.info)))
