"""Routes that manage consumers. Each calls a function of ``stripe_sync``, in a thread."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from stripe_airflow.api.consumers.models import (
    ConsumerList,
    ConsumerUpdate,
    CreatedConsumer,
    DeadLetterList,
    DeletedConsumer,
    NewConsumer,
    RedeliverDeadLetters,
    RedeliveredDeadLetters,
    ReplayConsumer,
    RotatedSecret,
)
from stripe_airflow.api.consumers.secrets import (
    delete_connection,
    make_connection,
    rotate_secret,
)
from stripe_airflow.api.rights import MANAGE, READ
from stripe_airflow.api.routing import Route, StorableText, page_of
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import (
    ConfigurationError,
    ConsumerConflict,
    ConsumerInfo,
    ConsumerNotFound,
    StreamCursor,
    create_consumer,
    dead_letters,
    delete_consumer,
    describe_consumers,
    get_consumer,
    pause_consumer,
    redeliver_dead_letters,
    reopen_consumer,
    replay_consumer,
    resume_consumer,
    update_consumer,
)

WEBHOOK = "webhook"

router = APIRouter(prefix="/v1/consumers", tags=["consumers"], route_class=Route)

ConsumerId = Annotated[StorableText, Path(description="Name or id of the consumer.")]


@router.get("", dependencies=[READ])
def list_consumers(
    after_cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ConsumerList:
    """All consumers and their state by name, page by page."""
    found = {each.name: each for each in describe_consumers(warehouse_url())}
    page = page_of(found, after_cursor, limit)
    return ConsumerList(consumers=page.items, cursor=page.cursor, has_more=page.has_more)


@router.post("", status_code=201, dependencies=[MANAGE])
def create(body: NewConsumer) -> CreatedConsumer:
    """Create a consumer.

    A webhook without `connection_id` gets a connection of its own with a new secret, which is in
    this answer only.
    """
    if body.kind != WEBHOOK or body.connection_id:
        return CreatedConsumer(consumer=_created(body))
    _check_new(body.name)
    connection_id, secret = make_connection(body.name)
    try:
        consumer = _created(body.model_copy(update={"connection_id": connection_id}))
    except BaseException:
        delete_connection(body.name)
        raise
    return CreatedConsumer(consumer=consumer, secret=secret)


@router.get("/{consumer_id}", dependencies=[READ])
def read(consumer_id: ConsumerId) -> ConsumerInfo:
    """One consumer and its state: how far behind it is, its last error, its dead letters."""
    return get_consumer(warehouse_url(), consumer_id)


@router.patch("/{consumer_id}", dependencies=[MANAGE])
def update(consumer_id: ConsumerId, body: ConsumerUpdate) -> ConsumerInfo:
    """Change, pause or resume a consumer. It goes on from where it is.

    Kind, stream and name never change: what was delivered would no longer fit.
    """
    given = body.model_fields_set
    changes: dict[str, Any] = {name: getattr(body, name) for name in given - {"status"}}
    url = warehouse_url()
    found = update_consumer(url, consumer_id, **changes)
    if "status" in given:
        change = pause_consumer if body.status == "paused" else resume_consumer
        found = change(url, found.name)
    return found


@router.delete("/{consumer_id}", dependencies=[MANAGE])
def delete(consumer_id: ConsumerId) -> DeletedConsumer:
    """Delete a consumer, its dead letters, and the connection that was made with it.

    Its target keeps what it has.
    """
    found = get_consumer(warehouse_url(), consumer_id)
    delete_consumer(warehouse_url(), found.name)
    if found.kind == WEBHOOK:
        delete_connection(found.name)
    return DeletedConsumer(name=found.name)


@router.post("/{consumer_id}/replay", dependencies=[MANAGE])
def replay(consumer_id: ConsumerId, body: ReplayConsumer) -> ConsumerInfo:
    """Deliver again from an earlier place, or skip to a later one.

    Its dead letters are forgotten, and the tokens of what is in flight acknowledge nothing.
    """
    return replay_consumer(warehouse_url(), consumer_id, body.start)


@router.post("/{consumer_id}/rotate-secret", dependencies=[MANAGE])
def rotate(consumer_id: ConsumerId) -> RotatedSecret:
    """Sign what a webhook gets with a new secret, and with the four before.

    The answer is the only one with the new secret.
    """
    found = get_consumer(warehouse_url(), consumer_id)
    if found.kind != WEBHOOK:
        message = f"the consumer {found.name} is of kind {found.kind}, which has no secret"
        raise ConsumerConflict(message, param="consumer")
    secret = rotate_secret(found.name, found.connection_id)
    reopen_consumer(warehouse_url(), found.name)
    return RotatedSecret(secret=secret)


@router.get("/{consumer_id}/dead-letters", dependencies=[READ])
def list_dead_letters(
    consumer_id: ConsumerId,
    after_cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DeadLetterList:
    """Items that were given up and why, by sync and stream position, page by page."""
    after = None
    if after_cursor is not None:
        positions = StreamCursor.parse(after_cursor).positions
        if len(positions) != 1:
            message = "after_cursor: this is no cursor of an earlier page"
            raise ConfigurationError(message, param="after_cursor")
        [after] = positions.items()
    found = dead_letters(warehouse_url(), consumer_id, after=after, limit=limit)
    cursor = after_cursor
    if found:
        cursor = str(StreamCursor({found[-1].sync_id: found[-1].seq}))
    return DeadLetterList(dead_letters=found, cursor=cursor, has_more=len(found) == limit)


@router.post("/{consumer_id}/dead-letters/redeliver", dependencies=[MANAGE])
def redeliver(
    consumer_id: ConsumerId, body: RedeliverDeadLetters | None = None
) -> RedeliveredDeadLetters:
    """Deliver dead letters again: all, or those at some stream positions."""
    seqs = body.seqs if body else None
    return RedeliveredDeadLetters(
        redelivered=redeliver_dead_letters(warehouse_url(), consumer_id, seqs)
    )


def _created(body: NewConsumer) -> ConsumerInfo:
    return create_consumer(warehouse_url(), **body.model_dump())


def _check_new(name: str) -> None:
    """Refuse the name of a consumer that is there, whose connection must stay as it is.

    Raises:
        ConsumerConflict: There is one.
    """
    try:
        get_consumer(warehouse_url(), name)
    except ConsumerNotFound:
        return
    message = f"there is a consumer {name} already: change or delete it"
    raise ConsumerConflict(message, param="name")
