"""Over the whole catalogue: the typed view returns what was synced, with its types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from databases import new_database
from shop import CATALOG, EVERY
from stripe_stack.generate.project import Places
from stripe_stack.generate.views.linked_columns import LINKED_COLUMNS
from stripe_sync.catalog.fields import Field, FieldKind, read_fields

pytestmark = pytest.mark.dbt

ROOT = Path(__file__).resolve().parents[2]
FIELDS = read_fields(Places.of_checkout().fields)
TYPES = {
    FieldKind.TEXT: "text",
    FieldKind.REFERENCE: "text",
    FieldKind.INTEGER: "bigint",
    FieldKind.DECIMAL: "numeric",
    FieldKind.BOOLEAN: "boolean",
    FieldKind.TIMESTAMP: "bigint",
    FieldKind.JSON: "jsonb",
}
MOMENT = "timestamp with time zone"
STREAM = {"_sync_id": "uuid", "_deleted": "boolean", "_updated_at": MOMENT, "_seq": "bigint"}

Warehouse = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def views(postgres_url: str, shop_project: Any) -> Iterator[Warehouse]:
    """The demo's shop with the project built on top."""
    with (
        new_database(postgres_url, like=shop_project.url) as url,
        psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection,
    ):
        yield connection


def expected_columns(name: str) -> dict[str, str]:
    row = CATALOG.resolve(name)
    columns: dict[str, str] = {}
    for field, meaning in FIELDS[row.id].items():
        columns[field] = TYPES[meaning.kind]
        if meaning.kind is FieldKind.TIMESTAMP:
            columns[f"{field}_ts"] = MOMENT
    columns |= {column.name: "text" for column in LINKED_COLUMNS.get(row.id, ())}
    return {**columns, **STREAM, **({"_parent_id": "text"} if row.parents else {})}


def values_at(value: Any, path: list[str]) -> list[Any]:
    """All values that a path leads to, null where it leads nowhere."""
    if not path or value is None:
        return [value]
    if path[0] == "*":
        return [found for each in value for found in values_at(each, path[1:])]
    if path[0].isdigit():
        return values_at(value[int(path[0])] if value else None, path[1:])
    return values_at(value.get(path[0]), path[1:])


def moved_value(field: Field, payload: Any) -> Any:
    """The value of a field that later API versions have elsewhere."""
    values = [v for path in field.moved_to for v in values_at(payload, path.split("."))]
    values = [value for value in values if value is not None]
    if field.equals is not None:
        return values[0] == field.equals if values else None
    fold = {None: lambda all_: all_[0], "min": min, "max": max, "sum": sum}[field.aggregate]
    return fold(values) if values else None


def expected_value(name: str, field: Field, payload: Any) -> Any:
    value = payload.get(name)
    if name == "deleted":
        return False
    if value is None and field.moved_to:
        value = moved_value(field, payload)
    if field.kind is FieldKind.REFERENCE and isinstance(value, dict):
        return value["id"]
    if field.kind is FieldKind.DECIMAL and value is not None:
        return Decimal(str(value))
    return value


@pytest.mark.parametrize("name", EVERY)
def test_every_field_is_a_column_of_its_type_with_a_comment(views: Warehouse, name: str) -> None:
    found = views.execute(
        "SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,"
        " col_description(a.attrelid, a.attnum) AS comment FROM pg_attribute a"
        " WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 ORDER BY a.attnum",
        (f"stripe.{CATALOG.resolve(name).view}",),
    ).fetchall()
    assert {column["name"]: column["type"] for column in found} == expected_columns(name)
    assert all(column["comment"] for column in found)


@pytest.mark.parametrize("name", EVERY)
def test_every_record_comes_back_with_all_its_values(views: Warehouse, name: str) -> None:
    row = CATALOG.resolve(name)
    records = views.execute(
        "SELECT seq, payload, parent_id FROM stripe_raw.records WHERE collection_id = %s", (row.id,)
    ).fetchall()
    found = {each["_seq"]: each for each in views.execute(f'SELECT * FROM stripe."{row.view}"')}
    assert len(found) == len(records) > 0
    for record in records:
        typed, payload = found[record["seq"]], record["payload"]
        assert typed["_deleted"] is False
        assert typed.get("_parent_id") == record["parent_id"]
        for field, meaning in FIELDS[row.id].items():
            value = expected_value(field, meaning, payload)
            assert typed[field] == value, field
            if meaning.kind is FieldKind.TIMESTAMP:
                moment = None if value is None else datetime.fromtimestamp(value, UTC)
                assert typed[f"{field}_ts"] == moment, field


