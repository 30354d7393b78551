"""Create, change, pause, replay and delete consumers. None of it delivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.errors import ConfigurationError, ConsumerConflict, ConsumerNotFound
from stripe_sync.records import ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.iterate import start_position
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.consumers.consumers import ConsumerInfo, Consumers, DeadLetter
from stripe_sync.warehouse.warehouse import open_warehouse

_CHANGEABLE = ("connection_id", "filters", "metadata", "settings")
_MOST_DEAD_LETTERS = 1_000


def create_consumer(
    warehouse_url: str,
    name: str,
    kind: str,
    *,
    stream: str = "records",
    filters: Mapping[str, Any] | None = None,
    deliver_policy: str = "all",
    connection_id: str | None = None,
    settings: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    paused: bool = False,
) -> ConsumerInfo:
    """Create a consumer. The DAG ``stripe_deliver`` delivers to it within seconds.

    Args:
        warehouse_url: ``postgresql://…``.
        name: 1 to 63 lower-case letters, digits, ``-`` and ``_``.
        kind: ``pull``, ``webhook``, ``postgres`` or ``kafka``.
        stream: ``records`` (each object once, as it is now) or ``events`` (each change).
        filters: Lists ``sync_id``, ``collection_id``, ``event_type``; an empty one is no condition.
        deliver_policy: Where it begins: ``all``, ``new``, ``30m`` (units s, m, h, d), a time with
            its zone, or a cursor. A sync that is created later is read from its beginning.
        connection_id: Airflow connection of its target.
        settings: Settings of its kind.
        metadata: Your own texts, by name.
        paused: Whether it begins paused.

    Raises:
        ConfigurationError: Something is wrong; ``param`` names it.
        ConsumerConflict: There is one with this name.
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import create_consumer
        >>> create_consumer(url, "crm", "pull", filters={"collection_id": ["customer"]}).status
        'active'
    """
    spec = ConsumerSpec.of(
        {
            "name": name,
            "kind": kind,
            "stream": stream,
            "filters": filters or {},
            "deliver_policy": deliver_policy,
            "connection_id": connection_id,
            "settings": settings or {},
            "metadata": metadata or {},
        }
    )
    with open_warehouse(warehouse_url) as warehouse:
        positions = _positions(warehouse_url, spec, deliver_policy, "deliver_policy")
        values = spec.model_dump(mode="json")
        if not warehouse.consumers.create(values, positions, paused=paused):
            message = f"there is a consumer {name} already: change or delete it"
            raise ConsumerConflict(message, param="name")
        return _get(warehouse, name)


def describe_consumers(warehouse_url: str) -> list[ConsumerInfo]:
    """All consumers and their state, by name.

    Args:
        warehouse_url: ``postgresql://…``.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        return warehouse.consumers.all()


def get_consumer(warehouse_url: str, consumer: str) -> ConsumerInfo:
    """A consumer and its state.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.

    Raises:
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        return _get(warehouse, consumer)


def update_consumer(warehouse_url: str, consumer: str, **changes: Any) -> ConsumerInfo:
    """Change a consumer; it goes on from where it is.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.
        changes: Of ``filters``, ``connection_id``, ``settings`` and ``metadata`` those that
            change, each as a whole. Kind and stream never change: make another consumer.

    Raises:
        ConfigurationError: Something is wrong; ``param`` names it.
        ConsumerNotFound: There is none.
        SyncNotFound: The filters name a sync that is not there.
        WarehouseError: The warehouse cannot be reached.
    """
    for name in changes:
        if name not in _CHANGEABLE:
            message = f"{name} cannot be changed, only {', '.join(_CHANGEABLE)}"
            raise ConfigurationError(message, param=name)
    with open_warehouse(warehouse_url) as warehouse:
        found = _get(warehouse, consumer)
        spec = ConsumerSpec.of({**declaration(found), **changes})
        if "filters" in changes:
            _positions(warehouse_url, spec, "new", "filters")  # names a sync that is not there
        changed = spec.model_dump(mode="json", include=set(changes))
        if any(getattr(found, name) != value for name, value in changed.items()):
            warehouse.consumers.update(found.name, changed)
        return _get(warehouse, found.name)


def pause_consumer(warehouse_url: str, consumer: str) -> ConsumerInfo:
    """Deliver nothing more to a consumer, within seconds; its cursor stays.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.

    Raises:
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    return _changed(warehouse_url, consumer, Consumers.pause)


