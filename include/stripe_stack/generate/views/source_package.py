"""Writes the sources of the dbt package `stripe_sources`, by which other projects use the views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.models import HEADER
from stripe_stack.generate.views.properties import describe_view, render_column
from stripe_sync.catalog.model import Collection
from stripe_sync.records import canonical_json

_HEAD = f"""\
# {HEADER}
sources:
  - name: stripe
    description: Views of Stripe accounts, always current.
    database: "{{{{ var('stripe_database', target.database) }}}}"
    schema: "{{{{ var('stripe_schema', 'stripe') }}}}"
    config:
      # Tables have no freshness of their own: a collection may see no change for days. Whether the
      # syncs run is said by poll_status.
      loaded_at_field: _updated_at
      freshness: null
    tables:
"""
_OF_STREAMS: Mapping[str, Sequence[str]] = {
    "records": ("loaded_at_field: updated_at",),
    "events": ("loaded_at_field: created_at",),
    "poll_status": (
        "loaded_at_field: polled_at",
        "freshness:",
        "  warn_after: { count: 10, period: minute }",
        "  error_after: { count: 1, period: day }",
    ),
    "sync_status": ("loaded_at_field: updated_at",),
    "consumer_status": ("loaded_at_field: delivered_at",),
}
"""Configuration of the views that are not about a collection."""


def render_source_package(
    views: Iterable[tuple[Collection, Sequence[Column]]], streams: Mapping[str, Any]
) -> str:
    """The YAML with all views as tables of one source.

    Args:
        views: Each collection with the columns of its view.
        streams: The properties of the other views, as dbt reads them.
    """
    lines = [line for model in streams["models"] for line in _stream(model)]
    for collection, columns in views:
        lines += _table(collection.view, describe_view(collection))
        lines.append("        columns:")
        for column in columns:
            lines += _indented(render_column(column))
        history = (
            f"Every version of the objects in `{collection.view}`, with the same columns; valid"
            " from `valid_from` until before `valid_to`, and now where `is_current`."
        )
        lines += _table(f"{collection.view}_history", history)
        lines += ["        config:", "          loaded_at_field: valid_from"]
    text = _HEAD + "\n".join(lines) + "\n"
    # There it is the schema of the project that uses the package.
    return text.replace("{{ target.schema }}.", "")


def _stream(model: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(model["name"], model["description"])
    yield "        config:"
    yield from (f"          {line}" for line in _OF_STREAMS[model["name"]])
    yield "        columns:"
    for each in model["columns"]:
        column = Column(each["name"], "", each["data_type"], each["description"].strip())
        yield from _indented(render_column(column))


def _table(name: str, description: str) -> list[str]:
    text = canonical_json.dumps(description.strip()).decode()
    return [f"      - name: {name}", f"        description: {text}"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]
