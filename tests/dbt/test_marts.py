"""Every mart has what Python counts from the payloads, and agrees with the printed queries."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from databases import new_database
from dbt import expected_marts as expected
from dbt import expected_mrr
from dbt.odd_money import add_odd_money
from stripe_sync import dbt_environment
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import canonical_json

pytestmark = pytest.mark.dbt

Warehouse = psycopg.Connection[dict[str, Any]]
ON = ("--vars", "marts: true")
QUERIES = Path(__file__).resolve().parents[2] / "docs" / "queries.md"


@dataclass(frozen=True)
class Marts:
    """A warehouse with the marts.

    Attributes:
        project: The project that built them.
        warehouse: The warehouse.
        payloads: What they are made of.
        built_at: When the table was written.
        movements: What `expected_mrr.movements` counts.
    """

    project: Any
    warehouse: Warehouse
    payloads: expected.Payloads
    built_at: datetime
    movements: dict[expected.Key, tuple[str, date, Fraction, Fraction]]

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self.warehouse.execute(query.encode()).fetchall()

    def mart(self, name: str, *key: str) -> dict[expected.Key, dict[str, Any]]:
        """The rows of a mart by sync and other columns."""
        rows = self.rows(f"SELECT * FROM stripe_marts.{name}")
        found = {tuple(row[column] for column in ("_sync_id", *key)): row for row in rows}
        assert len(found) == len(rows) > 0
        return found


@pytest.fixture(scope="module")
def marts(postgres_url: str, shop_project: Any, tmp_path_factory: Any) -> Iterator[Marts]:
    """The demo's shop and the odd cases, in two syncs; built and tested by dbt."""
    with (
        new_database(postgres_url, like=shop_project.url) as url,
        psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection,
    ):
        # Months are those of UTC, whatever the reader's time zone.
        connection.execute("SET timezone = 'Pacific/Kiritimati'")
        add_odd_money(connection)
        built = replace(shop_project, url=url, output=tmp_path_factory.mktemp("marts"))
        output = built.dbt("build", "--select", "path:models/marts", *ON)
        assert "WARN=0 ERROR=0 SKIP=0" in output
        payloads = expected.Payloads(connection)
        now = datetime.now(UTC)
        yield Marts(built, connection, payloads, now, expected_mrr.movements(payloads, now))


def assert_money(row: dict[str, Any], column: str, minor_units: Fraction, currency: str) -> None:
    """A column and that of its minor units have an amount."""
    name = {"amount_lost": "lost"}.get(column, column).removesuffix("_mrr")
    assert row[f"{name}_minor_units"] == pytest.approx(
        Decimal(float(minor_units)), abs=Decimal("0.001")
    )
    exact = expected.amount(minor_units, currency)
    assert abs(row[column] - exact) <= Decimal(1).scaleb(int(exact.as_tuple().exponent))


def test_mrr_of_each_subscription_at_many_moments(marts: Marts) -> None:
    for moment in (
        *(datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 12)),
        datetime(2026, 2, 20, 5, tzinfo=UTC),
        datetime(2026, 5, 2, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 6, 16, tzinfo=UTC),
        marts.built_at,
    ):
        rows = marts.warehouse.execute(
            "SELECT * FROM stripe_marts.subscription_mrr_history"
            " WHERE valid_from < %(at)s AND (valid_to IS NULL OR valid_to >= %(at)s)",
            {"at": moment},
        ).fetchall()
        found = {
            (row["_sync_id"], row["subscription"], row["customer"], row["currency"]): row
            for row in rows
        }
        counted = {k: v for k, v in expected_mrr.mrr_at(marts.payloads, moment).items() if v[0] > 0}
        assert len(rows) == len(found)
        assert found.keys() == counted.keys()
        for key, (before, after) in counted.items():
            assert_money(found[key], "before_discounts", before, key[3])
            assert_money(found[key], "mrr", after, key[3])


