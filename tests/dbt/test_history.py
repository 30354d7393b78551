"""All versions of an object, and the records as they were at a moment."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from dbt.conftest import MOMENT, RESOURCE, SYNC, store

pytestmark = pytest.mark.dbt

Warehouse = psycopg.Connection[dict[str, Any]]
FIRST_SEQ = 20_000


def add_version(warehouse: Warehouse, seq: int, event: tuple[str, str, str, datetime]) -> None:
    upstream_id, kind, name, moment = event
    warehouse.execute(
        """
        INSERT INTO stripe_raw.events (id, sync_id, resource_id, collection_id, upstream_id,
            event_type, data, created_at, upstream_updated_at, seq, source, api_version)
        VALUES (%s, %s, %s, 'stripe:customer', %s, %s, %s, %s, %s, %s, 'poll', '2026')
        """,
        [
            uuid4(),
            SYNC,
            RESOURCE,
            upstream_id,
            kind,
            Jsonb({"id": upstream_id, "object": "customer", "name": name}),
            moment + timedelta(days=1),
            moment,
            seq,
        ],
    )


def write_random_life(warehouse: Warehouse, seed: int) -> list[tuple[str, str, str, datetime]]:
    """Change events of three customers, some within the same second; oldest first."""
    chance = random.Random(seed)
    events, moment = [], MOMENT
    alive: dict[str, bool] = {}
    for number in range(40):
        upstream_id = f"cus_h{chance.randrange(3)}"
        moment += timedelta(seconds=chance.choice([0, 0, 1, 60]))
        if not alive.get(upstream_id):
            kind = "created"
        else:
            kind = chance.choice(["updated", "updated", "updated", "deleted"])
        if upstream_id not in alive:
            store(warehouse, 10_000 + number, "stripe:customer", {"id": upstream_id})
            warehouse.execute("DELETE FROM stripe_raw.events WHERE seq = %s", [10_000 + number])
        alive[upstream_id] = kind != "deleted"
        events.append((upstream_id, kind, f"v{number}", moment))
        add_version(warehouse, FIRST_SEQ + number, events[-1])
    return events


def fold(
    events: list[tuple[str, str, str, datetime]], until: datetime
) -> dict[str, tuple[str, bool]]:
    return {
        upstream_id: (name, kind == "deleted")
        for upstream_id, kind, name, moment in events
        if moment <= until
    }


@pytest.mark.parametrize("seed", range(5))
def test_history_and_as_of_are_the_fold_of_the_change_events(
    warehouse: Warehouse, seed: int
) -> None:
    events = write_random_life(warehouse, seed)
    second = timedelta(seconds=1)
    moments = {moment + step for *_, moment in events for step in (-second, 0 * second, second)}
    for moment in sorted(moments):
        records = warehouse.execute(
            "SELECT upstream_id, payload ->> 'name' AS name, deleted FROM stripe.as_of(%s)"
            " WHERE upstream_id LIKE 'cus_h%%'",
            [moment],
        )
        expected = fold(events, moment)
        assert {r["upstream_id"]: (r["name"], r["deleted"]) for r in records} == expected
        versions = warehouse.execute(
            "SELECT id, name, _deleted FROM stripe.customers_history WHERE id LIKE 'cus_h%%'"
            " AND valid_from <= %(at)s AND (valid_to > %(at)s OR valid_to IS NULL)",
            {"at": moment},
        ).fetchall()
        assert {v["id"]: (v["name"], v["_deleted"]) for v in versions} == expected
        assert len(versions) == len(expected)
    newest = warehouse.execute(
        "SELECT id, name FROM stripe.customers_history WHERE is_current AND id LIKE 'cus_h%'"
    )
    assert {row["id"]: row["name"] for row in newest} == {
        upstream_id: name
        for upstream_id, (name, _) in fold(
            events, datetime.max.replace(tzinfo=MOMENT.tzinfo)
        ).items()
    }


@pytest.mark.parametrize(
    ("minor_units", "currency", "amount"),
    [
        (1234, "usd", Decimal("12.34")),
        (1234, "JPY", Decimal(1234)),
        (500, "ugx", Decimal("5.00")),
        (500, "isk", Decimal("5.00")),
        (12340, "kwd", Decimal("12.340")),
        (-5, "eur", Decimal("-0.05")),
        (None, "usd", None),
        (5, None, None),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(
    warehouse: Warehouse, minor_units: int | None, currency: str | None, amount: Decimal | None
) -> None:
    row = warehouse.execute(
        "SELECT stripe.amount(%s::bigint, %s) AS amount", [minor_units, currency]
    ).fetchone()
    assert row is not None
    assert row["amount"] == amount
    assert str(row["amount"]) == str(amount)


def test_a_function_of_others_is_not_replaced(project: Any, warehouse: Warehouse) -> None:
    comment = "SELECT obj_description('stripe.amount(bigint,text)'::regprocedure) AS text"
    ours = warehouse.execute(comment).fetchone()
    assert ours is not None
    warehouse.execute("COMMENT ON FUNCTION stripe.amount IS 'Of another project'")
    warehouse.commit()
    output = project.dbt("run", "--select", "coupons", fails=True)
    assert "stripe.amount(bigint,text) was not made by this project" in output
    warehouse.execute(sql.SQL("COMMENT ON FUNCTION stripe.amount IS {}").format(ours["text"]))
    warehouse.commit()


def test_whoever_may_read_the_views_may_use_all_beside_them(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE ROLE analyst")
    warehouse.execute("GRANT USAGE ON SCHEMA stripe TO analyst")
    warehouse.execute("GRANT SELECT ON ALL TABLES IN SCHEMA stripe TO analyst")
    warehouse.execute("SET LOCAL ROLE analyst")
    for relation in ("customers", "customers_history", "as_of(now())"):
        assert warehouse.execute(f"SELECT * FROM stripe.{relation}").fetchall(), relation
    assert warehouse.execute("SELECT stripe.amount(5, 'usd')").fetchone() == {
        "amount": Decimal("0.05")
    }