@pytest.mark.parametrize("name", EVERY)
def test_the_newest_version_in_the_history_is_the_record(views: Warehouse, name: str) -> None:
    view = CATALOG.resolve(name).view
    records = {row["_seq"]: row for row in views.execute(f'SELECT * FROM stripe."{view}"')}
    newest = views.execute(f'SELECT * FROM stripe."{view}_history" WHERE is_current').fetchall()
    assert len(newest) == len(records) > 0
    for version in newest:
        record = records[version["_seq"]]
        assert version["valid_to"] is None
        assert {column: version[column] for column in record.keys() & version.keys()} == {
            column: record[column] for column in record.keys() & version.keys()
        }


def printed_queries() -> dict[str, str]:
    """The SQL that docs and README print, by heading or first line."""
    docs = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^## (.+?)$.*?```sql\n(.+?)```", docs, flags=re.DOTALL | re.MULTILINE))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Query\n")[1]
    [block, *_] = re.findall(r"```sql\n(.+?)```", section, flags=re.DOTALL)
    return found | {text.strip().splitlines()[0]: text for text in block.split(";") if text.strip()}


@pytest.mark.parametrize("title", printed_queries())
def test_printed_queries_have_an_answer(views: Warehouse, title: str) -> None:
    sync = views.execute("SELECT id FROM stripe_sync.syncs").fetchone()
    assert sync is not None
    query = printed_queries()[title].replace("'…'", f"'{sync['id']}'").replace("1234", "0")
    rows = views.execute(query).fetchall()
    assert rows or "interval '1 minute'" in query


def answer(views: Warehouse, question: str) -> list[dict[str, Any]]:
    """The rows of a query that the README prints below a question."""
    return views.execute(printed_queries()[f"-- {question}"]).fetchall()


def test_the_readme_tells_which_payment_paid_which_invoice(views: Warehouse) -> None:
    rows = answer(views, "which payment paid which invoice")
    charges = {row["id"]: row for row in views.execute("SELECT * FROM stripe.charges")}
    invoices = {row["number"]: row for row in views.execute("SELECT * FROM stripe.invoices")}
    assert len(rows) > 50
    for row in rows:
        charge, invoice = charges[row["charge"]], invoices[row["number"]]
        assert row["amount_paid"] == charge["amount"] == invoice["amount_paid"] > 0
        assert charge["payment_intent"] == row["payment_intent"]


def test_the_readme_tells_what_payouts_consist_of(views: Warehouse) -> None:
    sums: dict[tuple[str, int], int] = {}
    for row in answer(
        views,
        "what each automatic payout consists of: without its own transaction it adds up",
    ):
        key = row["payout"], row["amount"]
        sums[key] = sums.get(key, 0) + int(row["minor_units"])
    assert len(sums) > 20
    assert all(total == amount for (_, amount), total in sums.items())
    transactions = answer(
        views, "the payout of each balance transaction, null where there is none or a manual one"
    )
    found = views.execute("SELECT id FROM stripe.balance_transactions").fetchall()
    assert len(transactions) == len({row["id"] for row in transactions}) == len(found)
    paid_out = {row["payout"] for row in transactions} - {None}
    assert paid_out == {payout for payout, _ in sums}


def test_invoices_and_payments_name_each_other(views: Warehouse) -> None:
    rows = views.execute(
        "SELECT i.id, i.charge, i.payment_intent, c.invoice AS of_charge, p.invoice AS of_intent"
        " FROM stripe.invoices i JOIN stripe.charges c ON c.id = i.charge"
        " JOIN stripe.payment_intents p ON p.id = i.payment_intent WHERE i.status = 'paid'"
    ).fetchall()
    assert len(rows) > 50
    assert all(row["id"] == row["of_charge"] == row["of_intent"] for row in rows)
