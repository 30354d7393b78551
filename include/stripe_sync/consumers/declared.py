"""``consumers.yaml``: consumers that are declared in a file, for those who keep them in git."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.consumers.management import (
    create_consumer,
    declaration,
    describe_consumers,
    update_consumer,
)
from stripe_sync.declared.changes import FieldChange
from stripe_sync.declared.yaml_file import DeclaredList, read_declared_file
from stripe_sync.errors import ConfigurationError
from stripe_sync.warehouse.consumers.consumers import ConsumerInfo

_FIXED = ("kind", "stream")


@dataclass(frozen=True, slots=True)
class ConsumerPlan:
    """What has to be done so that a consumer is as it is declared.

    Attributes:
        consumer: Its name.
        action: ``create``, ``update``, or ``none``: it is already.
        changes: Each field that differs.
    """

    consumer: str
    action: str
    changes: tuple[FieldChange, ...]


def read_consumer_file(path: str | Path) -> list[ConsumerSpec]:
    """Read and check a file of consumers; asks neither the warehouse nor Stripe.

    Args:
        path: The file: YAML with the list ``consumers``.

    Raises:
        ConfigurationError: It cannot be read, a name is unknown, a value is invalid, or it contains
            a secret. The message names file, line and field.

    Example:
        >>> from stripe_sync import read_consumer_file
        >>> [consumer.name for consumer in read_consumer_file(path)]
        ['crm', 'billing']
    """
    found: list[ConsumerSpec] = read_declared_file(path, {"consumers": CONSUMERS})["consumers"]
    return found


def plan_consumers(warehouse_url: str, declared: Sequence[ConsumerSpec]) -> list[ConsumerPlan]:
    """Compare declared consumers with the stored ones. Changes nothing.

    Args:
        warehouse_url: ``postgresql://…``.
        declared: What ``read_consumer_file`` returns.

    Raises:
        ConfigurationError: A stored one is of another kind or stream, which never changes.
        WarehouseError: The warehouse cannot be reached.
    """
    stored = {each.name: each for each in describe_consumers(warehouse_url)}
    return [_plan(each, stored.get(each.name)) for each in declared]


def apply_consumers(warehouse_url: str, declared: Sequence[ConsumerSpec]) -> Iterator[ConsumerPlan]:
    """Create and change consumers so that they are as they are declared. Nothing is deleted.

    Args:
        warehouse_url: ``postgresql://…``.
        declared: What ``read_consumer_file`` returns.

    Yields:
        For each consumer that was created or changed, what was done.

    Raises:
        ConfigurationError: A stored one is of another kind or stream.
        WarehouseError: The warehouse cannot be reached.
    """
    plans = plan_consumers(warehouse_url, declared)
    for spec, plan in zip(declared, plans, strict=True):
        values = spec.model_dump(mode="json")
        if plan.action == "create":
            create_consumer(warehouse_url, values.pop("name"), values.pop("kind"), **values)
        elif plan.action == "update":
            names = {change.field.partition(".")[0] for change in plan.changes}
            update_consumer(warehouse_url, spec.name, **{name: values[name] for name in names})
        else:
            continue
        yield plan


def _plan(spec: ConsumerSpec, stored: ConsumerInfo | None) -> ConsumerPlan:
    wanted = spec.model_dump(mode="json", exclude={"name"})
    if stored is None:
        changes = [FieldChange(name, None, value) for name, value in wanted.items() if value]
        return ConsumerPlan(spec.name, "create", tuple(changes))
    now = declaration(stored)
    for name in _FIXED:
        if wanted[name] != now[name]:
            message = (
                f"consumer {spec.name} has {name} {now[name]}, which never changes: delete it, or"
                " declare another one"
            )
            raise ConfigurationError(message, param=name)
    # Where it began says nothing of where it is.
    del wanted["deliver_policy"]
    changes = [
        FieldChange(name, now[name], value) for name, value in wanted.items() if value != now[name]
    ]
    return ConsumerPlan(spec.name, "update" if changes else "none", tuple(changes))


def _parse(values: Mapping[str, Any]) -> ConsumerSpec:
    try:
        return ConsumerSpec.of(values)
    except ConfigurationError as error:
        # The file's own message names the field.
        text = str(error).removeprefix(f"{error.param}: ")
        raise ConfigurationError(text, param=error.param) from None


CONSUMERS = DeclaredList("consumer", list(ConsumerSpec.model_fields), _parse)
"""The list ``consumers`` of a file."""
