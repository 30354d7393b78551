"""The views under the names of other connectors, built by the product's own runner."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from dbt.conftest import PROJECT, RESOURCE, store
from dbt.conftest import SYNC as SECOND
from shop import BackfilledShop
from stripe_sync import dbt_command, dbt_environment

pytestmark = pytest.mark.dbt

Warehouse = psycopg.Connection[dict[str, Any]]

EXPECTED = Path(__file__).with_name("expected")
SCHEMAS = {"fivetran": "stripe_fivetran", "sync_engine": "stripe_sync_engine_default"}
"""All syncs in one, and the sync of the shop alone in the other."""


@pytest.fixture(scope="module")
def url(backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The warehouse of the demo's shop with another account's sync in it, and all views."""
    folder = tmp_path_factory.mktemp("compat")
    with backfilled.copy(folder) as shop:
        url = shop.harness.connections.warehouse_url
        with psycopg.connect(url, row_factory=dict_row) as connection:
            add_second_sync(connection)
        built = subprocess.run(
            dbt_command(PROJECT, "run"),
            env=dbt_environment(url, folder / "dbt")
            | {"STRIPE_COMPAT_FIVETRAN": "true", "STRIPE_COMPAT_SYNC_ENGINE": "default"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout
        yield url


@pytest.fixture
def views(url: str) -> Iterator[Warehouse]:
    """A connection whose changes are taken back afterwards."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SET LOCAL search_path TO stripe_sync_engine_default")
        yield connection
        connection.rollback()


def add_second_sync(connection: Warehouse) -> None:
    """Another account, with a coupon of the same id as one of the shop."""
    connection.execute(
        "INSERT INTO stripe_sync.syncs (id, name, resource_id, account_id, livemode, api_version)"
        " VALUES (%s, 'main', %s, 'acct_second', true, '2026-10-28.endive')",
        [SECOND, RESOURCE],
    )
    coupon = connection.execute(
        "SELECT payload FROM stripe_raw.records WHERE collection_id = 'stripe:coupon'"
        " ORDER BY upstream_id LIMIT 1"
    ).fetchone()
    assert coupon is not None
    customer = {"id": "cus_second", "object": "customer", "livemode": True, "created": 1707193751}
    store(connection, 90_001, "stripe:coupon", coupon["payload"])
    store(connection, 90_002, "stripe:customer", customer)


def expected_columns(connector: str) -> set[tuple[str, str, str]]:
    with (EXPECTED / f"{connector}.csv").open(encoding="utf-8") as file:
        return {(row["view"], row["column"], row["type"]) for row in csv.DictReader(file)}


def delete(views: Warehouse, name: str) -> str:
    """Mark an object of the shop as gone from Stripe."""
    row = views.execute(
        "UPDATE stripe_raw.records SET deleted = true WHERE id = (SELECT id FROM stripe_raw.records"
        " WHERE collection_id = %s AND sync_id <> %s LIMIT 1) RETURNING upstream_id",
        [f"stripe:{name}", SECOND],
    ).fetchone()
    assert row is not None
    return str(row["upstream_id"])


@pytest.mark.parametrize("connector", SCHEMAS)
def test_the_views_have_the_columns_and_types_of_the_connector(
    views: Warehouse, connector: str
) -> None:
    schema = SCHEMAS[connector]
    found = views.execute(
        "SELECT relname, attname, replace(format_type(atttypid, null), %s, '') AS type"
        " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0"
        " WHERE relnamespace = %s::regnamespace AND relkind = 'v'",
        [f"{schema}.", schema],
    ).fetchall()
    columns = {(row["relname"], row["attname"], row["type"]) for row in found}
    assert expected_columns(connector) - columns == set()


@pytest.mark.parametrize("connector", SCHEMAS)
def test_no_view_is_empty_and_every_view_says_what_it_is(views: Warehouse, connector: str) -> None:
    schema = SCHEMAS[connector]
    for name in sorted({view for view, _, _ in expected_columns(connector)}):
        # All columns are asked for, so that each is computed.
        found = views.execute(
            f"SELECT count(*) AS rows, count(v::text) AS read,"
            f" obj_description('{schema}.{name}'::regclass) AS text FROM {schema}.{name} AS v"
        ).fetchone()
        assert found is not None
        assert found["rows"] == found["read"] > 0, name
        assert len(found["text"].splitlines()[0]) > 5, name


def test_ids_are_unique_where_the_connector_has_them_as_keys(views: Warehouse) -> None:
    not_by_id = {"discount", "fee", "payout_balance_transaction", "invoice_line_item"}
    columns = expected_columns("fivetran")
    for name in sorted({view for view, column, _ in columns if column == "id"} - not_by_id):
        doubles = views.execute(
            f"SELECT id FROM stripe_fivetran.{name} GROUP BY _sync_id, id HAVING count(*) > 1"
        ).fetchall()
        assert doubles == [], name


def test_a_schema_has_all_syncs_or_the_chosen_one(views: Warehouse) -> None:
    both = views.execute(
        "SELECT id FROM stripe_fivetran.coupon GROUP BY id HAVING count(DISTINCT _sync_id) = 2"
    ).fetchall()
    assert len(both) == 1
    one = views.execute("SELECT id FROM coupons WHERE id = %s", [both[0]["id"]]).fetchall()
    assert one == both
    query = "SELECT count(*) AS n, bool_or(livemode) AS live FROM {}"
    fivetran = views.execute(query.format("stripe_fivetran.customer")).fetchone()
    engine = views.execute(query.format("customers")).fetchone()
    assert fivetran is not None
    assert engine is not None
    assert (fivetran["live"], engine["live"]) == (True, False)
    assert fivetran["n"] == engine["n"] + 1
    accounts = views.execute("SELECT DISTINCT _account_id FROM invoices").fetchall()
    assert [row["_account_id"] for row in accounts] != ["acct_second"]
    assert len(accounts) == 1


SAME_SUMS = {
    "fees": (
        "SELECT sum(amount) AS n FROM stripe_fivetran.fee",
        "SELECT sum(fee) AS n FROM stripe.balance_transactions",
    ),
    "discounts of invoices": (
        "SELECT sum(amount) AS n FROM stripe_fivetran.discount",
        "SELECT sum((d ->> 'amount')::bigint) AS n FROM stripe.invoices,"
        " jsonb_array_elements(total_discount_amounts) AS d",
    ),
    "transactions of payouts": (
        "SELECT sum(abs(net)) AS n FROM stripe_fivetran.payout_balance_transaction AS part"
        " JOIN stripe_fivetran.balance_transaction AS t ON t.id = part.balance_transaction_id"
        " AND t.payout_id = part.payout_id",
        "SELECT sum(abs(net)) AS n FROM stripe.payout_balance_transactions",
    ),
    "what invoices were paid with": (
        "SELECT sum(c.amount) AS n FROM stripe_fivetran.invoice AS i"
        " JOIN stripe_fivetran.charge AS c ON c.id = i.charge_id AND c.invoice_id = i.id"
        " WHERE i.paid",
        "SELECT sum(c.amount) AS n FROM stripe.invoices AS i"
        " JOIN stripe.charges AS c ON c.id = i.charge WHERE i.status = 'paid'",
    ),
    "cards of charges": (
        "SELECT count(*) AS n FROM stripe_fivetran.charge AS c"
        " JOIN stripe_fivetran.card ON card.id = c.card_id AND card._sync_id = c._sync_id",
        "SELECT count(*) AS n FROM stripe.charges WHERE payment_method_details ->> 'type' = 'card'"
        " AND coalesce(payment_method, source) IS NOT NULL",
    ),
    "moments": (
        "SELECT extract(epoch FROM sum(created - '1970-01-01'))::bigint AS n"
        " FROM stripe_fivetran.charge",
        "SELECT sum(created)::bigint AS n FROM stripe.charges",
    ),
    "customers that are not deleted": (
        "SELECT count(*) AS n FROM customers WHERE deleted = false",
        "SELECT count(*) - 1 AS n FROM stripe.customers WHERE NOT _deleted",
    ),
    "active subscriptions with customers, items, prices and products": (
        "SELECT sum(i.quantity) AS n FROM subscriptions AS s"
        " JOIN customers AS c ON c.id = s.customer AND NOT c.deleted"
        " JOIN subscription_items AS i ON i.subscription = s.id"
        " JOIN prices AS p ON p.id = i.price AND p.recurring ->> 'interval' IS NOT NULL"
        " JOIN products ON products.id = p.product"
        " WHERE s.status = 'active'::subscription_status",
        "SELECT sum((i ->> 'quantity')::bigint) AS n FROM stripe.records AS s,"
        " jsonb_array_elements(payload -> 'items' -> 'data') AS i"
        " WHERE collection_id = 'stripe:subscription' AND payload ->> 'status' = 'active'"
        " AND i -> 'price' ->> 'recurring' IS NOT NULL",
    ),
    "revenue of paid invoices of 2026": (
        "SELECT sum(amount_paid) AS n FROM invoices WHERE paid AND to_timestamp(created)"
        " >= '2026-01-01T00:00:00Z'",
        "SELECT sum((payload ->> 'amount_paid')::bigint) AS n FROM stripe.records"
        " WHERE collection_id = 'stripe:invoice' AND payload ->> 'status' = 'paid'"
        " AND (payload ->> 'created')::bigint >= 1767225600",
    ),
    "payments of invoices": (
        "SELECT count(*) AS n FROM invoices AS i JOIN charges AS c ON c.id = i.charge"
        " AND c.invoice = i.id JOIN payment_intents AS p ON p.id = i.payment_intent",
        "SELECT count(*) AS n FROM stripe.invoices AS i WHERE charge IS NOT NULL",
    ),
    "subscriptions that go on": (
        "SELECT count(*) AS n FROM subscriptions WHERE current_period_end >"
        " (SELECT min(current_period_end) FROM subscriptions)",
        "SELECT count(*) AS n FROM stripe.subscriptions WHERE current_period_end >"
        " (SELECT min(current_period_end) FROM stripe.subscriptions)",
    ),
    "disputed charges": (
        "SELECT count(*) AS n FROM charges JOIN disputes ON disputes.id = charges.dispute",
        "SELECT count(DISTINCT charge) AS n FROM stripe.disputes"
        " WHERE charge IN (SELECT id FROM stripe.charges)",
    ),
    "what checkout sessions sold": (
        "SELECT sum(l.amount_total) AS n FROM checkout_session_line_items AS l"
        " JOIN checkout_sessions AS s ON s.id = l.checkout_session",
        "SELECT sum(l.amount_total) AS n FROM stripe.line_items AS l"
        " JOIN stripe.checkout_sessions AS s ON s.id = l._parent_id",
    ),
    "discounts of customers and subscriptions": (
        "SELECT sum((discount -> 'coupon' ->> 'percent_off')::numeric) AS n FROM"
        " (SELECT discount FROM customers UNION ALL SELECT discount FROM subscriptions) AS d",
        "SELECT sum(c.percent_off) AS n FROM (SELECT discount FROM stripe.customers"
        " UNION ALL SELECT discount FROM stripe.subscriptions) AS named"
        " JOIN stripe.discounts AS d ON d.id = named.discount"
        " JOIN stripe.coupons AS c ON c.id = d.coupon AND c._sync_id = d._sync_id",
    ),
}


@pytest.mark.parametrize("question", SAME_SUMS)
def test_typical_queries_have_the_right_answer(views: Warehouse, question: str) -> None:
    query, reference = SAME_SUMS[question]
    answer = views.execute(query.encode()).fetchone()
    expected = views.execute(reference.encode()).fetchone()
    assert answer is not None
    assert answer["n"]
    assert answer == expected


@pytest.mark.parametrize("page", ["fivetran", "sync_engine", "airbyte", "dlt"])
def test_the_queries_of_the_migration_pages_have_an_answer(views: Warehouse, page: str) -> None:
    text = (PROJECT.parent / "docs" / "migrate" / f"{page}.md").read_text(encoding="utf-8")
    [query] = re.findall(r"```sql\n(.+?)```", text, flags=re.DOTALL)
    *before, last = (part for part in query.split(";") if part.strip())
    for statement in before:
        name = SCHEMAS["sync_engine"]
        views.execute(statement.replace("stripe_sync_engine", name).encode())
    assert views.execute(last.encode()).fetchall()


@pytest.mark.parametrize("name", ["product", "price", "plan", "tax_id"])
def test_the_sync_engine_loses_what_is_gone_from_stripe(views: Warehouse, name: str) -> None:
    gone = delete(views, name)
    left = views.execute(f"SELECT id FROM {name}s").fetchall()
    assert left
    assert gone not in {row["id"] for row in left}


def test_the_sync_engine_marks_customers_and_invoices_that_are_gone(views: Warehouse) -> None:
    customer, invoice, method = (
        delete(views, n) for n in ("customer", "invoice", "payment_method")
    )
    marked = views.execute("SELECT id, deleted FROM customers WHERE deleted").fetchall()
    assert marked == [{"id": customer, "deleted": True}]
    drafts = views.execute("SELECT id FROM invoices WHERE status = 'deleted'").fetchall()
    assert drafts == [{"id": invoice}]
    detached = views.execute("SELECT customer FROM payment_methods WHERE id = %s", [method])
    assert detached.fetchall() == [{"customer": None}]


def test_fivetran_marks_what_is_gone_where_it_has_a_column_for_it(views: Warehouse) -> None:
    for name in ("customer", "invoice", "price", "plan", "product"):
        gone = delete(views, name)
        marked = views.execute(f"SELECT id FROM stripe_fivetran.{name} WHERE is_deleted").fetchall()
        assert marked == [{"id": gone}], name
    gone = delete(views, "subscription_item")
    assert gone not in {
        row["id"] for row in views.execute("SELECT id FROM stripe_fivetran.subscription_item")
    }


def test_the_subscription_history_has_a_row_for_each_version(views: Warehouse) -> None:
    subscription = {"id": "sub_1", "object": "subscription", "status": "trialing"}
    store(views, 90_010, "stripe:subscription", subscription)
    views.execute(
        "INSERT INTO stripe_raw.events (id, sync_id, resource_id, collection_id, upstream_id,"
        " event_type, data, created_at, upstream_updated_at, seq, source, api_version)"
        " SELECT gen_random_uuid(), sync_id, resource_id, collection_id, upstream_id, 'updated',"
        " data || '{\"status\": \"active\"}', now(), upstream_updated_at + interval '1 day', 90011,"
        " 'poll', api_version FROM stripe_raw.events WHERE upstream_id = 'sub_1'"
    )
    versions = views.execute(
        "SELECT status, _fivetran_active AS active, _fivetran_start AS since,"
        " _fivetran_end AS until FROM stripe_fivetran.subscription_history"
        " WHERE id = 'sub_1' ORDER BY since"
    ).fetchall()
    first, second = versions
    assert [(v["status"], v["active"]) for v in versions] == [("trialing", False), ("active", True)]
    assert first["until"] == second["since"] > first["since"]
    assert second["until"].year == 9999


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("unit_amount", 2_147_483_647, 2_147_483_647),
        ("unit_amount", 2_147_483_648, None),
        ("type", "recurring", "recurring"),
        ("type", "of_tomorrow", None),
    ],
)
def test_values_that_a_type_of_the_sync_engine_cannot_hold_are_null(
    views: Warehouse, column: str, value: object, shown: object
) -> None:
    views.execute(
        "UPDATE stripe_raw.records SET payload = payload || %s WHERE collection_id ="
        " 'stripe:price'",
        [Jsonb({column: value})],
    )
    rows = views.execute(f"SELECT DISTINCT {column} AS value FROM prices").fetchall()
    assert rows == [{"value": shown}]


def test_the_models_of_fivetrans_package_are_built_and_pass_their_tests(
    url: str, tmp_path: Path
) -> None:
    packages = os.environ.get("STRIPE_SYNC_TEST_FIVETRAN_PACKAGES")
    if not packages:
        pytest.skip("STRIPE_SYNC_TEST_FIVETRAN_PACKAGES names no dbt_packages with dbt_stripe")
    (tmp_path / "dbt_project.yml").write_text(
        "name: consumer\nversion: 1.0.0\nprofile: stripe_views\n"
        f"packages-install-path: {packages}\n"
        "vars: {stripe_schema: stripe_fivetran, stripe__using_livemode: false}\n"
    )
    built = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "build"),
            *("--project-dir", str(tmp_path), "--profiles-dir", str(PROJECT)),
        ],
        env=dbt_environment(url, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    with psycopg.connect(url) as connection:
        for model in ("payout_itemized_3", "ending_balance_reconciliation_itemized_4"):
            found = connection.execute(f"SELECT count(*) FROM stripe_stripe.stripe__{model}")
            assert found.fetchone() != (0,)
