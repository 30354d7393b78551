"""The project as a whole: contract, tests, comments, docs, rebuilding."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from stripe_sync.records import canonical_json

pytestmark = pytest.mark.dbt

Warehouse = psycopg.Connection[dict[str, Any]]

MOMENT = "timestamp with time zone"
RECORDS = [
    ("id", "uuid"),
    ("sync_id", "uuid"),
    ("resource_id", "uuid"),
    ("collection_id", "text"),
    ("upstream_id", "text"),
    ("deleted", "boolean"),
    ("payload", "jsonb"),
    ("payload_hash", "text"),
    ("inserted_at", MOMENT),
    ("updated_at", MOMENT),
    ("upstream_updated_at", MOMENT),
    ("upsert_opts", "jsonb"),
    ("updated_idx", "integer"),
    ("seq", "bigint"),
]
EVENTS = [
    ("id", "uuid"),
    ("sync_id", "uuid"),
    ("resource_id", "uuid"),
    ("collection_id", "text"),
    ("upstream_id", "text"),
    ("event_type", "text"),
    ("changes", "jsonb"),
    ("data", "jsonb"),
    ("created_at", MOMENT),
    ("upstream_updated_at", MOMENT),
    ("seq", "bigint"),
    ("source", "text"),
    ("stripe_event_id", "text"),
    ("api_version", "text"),
]


@pytest.mark.parametrize(("view", "contract"), [("records", RECORDS), ("events", EVENTS)])
def test_the_streams_have_the_columns_of_the_contract(
    warehouse: Warehouse, view: str, contract: list[tuple[str, str]]
) -> None:
    assert columns_of(warehouse, view) == contract


def test_a_typed_view_ends_with_the_columns_of_the_stream(warehouse: Warehouse) -> None:
    assert columns_of(warehouse, "customers")[-4:] == [
        ("_sync_id", "uuid"),
        ("_deleted", "boolean"),
        ("_updated_at", MOMENT),
        ("_seq", "bigint"),
    ]


def test_the_types_in_the_docs_are_those_of_the_views(project: Any, warehouse: Warehouse) -> None:
    manifest = canonical_json.loads((project.output / "manifest.json").read_bytes())
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            documented = [(c["name"], c["data_type"]) for c in node["columns"].values()]
            assert columns_of(warehouse, node["name"]) == documented, node["name"]


def test_status_names_the_sync_and_the_missing_permission(warehouse: Warehouse) -> None:
    row = warehouse.execute(
        "SELECT sync, status, permission FROM stripe.sync_status"
        " WHERE collection_id = 'stripe:payment_intent'"
    ).fetchone()
    assert row == {
        "sync": "main",
        "status": "forbidden",
        "permission": "rak_payment_intent_read",
    }


def test_a_sync_that_is_not_polled_has_a_warning_whatever_the_cause(warehouse: Warehouse) -> None:
    def warnings() -> set[str | None]:
        rows = warehouse.execute(
            "SELECT warning FROM stripe.sync_status UNION SELECT warning FROM stripe.poll_status"
        ).fetchall()
        return {row["warning"] for row in rows}

    def update(table: str, values: str) -> None:
        warehouse.execute(f"UPDATE stripe_sync.{table} SET {values}".encode())

    warehouse.execute(
        "INSERT INTO stripe_sync.poll_state (sync_id, polled_at, message)"
        " SELECT id, now(), null FROM stripe_sync.syncs"
    )
    assert warnings() == {None}
    update("poll_state", "polled_at = now() - interval '1 hour'")
    [silent] = warnings()
    assert silent is not None
    assert silent.startswith("not polled since ")
    update("poll_state", "message = 'the key is wrong'")
    assert warnings() == {f"the key is wrong; {silent}"}
    update("poll_state", "message = null, polled_at = null")
    update("syncs", "created_at = now() - interval '1 day'")
    [never] = warnings()
    assert never is not None
    assert never.startswith("not polled since ")
    update("syncs", "status = 'paused'")
    assert warnings() == {None}


def test_the_state_of_a_collection_has_at_most_12_columns(warehouse: Warehouse) -> None:
    assert len(columns_of(warehouse, "sync_status")) <= 12


def test_a_sync_without_collections_has_a_poll_status(warehouse: Warehouse) -> None:
    warehouse.execute("DELETE FROM stripe_sync.collection_state")
    rows = warehouse.execute("SELECT sync, status, livemode FROM stripe.poll_status").fetchall()
    assert rows == [{"sync": "main", "status": "active", "livemode": False}]


@pytest.mark.parametrize(
    ("reads", "transactions", "warns"),
    [
        # The first day's reads are those of the backfill.
        ({0: 400_000}, 0, False),
        ({0: 400_000}, 10_000, False),
        ({1: 400_000, 0: 100}, 0, True),
        # 30 times the last whole day.
        ({2: 400_000, 1: 172_800}, 10_500, False),
        ({2: 400_000, 1: 172_800}, 10_000, True),
        ({2: 9_000, 1: 10}, 0, True),
        # A server that allots nothing.
        ({2: 400_000, 1: 172_800}, None, False),
    ],
)
def test_the_read_allotment_warns_from_the_second_day(
    warehouse: Warehouse, reads: dict[int, int], transactions: int | None, warns: bool
) -> None:
    warehouse.execute(
        "INSERT INTO stripe_sync.poll_state (sync_id, polled_at, transactions)"
        " SELECT id, now(), %s FROM stripe_sync.syncs",
        [transactions],
    )
    for days, count in reads.items():
        warehouse.execute(
            "INSERT INTO stripe_sync.stripe_reads (account_key, day, reads)"
            " SELECT account_id || ':test', (now() at time zone 'UTC')::date - %s::int, %s"
            " FROM stripe_sync.syncs",
            [days, count],
        )
    [row] = warehouse.execute("SELECT warning FROM stripe.poll_status").fetchall()
    assert ("allots" in (row["warning"] or "")) is warns, row


def test_views_under_the_names_of_other_connectors_are_off_by_default(
    warehouse: Warehouse,
) -> None:
    found = warehouse.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname ~ '_(fivetran|sync_engine)'"
    ).fetchall()
    assert found == []


def test_every_view_and_column_has_a_comment(warehouse: Warehouse) -> None:
    rows = warehouse.execute(
        """
        SELECT views.relname AS view, columns.attname AS column
        FROM pg_class AS views
        JOIN pg_attribute AS columns ON columns.attrelid = views.oid AND columns.attnum > 0
        WHERE views.relnamespace = 'stripe'::regnamespace
            AND (coalesce(obj_description(views.oid, 'pg_class'), '') = ''
                OR coalesce(col_description(views.oid, columns.attnum), '') = '')
        """
    ).fetchall()
    assert rows == []


def test_the_tests_pass_on_a_consistent_account(project: Any) -> None:
    summary = (project.output / "test.log").read_text().strip().splitlines()[-1]
    assert "WARN=0 ERROR=0 SKIP=0" in summary


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE stripe_raw.records SET payload = '{}' WHERE upstream_id = 'cus_1'",
        "UPDATE stripe_raw.records SET seq = seq + 100 WHERE upstream_id = 'cus_1'",
        "UPDATE stripe_raw.records SET deleted = false WHERE upstream_id = 'cus_gone'",
        "DELETE FROM stripe_raw.records WHERE upstream_id = 'cus_1'",
        "DELETE FROM stripe_raw.events WHERE upstream_id = 'cus_1'",
    ],
)
def test_records_that_disagree_with_their_events_are_found(
    project: Any, warehouse: Warehouse, damage: str
) -> None:
    check = project.compiled_test("records_agree_with_events")
    assert warehouse.execute(check).fetchall() == []
    warehouse.execute(damage)
    assert len(warehouse.execute(check).fetchall()) == 1


def test_a_reference_to_an_object_that_is_missing_is_found(
    project: Any, warehouse: Warehouse
) -> None:
    check = project.compiled_test("customer_of_charges")
    assert warehouse.execute(check).fetchall() == []
    warehouse.execute("DELETE FROM stripe_raw.records WHERE upstream_id = 'cus_1'")
    (row,) = warehouse.execute(check).fetchall()
    assert (row["id"], row["missing"]) == ("ch_1", "cus_1")


def test_a_reference_into_a_forbidden_collection_is_no_fault(
    project: Any, warehouse: Warehouse
) -> None:
    check = project.compiled_test("payment_intent_of_charges")
    assert warehouse.execute(check).fetchall() == []


def test_two_objects_with_one_key_are_found(project: Any, warehouse: Warehouse) -> None:
    check = project.compiled_test("key_of_capabilities")
    assert warehouse.execute(check).fetchall() == []
    warehouse.execute(
        """
        INSERT INTO stripe_raw.records
        SELECT (jsonb_populate_record(r, jsonb_build_object(
            'collection_id', 'stripe:capability',
            'upstream_id', doubled,
            'payload', '{"id": "card_payments", "account": "acct_1"}'::jsonb))).*
        FROM stripe_raw.records AS r, unnest(ARRAY['one', 'two']) AS doubled
        WHERE r.upstream_id = 'cus_1'
        """
    )
    assert [row["objects"] for row in warehouse.execute(check)] == [2]


def test_the_docs_describe_every_column_that_the_warehouse_has(project: Any) -> None:
    project.dbt("docs", "generate", "--no-compile")
    catalog = canonical_json.loads((project.output / "catalog.json").read_bytes())
    manifest = canonical_json.loads((project.output / "manifest.json").read_bytes())
    models = {name for name in catalog["nodes"] if name.startswith("model.")}
    assert models == {name for name in manifest["nodes"] if name.startswith("model.")}
    for name in models:
        described = manifest["nodes"][name]["columns"]
        for column in catalog["nodes"][name]["columns"]:
            assert described[column]["description"], f"{name}.{column}"


def test_a_rebuild_keeps_what_users_made_of_the_views(project: Any) -> None:
    with psycopg.connect(project.url, autocommit=True) as connection:
        connection.execute("CREATE VIEW public.names AS SELECT name FROM stripe.customers")
        connection.execute("GRANT SELECT ON stripe.customers TO public")
        connection.execute("ALTER VIEW stripe.coupons RENAME COLUMN valid TO outdated")
        project.dbt("run", "--select", "customers", "coupons")
        names = connection.execute("SELECT count(*) FROM public.names").fetchone()
        granted = connection.execute(
            "SELECT count(*) FROM information_schema.role_table_grants"
            " WHERE table_schema = 'stripe' AND table_name = 'customers' AND grantee = 'PUBLIC'"
        ).fetchone()
        valid = connection.execute("SELECT valid FROM stripe.coupons").fetchall()
    assert names == (3,)
    assert granted == (1,)
    assert valid == [(None,)]


def columns_of(warehouse: Warehouse, view: str) -> list[tuple[str, str]]:
    """Names and types of a view's columns, in order."""
    rows = warehouse.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'stripe' AND table_name = %s ORDER BY ordinal_position",
        [view],
    )
    return [(row["column_name"], row["data_type"]) for row in rows]
