"""Writes the properties of a view: descriptions, types, tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.models import HEADER
from stripe_stack.generate.views.sql_names import RESERVED
from stripe_sync.catalog.fields import Field
from stripe_sync.catalog.model import Availability, Collection, Retrieval
from stripe_sync.records import canonical_json

# References that `dbt build` follows. All of them would cost minutes on a large account; these are
# the joins that reports are made of.
FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "charge": ("balance_transaction", "customer", "payment_intent"),
    "credit_note": ("invoice",),
    "dispute": ("charge",),
    "invoice": ("customer",),
    "invoiceitem": ("customer",),
    "payment_intent": ("customer", "latest_charge"),
    "payout": ("balance_transaction",),
    "price": ("product",),
    "refund": ("balance_transaction", "charge"),
    "subscription": ("customer", "latest_invoice"),
    "subscription_schedule": ("subscription",),
    "transfer": ("balance_transaction",),
    "transfer_reversal": ("transfer",),
}

_RETRIEVALS: Mapping[Retrieval, str] = {
    Retrieval.TOP_LEVEL_LIST: "Listed by Stripe.",
    Retrieval.NESTED_LIST: "Listed under its parent.",
    Retrieval.EMBEDDED: "Taken from the objects that contain it.",
    Retrieval.EXPANDED: "Taken from the objects that reference it.",
    Retrieval.RETRIEVE_ONLY: "Retrieved one by one, by the ids in objects that reference it.",
    Retrieval.PREVIEW: "Computed by Stripe on request.",
    Retrieval.EVENT_ONLY: "Taken from Stripe events only.",
    Retrieval.CREATE_ONLY: "Stored by mutations only: Stripe cannot list it.",
}


def render_properties(
    collection: Collection,
    columns: Sequence[Column],
    fields: Mapping[str, Field],
    views: Mapping[str, str],
) -> str:
    """The YAML that goes with a collection's model.

    Args:
        collection: The collection.
        columns: The columns of its view.
        fields: Its fields.
        views: Names of the views by object name.
    """
    lines = [
        f"# {HEADER}",
        "models:",
        f"  - name: {collection.view}",
        f"    description: {_quoted(describe_view(collection))}",
        *_key_test(collection, fields),
        "    columns:",
    ]
    followed = FOLLOWED.get(collection.name, ())
    for column in columns:
        lines += render_column(column)
        if column.name in followed:
            lines += _reference_test(collection, column.name, fields[column.name], views)
    return "\n".join(lines) + "\n"


def describe_view(collection: Collection) -> str:
    """What a row of a collection's view is."""
    parts = [
        f"{collection.title} (`{collection.id}`): one row per object, in its current state.",
        collection.note,
        _RETRIEVALS[collection.retrieval],
        collection.retrieval_note,
    ]
    if collection.availability is Availability.LEGACY:
        parts.append(f"Legacy: served under API version {collection.api_version} only.")
    return " ".join(part for part in parts if part)


def render_column(column: Column) -> list[str]:
    """The lines that describe a column."""
    return [
        f"      - name: {column.name}",
        *(["        quote: true"] if column.name in RESERVED else []),
        f"        data_type: {column.data_type}",
        f"        description: {_quoted(column.description)}",
    ]


def _key_test(collection: Collection, fields: Mapping[str, Field]) -> list[str]:
    """The key is tested where it is made of columns; a path into a structure is not one."""
    if not (collection.keyed_by_fields and all(path in fields for path in collection.key)):
        return []
    return [
        "    data_tests:",
        "      - unique_in_sync:",
        f"          name: key_of_{collection.view}",
        "          arguments:",
        f"            columns: [{', '.join(collection.key)}]",
    ]


def _reference_test(
    collection: Collection, name: str, field: Field, views: Mapping[str, str]
) -> list[str]:
    (target,) = field.to
    return [
        "        data_tests:",
        "          - found_in_sync:",
        f"              name: {name}_of_{collection.view}",
        "              arguments:",
        f"                to: ref('{views[target]}')",
        f"                collection: stripe:{target}",
        "              config:",
        "                severity: warn",
    ]


def _quoted(text: str) -> str:
    """A YAML string; JSON strings are such."""
    return canonical_json.dumps(text).decode()
