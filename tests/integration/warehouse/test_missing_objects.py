"""Records are searched for missing objects by stream position."""

from __future__ import annotations

import sqlalchemy as sa

from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.references import References
from stripe_sync.warehouse import BatchWriter, Warehouse
from stripe_sync.warehouse.state.missing_objects import naming_query
from unit.records.changes.observations import SYNC, batch, observation

CHARGE = "stripe:charge"
FIELDS = References(load_catalog()).fields(list(load_catalog()))


def load(writer: BatchWriter, *numbers: int, when: float = 0) -> None:
    writer.load(
        batch(
            *(
                observation(
                    {"customer": f"cus_{n}", "amount": n + when, "invoice": None},
                    upstream_id=f"ch_{n}",
                    collection_id=CHARGE,
                    when=when,
                )
                for n in numbers
            )
        )
    )


def test_each_position_is_searched_once_for_the_fields_that_may_name_objects(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    load(writer, *range(10))
    load(writer, 3, when=1)
    end = warehouse.missing.last_seq(SYNC)
    found = []
    for after in range(0, end, 4):
        found += warehouse.missing.naming_records(SYNC, FIELDS, after=after, until=after + 4)
    order = [0, 1, 2, 4, 5, 6, 7, 8, 9, 3]
    assert [(each.collection_id, each.upstream_id, each.payload) for each in found] == [
        (CHARGE, f"ch_{n}", {"customer": f"cus_{n}"}) for n in order
    ]
    assert not warehouse.missing.naming_records(SYNC, {}, after=0, until=end)


def test_a_search_reads_only_its_positions_of_a_table_that_was_never_analyzed(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    load(writer, *range(3_000))
    values = {"sync_id": SYNC, "after": 1_000, "until": 1_100, "hosts": list(FIELDS)}
    explain = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {naming_query(FIELDS)}")
    with warehouse.engine.connect() as connection:
        [[[plan]]] = connection.execute(explain, values)
    scans = [each for each in nodes(plan["Plan"]) if "Relation Name" in each]
    assert [each["Actual Rows"] for each in scans] == [100]
    assert not any(each.get("Rows Removed by Filter") for each in scans)


def nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    """A node of a plan and all below it."""
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return [plan, *(found for each in below for found in nodes(each))]
