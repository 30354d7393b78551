"""The columns of a typed table, and how each value is read from the payload.

A value of another type is NULL: one odd object must not stop a sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.catalog.fields import Field, FieldKind, load_fields

MOMENT_SUFFIX = "_ts"
"""A timestamp has a second column, of type ``timestamptz``, under its name plus this."""

INDEXED = frozenset(
    {
        "account",
        "charge",
        "created",
        "created_ts",
        "customer",
        "id",
        "invoice",
        "payment_intent",
        "payout",
        "price",
        "product",
        "subscription",
    }
)
"""Columns with an index of their own: what people filter by and join on."""

_TYPES: Mapping[FieldKind, str] = {
    FieldKind.TEXT: "text",
    FieldKind.REFERENCE: 'text COLLATE "C"',
    FieldKind.INTEGER: "bigint",
    FieldKind.DECIMAL: "numeric",
    FieldKind.BOOLEAN: "boolean",
    FieldKind.TIMESTAMP: "bigint",
    FieldKind.JSON: "jsonb",
}
# Functions of ``schema/functions/json_values.sql``.
_FROM_JSON: Mapping[FieldKind, str] = {
    FieldKind.TEXT: "stripe_sync.json_text",
    FieldKind.REFERENCE: "stripe_sync.json_id",
    FieldKind.INTEGER: "stripe_sync.json_bigint",
    FieldKind.DECIMAL: "stripe_sync.json_numeric",
    FieldKind.BOOLEAN: "stripe_sync.json_boolean",
    FieldKind.TIMESTAMP: "stripe_sync.json_bigint",
    FieldKind.JSON: "stripe_sync.json_value",
}


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """One column of a typed table.

    Attributes:
        name: Its name, unquoted.
        data_type: Its type and collation.
        expression: SQL for its value; ``p`` has the payload's fields as jsonb, ``r`` the record.
    """

    name: str
    data_type: str
    expression: str


@dataclass(frozen=True, slots=True)
class TypedTable:
    """The typed table of a collection.

    Attributes:
        collection_id: The collection.
        name: The table in ``stripe_raw``, named as the collection's view.
        key: The column with the record's key.
        columns: All columns in order.
        payload_fields: Fields of the payload that the columns are read from.
    """

    collection_id: str
    name: str
    key: str
    columns: tuple[TypedColumn, ...]
    payload_fields: tuple[str, ...]

    @property
    def indexed(self) -> tuple[str, ...]:
        """Names of the columns with an index, beside the key."""
        names = [column.name for column in self.columns if column.name != self.key]
        return tuple(n for n in names if n in INDEXED or n in {"_updated_at", "_seq"})


@cache
def typed_tables() -> tuple[TypedTable, ...]:
    """The typed tables of all collections of the catalogue."""
    fields = load_fields()
    return tuple(_typed_table(each, fields[each.id]) for each in load_catalog().values())


def key_column(collection: Collection) -> str:
    """The column with the key of a collection's records: its key field, if it is a single one."""
    simple = len(collection.key) == 1 and "." not in collection.key[0]
    return collection.key[0] if simple and collection.keyed_by_fields else "_upstream_id"


def quoted(name: str) -> str:
    """A name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def _typed_table(collection: Collection, fields: Mapping[str, Field]) -> TypedTable:
    key = key_column(collection)
    typed = {name: field for name, field in fields.items() if field.is_typed(name)}
    columns = [TypedColumn(key, 'text COLLATE "C" NOT NULL', "r.upstream_id")]
    for name, field in typed.items():
        # The record's own deletion: Stripe sends the field with deleted objects only.
        if name not in {key, "deleted"}:
            columns += _columns(name, field)
    columns += _record_columns(with_parent=bool(collection.parents))
    needed = dict.fromkeys(
        path.split(".")[0] for name, field in typed.items() for path in (name, *field.moved_to)
    )
    return TypedTable(collection.id, collection.view, key, tuple(columns), tuple(needed))


def _columns(name: str, field: Field) -> Iterator[TypedColumn]:
    if name == "id":
        field = Field(kind=FieldKind.REFERENCE)
    yield TypedColumn(name, _TYPES[field.kind], value_expression(name, field))
    if field.kind is FieldKind.TIMESTAMP:
        yield TypedColumn(name + MOMENT_SUFFIX, "timestamptz", moment_expression(name, field))


def _record_columns(*, with_parent: bool) -> Iterator[TypedColumn]:
    yield TypedColumn("_sync_id", "uuid NOT NULL", "r.sync_id")
    yield TypedColumn("_deleted", "boolean NOT NULL", "r.deleted")
    yield TypedColumn("_updated_at", "timestamptz NOT NULL", "r.updated_at")
    yield TypedColumn("_seq", "bigint NOT NULL", "r.seq")
    if with_parent:
        yield TypedColumn("_parent_id", 'text COLLATE "C"', "r.parent_id")


def value_expression(name: str, field: Field) -> str:
    """SQL for the value of a field, from the field or from where Stripe moved it."""
    return _expression(name, field, _FROM_JSON[field.kind])


def moment_expression(name: str, field: Field) -> str:
    """SQL for a timestamp as ``timestamptz``."""
    return _expression(name, field, "stripe_sync.json_moment")


def _expression(name: str, field: Field, convert: str) -> str:
    own = f"{convert}(p.{quoted(name)})"
    moved = [_moved(path, field, convert) for path in field.moved_to]
    return f"coalesce({', '.join([own, *moved])})" if moved else own


def _moved(path: str, field: Field, convert: str) -> str:
    first, *rest = path.split(".")
    if "*" not in rest:
        json = _member(f"p.{quoted(first)}", rest)
        if field.equals is not None:
            return f"{_FROM_JSON[FieldKind.TEXT]}({json}) = '{field.equals}'"
        return f"{convert}({json})"
    place = rest.index("*")
    members = _member(f"p.{quoted(first)}", rest[:place])
    value = f"{field.aggregate}({convert}({_member('m', rest[place + 1 :])}))"
    if field.aggregate == "sum":
        value = f"stripe_sync.fits_bigint({value})"
    return f"(SELECT {value} FROM jsonb_array_elements(stripe_sync.json_list({members})) AS m)"


def _member(json: str, path: list[str]) -> str:
    steps = (step if step.isdigit() else f"'{step}'" for step in path)
    return "".join([json, *(f" -> {step}" for step in steps)])