def test_odd_prices_have_the_mrr_that_was_worked_out_by_hand(marts: Marts) -> None:
    sync = marts.rows("SELECT id FROM stripe_sync.syncs WHERE name = 'default'")[0]["id"]
    current = {
        row["subscription"]: row["mrr"]
        for row in marts.rows("SELECT * FROM stripe_marts.subscription_mrr_history")
        if row["_sync_id"] == sync and row["valid_to"] is None
    }
    # 3 x 100.00 / 12 + 7.00 x 26 / 12 + 2 x 1.00 x 365 / 36 + 2 x 18.00 + 10 x 0.0025 / 3
    assert current["sub_mixed"] == Decimal("96.45")
    # Tiers of 11 units: 5 x 10.00 + 5.00, 5 x 7.995, 4.00 + 3.00; 11 x 4.00 + 3.00; 2 packages.
    assert current["sub_tiers_11"] == Decimal("101.98") + Decimal("47.00") + Decimal("18.00")
    assert current["sub_jpy"] == Decimal(500)
    assert current["sub_isk"] == Decimal("825.00")
    assert current["sub_ugx"] == Decimal("3700.00")
    # 12 x 100.00 / 12 + (2 x 15.00 x 0.75 - the ended 4.00) + 30.00, less 25 %; boats alone.
    assert current["sub_discounts_5"] == Decimal("100") + Decimal("22.50") + Decimal("22.50")
    assert not current.keys() & {"sub_trialing", "sub_paused", "sub_unpaid", "sub_free", "sub_gone"}
    assert {"sub_past_due", "sub_kept_collecting", "sub_without_event"} <= current.keys()


def test_movements_of_each_customer(marts: Marts) -> None:
    found = marts.mart("customer_mrr_by_month", "customer", "currency", "month")
    assert found.keys() == marts.movements.keys()
    for key, (movement, cohort, start, end) in marts.movements.items():
        row = found[key]
        assert (row["movement"], row["first_month"]) == (movement, cohort), key
        assert_money(row, "start_mrr", start, key[2])
        assert_money(row, "end_mrr", end, key[2])
    assert {movement for movement, *_ in marts.movements.values()} == {
        *("new", "reactivation", "expansion", "contraction", "churn", "none")
    }


def test_mrr_and_churn_by_month(marts: Marts) -> None:
    mrr, churn = (
        marts.mart(name, "month", "currency") for name in ("mrr_by_month", "churn_by_month")
    )
    months = {(sync, month, currency) for sync, _, currency, month in marts.movements}
    assert mrr.keys() == churn.keys() == months
    for key in months:
        rows = [
            values
            for (sync, _, currency, month), values in marts.movements.items()
            if (sync, month, currency) == key
        ]
        count = Counter(movement for movement, *_ in rows)
        for name in ("new", "reactivation", "expansion", "contraction", "churn"):
            moved = sum((end - start for m, _, start, end in rows if m == name), Fraction(0))
            assert_money(mrr[key], name, moved, key[2])
        assert_money(mrr[key], "start_mrr", sum((r[2] for r in rows), Fraction(0)), key[2])
        assert_money(mrr[key], "mrr", sum((r[3] for r in rows), Fraction(0)), key[2])
        at_start = sum(1 for r in rows if r[2])
        assert churn[key] == {
            **dict(zip(("_sync_id", "month", "currency"), key, strict=True)),
            "customers_at_start": at_start,
            "new_customers": count["new"],
            "reactivated_customers": count["reactivation"],
            "churned_customers": count["churn"],
            "customers_at_end": sum(1 for r in rows if r[3]),
            "churn_percent": round(Decimal(100) * count["churn"] / at_start, 2)
            if at_start
            else None,
        }
        assert mrr[key]["customers"] == churn[key]["customers_at_end"]


def test_cohorts(marts: Marts) -> None:
    found = marts.mart("cohort_retention", "cohort", "currency", "month")
    members: dict[expected.Key, set[str]] = defaultdict(set)
    retained: dict[expected.Key, set[str]] = defaultdict(set)
    worth: dict[expected.Key, Fraction] = defaultdict(Fraction)
    for (sync, customer, currency, month), (_, cohort, _, end) in marts.movements.items():
        members[sync, cohort, currency].add(customer)
        worth[sync, cohort, currency, month] += end
        if end:
            retained[sync, cohort, currency, month].add(customer)
    present = marts.built_at.date().replace(day=1)
    wanted = set()
    for (sync, cohort, currency), customers in members.items():
        month, since = cohort, 0
        while month <= present:
            key = (sync, cohort, currency, month)
            wanted.add(key)
            row = found[key]
            assert row["months_since"] == since
            assert row["customers"] == len(customers)
            assert row["retained_customers"] == len(retained[key])
            assert row["retained_percent"] == round(
                Decimal(100) * len(retained[key]) / len(customers), 2
            )
            assert_money(row, "mrr", worth[key], currency)
            month, since = expected.following(month), since + 1
    assert found.keys() == wanted


