"""The columns of the typed views.

Every field is a column of its own name. A timestamp is two columns: Stripe's seconds under the
field's name, followed by a ``timestamptz`` under the name plus ``_ts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stripe_stack.generate.glossary import Glossary
from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.linked_columns import LINKED_COLUMNS
from stripe_stack.generate.views.sql_names import quoted
from stripe_sync.catalog.fields import Field, FieldKind
from stripe_sync.catalog.model import Collection
from stripe_sync.errors import CatalogError
from stripe_sync.warehouse.typed_tables.columns import MOMENT_SUFFIX

_TYPES: Mapping[FieldKind, str] = {
    FieldKind.TEXT: "text",
    FieldKind.REFERENCE: "text",
    FieldKind.INTEGER: "bigint",
    FieldKind.DECIMAL: "numeric",
    FieldKind.BOOLEAN: "boolean",
    FieldKind.TIMESTAMP: "bigint",
    FieldKind.JSON: "jsonb",
}
MOMENT = "timestamp with time zone"


STREAM_COLUMNS = (
    Column("_sync_id", "typed._sync_id", "uuid", "Sync that the object belongs to."),
    Column("_deleted", "typed._deleted", "boolean", "Whether the object is gone from Stripe."),
    Column("_updated_at", "typed._updated_at", MOMENT, "When this state was stored."),
    Column(
        "_seq",
        "typed._seq",
        "bigint",
        "Position in the sync's stream of the change that led to this state.",
    ),
)


def view_columns(
    collection: Collection,
    fields: Mapping[str, Field],
    glossary: Glossary,
    views: Mapping[str, str],
) -> list[Column]:
    """The columns of a collection's view, in order.

    Args:
        collection: The collection.
        fields: Its fields.
        glossary: Texts of the descriptions.
        views: Names of the views by object name, for the targets of references.

    Raises:
        CatalogError: Two columns would have the same name.
    """
    columns: list[Column] = []
    for name, field in fields.items():
        meaning = glossary.describe(collection, name, field)
        hints = [_hint(name, field, fields, glossary, views), *_handling(collection, name, field)]
        text = " ".join([meaning, *filter(None, hints)])
        columns.append(Column(name, _expression(name, field), _TYPES[field.kind], text))
        if field.kind is FieldKind.TIMESTAMP:
            columns.append(_moment(name, meaning))
    columns += LINKED_COLUMNS.get(collection.id, ())
    columns += STREAM_COLUMNS
    if collection.parents:
        columns.append(_parent(collection))
    _refuse_doubles(collection, columns)
    return columns


def _parent(collection: Collection) -> Column:
    # Last of all, so that a view that is there already can be replaced in place.
    kinds = " or ".join(f"`{name}`" for name in collection.parents)
    text = f"Key of the object that it belongs to ({kinds})."
    if any(call.parent is None for call in collection.lists):
        text += " Null where that is the account itself."
    return Column("_parent_id", "typed._parent_id", "text", text)


def _expression(name: str, field: Field) -> str:
    """SQL for a column: of the typed table, or of the payload where that has no column for it."""
    if name == "deleted":
        return "typed._deleted"
    if field.is_typed(name):
        return f"typed.{quoted(name)}"
    return f"stripe_sync.json_value(payload.object -> '{name}')"


def _moment(name: str, text: str) -> Column:
    return Column(
        name + MOMENT_SUFFIX,
        f"typed.{name}{MOMENT_SUFFIX}",
        MOMENT,
        f"{text} The same moment as `{name}`.",
    )


def _hint(
    name: str,
    field: Field,
    fields: Mapping[str, Field],
    glossary: Glossary,
    views: Mapping[str, str],
) -> str | None:
    """Unit or target of a column's values."""
    if glossary.is_money(name, field):
        currency = "`currency`" if "currency" in fields else "the currency"
        return f"In the minor unit of {currency}."
    if field.kind is FieldKind.TIMESTAMP:
        return f"Unix seconds; `{name}{MOMENT_SUFFIX}` has the same time as a timestamp."
    if field.kind is FieldKind.REFERENCE:
        # dbt renders the name of the schema, which is a setting.
        named = [views[target] for target in field.to if target in views]
        places = [f"`{{{{ target.schema }}}}.{view}`" for view in named]
        return f"An id, see {', '.join(places)}." if places else "An id."
    return None


def _handling(collection: Collection, name: str, field: Field) -> Iterator[str]:
    """How syncs treat a field, and where later API versions have it."""
    if field.moved_to:
        places = " or ".join(f"`{path}`" for path in field.moved_to)
        yield f"Moved by later API versions: filled from {places} where the field itself is absent."
    if name == "deleted":
        yield "Never null; the same as `_deleted`."
    if name in collection.sensitive:
        yield "Redacted before storing, unless the sync's `redact` is off."
    if name in collection.volatile:
        yield "May differ between two requests without a change, so the hash leaves it out."


def _refuse_doubles(collection: Collection, columns: list[Column]) -> None:
    names = [column.name for column in columns]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        msg = f"{collection.id}: more than one column {', '.join(doubles)}"
        raise CatalogError(msg)
