"""Writes the dbt models of the views with all versions of each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.columns import MOMENT
from stripe_stack.generate.views.models import HEADER
from stripe_stack.generate.views.properties import render_column
from stripe_stack.generate.views.sql_names import quoted
from stripe_sync.catalog.fields import Field, FieldKind
from stripe_sync.catalog.model import Collection
from stripe_sync.records import canonical_json
from stripe_sync.warehouse.typed_tables.columns import (
    MOMENT_SUFFIX,
    key_column,
    moment_expression,
    value_expression,
)

_VERSION_COLUMNS = (
    Column(
        "valid_from",
        "events.upstream_updated_at",
        MOMENT,
        "When the object came to have these values, by Stripe's time.",
    ),
    Column(
        "valid_to",
        "lead(events.upstream_updated_at) over versions",
        MOMENT,
        "When the next version replaced it; null for the newest one. Equal to `valid_from` where"
        " Stripe reports several versions of one second.",
    ),
    Column(
        "is_current",
        "lead(events.seq) over versions is null",
        "boolean",
        "Whether this is the newest version.",
    ),
    Column(
        "_deleted",
        "events.event_type = 'deleted'",
        "boolean",
        "Whether the object was gone from Stripe then.",
    ),
    Column("_sync_id", "events.sync_id", "uuid", "Sync that the object belongs to."),
    Column("_seq", "events.seq", "bigint", "Position of the change event in the sync's stream."),
    Column(
        "_event_id",
        "events.id",
        "uuid",
        "The change event, see `{{ target.schema }}.events`.",
    ),
)


def history_view(collection: Collection) -> str:
    """Name of a collection's view with all versions."""
    return f"{collection.view}_history"


def history_columns(
    collection: Collection, columns: Sequence[Column], fields: Mapping[str, Field]
) -> list[Column]:
    """The columns of the view with all versions.

    Args:
        collection: The collection.
        columns: Those of its view, which have the descriptions.
        fields: Its fields.
    """
    expressions = dict(_expressions(collection, fields))
    values = [
        Column(each.name, expressions[each.name], each.data_type, each.description)
        for each in columns
        if each.name in expressions
    ]
    return [*values, *_VERSION_COLUMNS]


def render_history(
    collection: Collection, columns: Sequence[Column], fields: Mapping[str, Field]
) -> str:
    """The SQL of the view with all versions of a collection's objects."""
    lines = ",\n".join(f"    {each.expression} as {quoted(each.name)}" for each in columns)
    payload = dict.fromkeys(
        path.split(".")[0] for name, field in fields.items() for path in (name, *field.moved_to)
    )
    decoded = ",\n".join(f'    "{name}" jsonb' for name in payload)
    return (
        f"-- {HEADER}\n"
        f"select\n{lines}\n"
        "from {{ source('stripe_raw', 'events') }} as events\n"
        f"cross join lateral jsonb_to_record(events.data) as p (\n{decoded}\n)\n"
        f"where events.collection_id = '{collection.id}'\n"
        "window versions as (\n"
        "    partition by events.sync_id, events.upstream_id order by events.seq\n"
        ")\n"
    )


def render_history_properties(collection: Collection, columns: Sequence[Column]) -> str:
    """The YAML that goes with the model of a view with all versions."""
    text = (
        f"History of {collection.title} (`{collection.id}`): one row per version of an object, made"
        " of the change events. A version is valid from `valid_from` until before `valid_to`."
    )
    lines = [
        f"# {HEADER}",
        "models:",
        f"  - name: {history_view(collection)}",
        f"    description: {canonical_json.dumps(text).decode()}",
        "    columns:",
        *(line for column in columns for line in render_column(column)),
    ]
    return "\n".join(lines) + "\n"


def _expressions(collection: Collection, fields: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    key = key_column(collection)
    for name, field in fields.items():
        if name == key:
            yield name, "events.upstream_id"
        elif name == "deleted":
            yield name, "events.event_type = 'deleted'"
        else:
            yield name, value_expression(name, field)
        if field.kind is FieldKind.TIMESTAMP:
            yield name + MOMENT_SUFFIX, moment_expression(name, field)