KEYS: dict[str, tuple[tuple[str, ...], Callable[[expected.Payloads], expected.Sums]]] = {
    "revenue_by_month": (("month", "currency"), expected.revenue),
    "net_revenue_by_month": (("month", "currency"), expected.net_revenue),
    "balance_by_category": (("month", "reporting_category", "currency"), expected.balance),
    "fees_by_month": (("month", "reporting_category", "currency"), expected.fees),
    "failed_payments_by_month": (
        ("month", "currency", "failure_code", "decline_code"),
        expected.failed,
    ),
    "disputes_by_month": (("month", "currency", "reason"), expected.disputes),
    "payout_reconciliation": (("payout", "currency"), expected.payouts),
    "invoice_ageing": (
        ("currency", "overdue"),
        lambda payloads: expected.ageing(payloads, datetime.now(UTC)),
    ),
}
COUNTS = {
    *("payments", "refunds", "transactions", "charges", "disputes", "won", "lost", "others"),
    "invoices",
}


@pytest.mark.parametrize("name", KEYS)
def test_sums_of_money(marts: Marts, name: str) -> None:
    key_columns, count = KEYS[name]
    found, wanted = marts.mart(name, *key_columns), count(marts.payloads)
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        currency = key[1 + key_columns.index("currency")]
        money = {column for column in row if f"{column}_minor_units" in row} | (
            {"amount_lost"} & row.keys()
        )
        for column in money - {"lost"}:
            if row[column] is None:
                assert column not in wanted[key], (name, column)
            else:
                assert_money(row, column, Fraction(wanted[key].get(column, 0)), currency)
        for column in (COUNTS & row.keys()) - money:
            assert row[column] == wanted[key].get(column, 0), (name, column)


def test_paid_payouts_add_up_to_the_cent_also_negative_ones(marts: Marts) -> None:
    rows = marts.rows("SELECT * FROM stripe_marts.payout_reconciliation WHERE transactions > 0")
    assert len(rows) > 20
    assert {row["difference"] for row in rows} == {Decimal(0)}
    assert any(row["paid_out"] < 0 for row in rows)
    manual = marts.rows("SELECT * FROM stripe_marts.payout_reconciliation WHERE NOT automatic")
    assert {row["difference"] for row in manual} == {None}


def printed(title: str) -> str:
    """A query that docs/queries.md prints."""
    found = re.search(rf"^## {title}$.*?```sql\n(.+?)```", QUERIES.read_text(), re.DOTALL | re.M)
    assert found is not None
    return found[1]


AGREEMENTS = {
    "Monthly recurring revenue": "SELECT currency, stripe.amount(round(sum("
    "before_discounts_minor_units))::bigint, currency) AS mrr_before_discounts"
    " FROM stripe_marts.subscription_mrr_history WHERE valid_to IS NULL GROUP BY currency",
    "Balance by month and category": "SELECT month, reporting_category, currency,"
    " sum(transactions) AS transactions, sum(gross) AS gross, sum(fees) AS fees, sum(net) AS net"
    " FROM stripe_marts.balance_by_category GROUP BY 1, 2, 3",
    "Payout reconciliation": "SELECT payout AS id, arrives_at::date AS arrives, paid_out,"
    " explained, difference_minor_units AS difference FROM stripe_marts.payout_reconciliation"
    " WHERE transactions > 0",
    "Disputes by reason": "SELECT reason, currency, sum(disputes) AS disputes, sum(won) AS won,"
    " sum(lost) AS lost, sum(amount) AS amount FROM stripe_marts.disputes_by_month GROUP BY 1, 2",
    "Failed payments by decline code": "SELECT failure_code, currency, sum(charges) AS charges,"
    " sum(amount) AS amount FROM stripe_marts.failed_payments_by_month GROUP BY 1, 2",
    "Invoice ageing": "SELECT overdue, currency, sum(invoices) AS invoices, sum(open) AS open"
    " FROM stripe_marts.invoice_ageing GROUP BY 1, 2",
}


