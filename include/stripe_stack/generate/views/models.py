"""Writes the dbt model of a view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.sql_names import quoted
from stripe_sync.catalog.fields import Field, nested_fields
from stripe_sync.catalog.model import Collection
from stripe_sync.warehouse.typed_tables.columns import key_column

HEADER = "Made by `make generate` from the Stripe SDK's annotations; edits are overwritten."


def render_model(
    collection: Collection, columns: Sequence[Column], fields: Mapping[str, Field]
) -> str:
    """The SQL of a collection's view."""
    lines = ",\n".join(f"    {c.expression} as {quoted(c.name)}" for c in columns)
    key = f"typed.{quoted(key_column(collection))}"
    needs_payload = any(name != "deleted" for name in nested_fields(fields))
    payload = f"{{{{ join_payload('{collection.id}', '{key}') }}}}\n" if needs_payload else ""
    return (
        f"-- {HEADER}\n"
        f"select\n{lines}\n"
        f"from {{{{ source('typed_tables', '{collection.view}') }}}} as typed\n"
        f"{payload}"
    )


def render_sources(collections: Iterable[Collection]) -> str:
    """The YAML that names the typed tables."""
    lines = [
        f"# {HEADER}",
        "sources:",
        "  - name: typed_tables",
        "    schema: stripe_raw",
        "    description: Fields of the records. Only triggers write them; query the views.",
        "    tables:",
    ]
    for collection in collections:
        lines += [
            f"      - name: {collection.view}",
            f"        description: Fields of the records of {collection.id}.",
        ]
    return "\n".join(lines) + "\n"
