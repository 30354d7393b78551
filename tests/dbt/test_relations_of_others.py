"""What others made in the warehouse stays: their relations, and what they built on the views."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from stripe_sync import dbt_environment
from stripe_sync.errors import ConfigurationError

pytestmark = pytest.mark.dbt

Warehouse = psycopg.Connection[dict[str, Any]]

MARK = "Made by the dbt project stripe_views."


def columns_of(warehouse: Warehouse, view: str) -> list[str]:
    rows = warehouse.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " ORDER BY attnum",
        [view],
    )
    return [row["attname"] for row in rows]


def replace_by_older(warehouse: Warehouse, select: str) -> None:
    """Coupons as an older version of the project made them."""
    warehouse.execute("DROP VIEW stripe.coupons")
    warehouse.execute(f"CREATE VIEW stripe.coupons AS {select}")
    warehouse.execute(f"COMMENT ON VIEW stripe.coupons IS 'Coupons. {MARK}'")


OLDER = """SELECT upstream_id AS id, 1::bigint AS retired, 'C'::text COLLATE "C" AS old,
    ''::text AS name FROM stripe_raw.records WHERE collection_id = 'stripe:coupon'"""


def depend_on_coupons(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE VIEW public.of_users AS SELECT id FROM stripe.coupons")
    warehouse.execute("CREATE MATERIALIZED VIEW public.stored AS SELECT id FROM stripe.coupons")


def test_new_columns_follow_those_that_others_built_on(project: Any, warehouse: Warehouse) -> None:
    whole = columns_of(warehouse, "stripe.coupons")
    replace_by_older(
        warehouse,
        "SELECT upstream_id AS id, payload ->> 'name' AS name FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:coupon'",
    )
    depend_on_coupons(warehouse)
    warehouse.execute("GRANT SELECT ON stripe.coupons TO public")
    warehouse.execute(project.build_statement("coupons"))
    others = [name for name in whole if name not in ("id", "name")]
    assert columns_of(warehouse, "stripe.coupons") == ["id", "name", *others]
    row = warehouse.execute("SELECT id, percent_off FROM stripe.coupons").fetchone()
    assert row == {"id": "odd id with spaces", "percent_off": 12.5}
    assert warehouse.execute("SELECT id FROM public.of_users").fetchall() == [{"id": row["id"]}]
    warehouse.execute("REFRESH MATERIALIZED VIEW public.stored")
    # Building it again changes nothing.
    warehouse.execute(project.build_statement("coupons"))
    assert columns_of(warehouse, "stripe.coupons") == ["id", "name", *others]


def test_a_column_that_is_gone_stays_while_others_build_on_the_view(
    project: Any, warehouse: Warehouse
) -> None:
    whole = columns_of(warehouse, "stripe.coupons")
    replace_by_older(warehouse, OLDER)
    depend_on_coupons(warehouse)
    warehouse.execute("CREATE VIEW public.of_retired AS SELECT retired FROM stripe.coupons")
    warehouse.execute(project.build_statement("coupons"))
    assert columns_of(warehouse, "stripe.coupons")[:4] == ["id", "retired", "old", "name"]
    assert set(columns_of(warehouse, "stripe.coupons")) == {*whole, "retired", "old"}
    assert warehouse.execute("SELECT retired FROM public.of_retired").fetchall() == [
        {"retired": None}
    ]


def test_a_column_that_is_gone_goes_with_nobody_on_it_and_grants_stay(
    project: Any, warehouse: Warehouse
) -> None:
    whole = columns_of(warehouse, "stripe.coupons")
    replace_by_older(warehouse, "SELECT 1 AS retired, 2 AS id, 3 AS name")
    warehouse.execute("GRANT SELECT ON stripe.coupons TO public")
    warehouse.execute(project.build_statement("coupons"))
    assert columns_of(warehouse, "stripe.coupons") == whole
    granted = warehouse.execute("SELECT has_table_privilege('public', 'stripe.coupons', 'SELECT')")
    assert granted.fetchone() == {"has_table_privilege": True}


def test_a_column_of_another_type_is_refused_while_others_build_on_the_view(
    project: Any, warehouse: Warehouse
) -> None:
    replace_by_older(warehouse, "SELECT 1 AS id, ''::text AS name")
    depend_on_coupons(warehouse)
    with pytest.raises(psycopg.Error) as refused, warehouse.transaction():
        warehouse.execute(project.build_statement("coupons"))
    message = str(refused.value)
    assert "id from integer to text" in message
    assert "view of_users depends on view stripe.coupons" in message
    assert "materialized view stored depends on view stripe.coupons" in message
    assert columns_of(warehouse, "stripe.coupons") == ["id", "name"]
    assert warehouse.execute("SELECT id FROM public.of_users").fetchall() == [{"id": 1}]


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE stripe.coupons (id text)",
        "CREATE VIEW stripe.coupons AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW stripe.coupons AS SELECT 1 AS id",
        "CREATE SEQUENCE stripe.coupons",
    ],
)
def test_a_relation_of_others_that_appears_during_a_build_is_not_replaced(
    project: Any, warehouse: Warehouse, made: str
) -> None:
    warehouse.execute("DROP VIEW stripe.coupons")
    warehouse.execute(made)
    with (
        pytest.raises(psycopg.Error, match=r"stripe\.coupons was not made by this project"),
        warehouse.transaction(),
    ):
        warehouse.execute(project.build_statement("coupons"))
    found = warehouse.execute("SELECT to_regclass('stripe.coupons') IS NOT NULL AS kept").fetchone()
    assert found == {"kept": True}


def test_a_schema_of_another_connector_is_refused_before_anything_is_built(project: Any) -> None:
    with psycopg.connect(project.url, autocommit=True) as connection:
        for statement in (
            "CREATE SCHEMA engine",
            "CREATE TABLE engine.customers (id text PRIMARY KEY)",
            "CREATE TABLE engine.invoices (customer text REFERENCES engine.customers)",
            "CREATE MATERIALIZED VIEW engine.prices AS SELECT id FROM engine.customers",
            "CREATE VIEW engine.report AS SELECT id FROM engine.customers",
            "INSERT INTO engine.customers VALUES ('cus_theirs')",
        ):
            connection.execute(statement)
        query = (
            "SELECT relname, relkind, obj_description(oid) FROM pg_class"
            " WHERE relnamespace = 'engine'::regnamespace ORDER BY relname"
        )
        before = connection.execute(query).fetchall()
        output = project.dbt("run", schema="engine", fails=True)
        for relation in (
            "table engine.customers",
            "table engine.invoices",
            "materialized view engine.prices",
        ):
            assert relation in output
        assert "STRIPE_VIEWS_SCHEMA" in output
        assert connection.execute(query).fetchall() == before
        for relation in ("TABLE engine.customers", "TABLE engine.invoices"):
            connection.execute(f"ALTER {relation} RENAME TO their_{relation.rpartition('.')[2]}")
        connection.execute("DROP MATERIALIZED VIEW engine.prices")
        project.dbt("run", "--select", "customers", "invoices", schema="engine")
        theirs = connection.execute("SELECT id FROM engine.report").fetchall()
        described = connection.execute(
            "SELECT col_description('engine.invoices'::regclass, attnum) FROM pg_attribute"
            " WHERE attrelid = 'engine.invoices'::regclass AND attname = 'customer'"
        ).fetchone()
    assert theirs == [("cus_theirs",)]
    assert described is not None
    assert "see `engine.customers`" in described[0]


@pytest.mark.parametrize("schema", ["stripe_raw", "stripe_sync"])
def test_the_views_cannot_be_among_the_tables(
    schema: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=schema):
        dbt_environment("postgresql://db/warehouse", tmp_path, schema)
    monkeypatch.setenv("STRIPE_VIEWS_SCHEMA", schema)
    with pytest.raises(ConfigurationError, match=schema):
        dbt_environment("postgresql://db/warehouse", tmp_path)


def test_dbt_gets_the_schema_of_the_setting(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_VIEWS_SCHEMA", "billing")
    environment = dbt_environment("postgresql://db/warehouse", tmp_path)
    assert environment["STRIPE_VIEWS_SCHEMA"] == "billing"