@pytest.mark.parametrize("title", AGREEMENTS)
def test_marts_agree_with_the_printed_query(marts: Marts, title: str) -> None:
    def sorted_rows(rows: list[dict[str, Any]], columns: list[str]) -> list[tuple[Any, ...]]:
        return sorted((tuple(row[column] for column in columns) for row in rows), key=str)

    marts.warehouse.execute("SET timezone = 'UTC'")
    ours, theirs = marts.rows(AGREEMENTS[title]), marts.rows(printed(title))
    marts.warehouse.execute("SET timezone = 'Pacific/Kiritimati'")
    columns = list(ours[0])
    assert sorted_rows(ours, columns) == sorted_rows(theirs, columns)


def test_every_mart_and_column_has_a_comment_and_its_documented_type(marts: Marts) -> None:
    manifest = canonical_json.loads((marts.project.output / "manifest.json").read_bytes())
    models = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "stripe_marts"
    ]
    columns = marts.rows(
        "SELECT c.relname AS mart, attname AS name, format_type(atttypid, NULL) AS data_type,"
        " obj_description(c.oid) AS about, col_description(c.oid, attnum) AS description"
        " FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0"
        " WHERE relnamespace = 'stripe_marts'::regnamespace AND relkind IN ('v', 'r')"
    )
    assert {row["mart"] for row in columns} == {node["name"] for node in models}
    assert all(row["about"] and row["description"] for row in columns)
    found = {(row["mart"], row["name"]): row["data_type"] for row in columns}
    assert found == {
        (node["name"], column["name"]): column["data_type"]
        for node in models
        for column in node["columns"].values()
    }


def test_every_mart_has_an_exposure_and_metrics(marts: Marts) -> None:
    manifest = canonical_json.loads((marts.project.output / "manifest.json").read_bytes())
    models = {
        name for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "stripe_marts"
    } - {"model.stripe_views.time_spine"}  # fmt: skip
    exposed = {
        name for each in manifest["exposures"].values() for name in each["depends_on"]["nodes"]
    }
    assert exposed == models
    measured = {
        name
        for each in manifest["semantic_models"].values()
        for name in each["depends_on"]["nodes"]
    }
    # The other two have one row for each customer and subscription.
    assert measured == models - {
        "model.stripe_views.customer_mrr_by_month", "model.stripe_views.subscription_mrr_history",
    }  # fmt: skip
    names = {
        measure["name"]
        for each in manifest["semantic_models"].values()
        for measure in each["measures"]
    }
    simple = {
        each["type_params"]["measure"]["name"]
        for each in manifest["metrics"].values()
        if each["type"] == "simple"
    }
    assert simple == names


def test_another_build_replaces_rows_and_keeps_what_others_built(marts: Marts) -> None:
    table = "stripe_marts.customer_mrr_by_month"
    marts.warehouse.execute(f"CREATE VIEW public.on_table AS SELECT * FROM {table}".encode())
    marts.warehouse.execute(f"GRANT SELECT ON {table} TO public".encode())
    before = marts.rows("SELECT count(*) FROM public.on_table")
    marts.project.dbt("run", "--select", "customer_mrr_by_month", *ON)
    assert marts.rows("SELECT count(*) FROM public.on_table") == before
    assert marts.rows(f"SELECT has_table_privilege('public', '{table}', 'SELECT') AS granted") == [
        {"granted": True}
    ]


def test_a_table_of_others_in_the_schema_of_the_marts_is_refused(marts: Marts) -> None:
    marts.warehouse.execute("DROP VIEW stripe_marts.time_spine")
    marts.warehouse.execute("CREATE TABLE stripe_marts.time_spine AS SELECT 'theirs' AS day")
    output = marts.project.dbt("run", "--select", "time_spine", *ON, fails=True)
    assert "table stripe_marts.time_spine" in output
    assert marts.rows("SELECT * FROM stripe_marts.time_spine") == [{"day": "theirs"}]


def test_an_environment_variable_turns_the_marts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environment(marts: bool | None = None) -> str:
        return dbt_environment("postgresql://db/warehouse", tmp_path, marts=marts)["STRIPE_MARTS"]

    monkeypatch.delenv("STRIPE_MARTS", raising=False)
    assert environment() == "false"
    assert environment(marts=True) == "true"
    monkeypatch.setenv("STRIPE_MARTS", "True")
    assert environment() == "true"
    assert environment(marts=False) == "false"
    monkeypatch.setenv("STRIPE_MARTS", "yes please")
    with pytest.raises(ConfigurationError, match="STRIPE_MARTS must be true or false"):
        environment()