def resume_consumer(warehouse_url: str, consumer: str) -> ConsumerInfo:
    """Let a paused consumer go on; one that is failing is tried again at once.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.

    Raises:
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    return _changed(warehouse_url, consumer, Consumers.resume)


def reopen_consumer(warehouse_url: str, consumer: str) -> ConsumerInfo:
    """Let what its connection says now take effect within seconds, not with the next run.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.

    Raises:
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    return _changed(warehouse_url, consumer, lambda stored, name: stored.update(name, {}))


def delete_consumer(warehouse_url: str, consumer: str) -> None:
    """Forget a consumer, its cursors and its dead letters. Its target keeps what it has.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.

    Raises:
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        warehouse.consumers.delete(_get(warehouse, consumer).name)


def replay_consumer(warehouse_url: str, consumer: str, start: str) -> ConsumerInfo:
    """Deliver again from an earlier place, or skip to a later one.

    What waited for a further try, and the dead letters, are forgotten: what comes after the new
    place is delivered anew.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.
        start: ``all``, ``new``, ``30m``, a time with its zone, or a cursor.

    Raises:
        ConfigurationError: The place is none of these.
        ConsumerNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = _get(warehouse, consumer)
        spec = ConsumerSpec.of(declaration(found))
        warehouse.consumers.replay(found.name, _positions(warehouse_url, spec, start, "from"))
        return _get(warehouse, found.name)


def dead_letters(
    warehouse_url: str, consumer: str, *, after: tuple[UUID, int] | None = None, limit: int = 100
) -> list[DeadLetter]:
    """Items that were given up, by sync and stream position.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.
        after: Sync and stream position of the last one of the page before.
        limit: Most, 1 to 1,000.

    Raises:
        ConfigurationError: The limit is out of range.
        ConsumerNotFound: There is no such consumer.
        WarehouseError: The warehouse cannot be reached.
    """
    if not 1 <= limit <= _MOST_DEAD_LETTERS:
        message = f"limit must be 1 to {_MOST_DEAD_LETTERS}"
        raise ConfigurationError(message, param="limit")
    with open_warehouse(warehouse_url) as warehouse:
        return warehouse.consumers.dead_letters(_get(warehouse, consumer).name, after, limit)


def redeliver_dead_letters(
    warehouse_url: str, consumer: str, seqs: Sequence[int] | None = None
) -> int:
    """Deliver dead letters once more; returns their number.

    Args:
        warehouse_url: ``postgresql://…``.
        consumer: Its name or id.
        seqs: Their stream positions; None for all.

    Raises:
        ConsumerNotFound: There is no such consumer.
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        return warehouse.consumers.redeliver(_get(warehouse, consumer).name, seqs)


def declaration(consumer: ConsumerInfo) -> JsonObject:
    """What a user has declared of a consumer, see ``ConsumerSpec``."""
    return {name: getattr(consumer, name) for name in ConsumerSpec.model_fields}


def _positions(
    warehouse_url: str, spec: ConsumerSpec, start: str, param: str
) -> Mapping[UUID, int]:
    """Where a consumer begins.

    A cursor after the end of a stream would be none of that stream: all of it would be read.
    """
    try:
        found = start_position(warehouse_url, spec.selection(), start).positions
        ends = start_position(warehouse_url, spec.selection(), "new").positions
    except ConfigurationError as error:
        wrong = "filters.sync_id" if error.param == "sync_id" else param
        raise type(error)(str(error), param=wrong) from None
    for sync, end in ends.items():
        if found.get(sync, 0) > end:
            message = (
                f"{param}: this cursor is ahead of sync {sync}, which ends at {end:,}: it is of"
                " another warehouse, or of before one was restored or the sync was made anew"
            )
            raise ConfigurationError(message, param=param)
    return found


def _changed(
    warehouse_url: str, consumer: str, change: Callable[[Consumers, str], None]
) -> ConsumerInfo:
    with open_warehouse(warehouse_url) as warehouse:
        name = _get(warehouse, consumer).name
        change(warehouse.consumers, name)
        return _get(warehouse, name)


def _get(warehouse: Warehouse, consumer: str) -> ConsumerInfo:
    found = warehouse.consumers.find(consumer) if ids.is_storable(consumer) else None
    if found is None:
        message = f"there is no consumer {consumer!r}"
        raise ConsumerNotFound(message, param="consumer")
    return found
