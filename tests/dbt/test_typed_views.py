"""Values that come out of the typed views."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from stripe_stack.generate.project import Places
from stripe_stack.generate.views.sql_names import RESERVED
from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import FieldKind, read_fields

pytestmark = pytest.mark.dbt

Fetch = Callable[[str, str], dict[str, Any]]
NUMBERS = {FieldKind.INTEGER, FieldKind.DECIMAL, FieldKind.BOOLEAN, FieldKind.TIMESTAMP}
Warehouse = psycopg.Connection[dict[str, Any]]


def test_there_is_a_view_for_every_collection(warehouse: Warehouse) -> None:
    rows = warehouse.execute("SELECT viewname FROM pg_views WHERE schemaname = 'stripe'")
    expected = {collection.view for collection in load_catalog().values()}
    history = {f"{view}_history" for view in expected}
    assert {row["viewname"] for row in rows} == expected | history | {
        "records",
        "events",
        "sync_status",
        "poll_status",
        "consumer_status",
    }


def test_values_come_with_their_types(fetch_one: Fetch) -> None:
    customer = fetch_one("customers", "cus_1")
    assert customer["balance"] == -4200
    assert customer["delinquent"] is False
    assert customer["name"] == 'Žofie 🦊 O\'Neil \\ "quoted"'
    assert customer["metadata"] == {"a.key": "with dots", "": "empty"}
    assert customer["preferred_locales"] == []
    assert customer["email"] is None
    assert customer["address"] is None


def test_a_moment_is_there_raw_and_as_timestamp(fetch_one: Fetch) -> None:
    customer = fetch_one("customers", "cus_1")
    assert customer["created"] == 1707193751
    assert customer["created_ts"] == datetime(2024, 2, 6, 4, 29, 11, tzinfo=UTC)


def test_a_reserved_word_is_a_column_like_any_other(fetch_one: Fetch) -> None:
    discount = fetch_one("discounts", "di_1")
    assert discount["end"] is None
    assert discount["start_ts"] == datetime(2024, 2, 6, 4, 29, 11, tzinfo=UTC)


def test_a_value_of_the_wrong_type_is_null_and_spoils_nothing_else(fetch_one: Fetch) -> None:
    odd = fetch_one("customers", "cus_odd")
    for column in ("balance", "created", "created_ts", "delinquent", "metadata"):
        assert odd[column] is None, column
    assert odd["email"] == '{"not": "a text"}'


def test_whole_numbers_are_exact_or_null_never_rounded(fetch_one: Fetch) -> None:
    charge = fetch_one("charges", "ch_1")
    assert charge["amount"] == 9007199254740993
    assert charge["amount_refunded"] is None
    assert charge["amount_captured"] is None


HASH = "hmac-sha256:" + 64 * "0"


@pytest.mark.parametrize("value", ["[redacted]", HASH, {}, [], "missing"])
def test_redacted_hashed_and_missing_values_spoil_no_view(
    warehouse: Warehouse, store_one: Callable[[str, dict[str, Any]], None], value: Any
) -> None:
    fields = read_fields(Places.of_checkout().fields)
    for collection in load_catalog().values():
        names = () if value == "missing" else fields[collection.id]
        payload = dict.fromkeys(names, value) | {"id": "odd_1"}
        store_one(collection.id, payload)
        query = f'SELECT * FROM stripe."{collection.view}" WHERE id = %s'
        [row] = warehouse.execute(query, ["odd_1"]).fetchall()
        for name in names:
            field = fields[collection.id][name]
            if name == "deleted" or field.equals is not None:
                assert row[name] is False, (collection.id, name)
            elif field.kind in NUMBERS and name != "id":
                assert row[name] is None, (collection.id, name)
        warehouse.rollback()


def test_a_moment_beyond_the_year_9999_is_null_as_timestamp(fetch_one: Fetch) -> None:
    charge = fetch_one("charges", "ch_1")
    assert charge["created"] == 253402300800
    assert charge["created_ts"] is None


def test_a_reference_is_an_id_whether_expanded_or_not(fetch_one: Fetch) -> None:
    charge = fetch_one("charges", "ch_1")
    assert charge["customer"] == "cus_1"
    assert charge["payment_intent"] == "pi_never_synced"


def test_decimals_keep_every_digit(fetch_one: Fetch) -> None:
    assert fetch_one("prices", "price_1")["unit_amount_decimal"] == Decimal("0.000000000001")
    assert fetch_one("prices", "price_2")["unit_amount_decimal"] is None
    assert fetch_one("coupons", "odd id with spaces")["percent_off"] == Decimal("12.5")


def test_an_object_that_stripe_no_longer_knows_has_a_typed_view_too(fetch_one: Fetch) -> None:
    order = fetch_one("orders", "or_1")
    assert order["amount"] == 1500
    assert order["items"] == [{"amount": 1}]


def test_a_deleted_object_stays_with_its_last_state(fetch_one: Fetch) -> None:
    gone = fetch_one("customers", "cus_gone")
    assert gone["_deleted"] is True
    assert gone["name"] == "Gone"
    assert fetch_one("customers", "cus_1")["_deleted"] is False


def test_reserved_words_are_those_of_the_server(warehouse: Warehouse) -> None:
    rows = warehouse.execute("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
    assert {row["word"] for row in rows} <= RESERVED
