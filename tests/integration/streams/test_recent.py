"""The change events backwards, and records by their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest

from integration.streams.conftest import Streams, customer
from stripe_sync import (
    ConfigurationError,
    RecentPage,
    Selection,
    StreamCursor,
    StreamReader,
    SyncNotFound,
)
from stripe_sync.warehouse import Warehouse

Result = TypeVar("Result")


def asked(
    streams: Streams, question: Callable[[StreamReader], Coroutine[Any, Any, Result]]
) -> Result:
    async def ask() -> Result:
        async with StreamReader(streams.url) as reader:
            return await question(reader)

    return asyncio.run(ask())


def ids_of(page: RecentPage) -> list[str]:
    return [each.item.upstream_id for each in page.events]


def all_pages(streams: Streams, limit: int, **conditions: Any) -> list[list[str]]:
    """Ids of the objects of each page, from the newest page to the oldest."""
    selection = Selection.of("events", **conditions)

    async def ask(reader: StreamReader) -> list[list[str]]:
        pages = [await reader.recent(selection, limit=limit)]
        while pages[-1].before:
            pages.append(await reader.recent(selection, before=pages[-1].before, limit=limit))
        return [ids_of(page) for page in pages]

    return asked(streams, ask)


def test_pages_go_back_to_the_first_change_without_a_gap(streams: Streams) -> None:
    for number in range(1, 8):
        streams.customers(number, sync="south" if number % 3 == 0 else "north")
    newest_first = [f"cus_{number}" for number in range(7, 0, -1)]
    assert [name for page in all_pages(streams, 2) for name in page] == newest_first
    of_one = all_pages(streams, 2, syncs=["north"])
    assert of_one == [["cus_7", "cus_5"], ["cus_4", "cus_2"], ["cus_1"]]


def test_changes_of_one_transaction_are_split_between_pages(streams: Streams) -> None:
    streams.customers(*range(1, 6))
    streams.customers(*range(6, 11), sync="south")
    found = [name for page in all_pages(streams, 3) for name in page]
    assert len(found) == len(set(found)) == 10


def test_rare_changes_are_found_behind_many_others(streams: Streams) -> None:
    streams.write(customer(1, collection="charge"))
    streams.customers(*range(1, 2_500))
    streams.write(customer(2, collection="charge"))
    for conditions in ({}, {"syncs": ["north"]}, {"event_types": ["created"]}):
        pages = all_pages(streams, 10, collections=["charge"], **conditions)
        assert [name for page in pages for name in page] == ["cha_2", "cha_1"]


def test_the_database_may_have_another_style_of_dates(streams: Streams, warehouse_url: str) -> None:
    streams.customers(1)
    name = urlsplit(warehouse_url).path.lstrip("/")
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE \"{name}\" SET DateStyle = 'SQL, DMY'")
    with Warehouse(warehouse_url) as warehouse:
        assert warehouse.syncs.get("north").created_at.tzinfo is not None
    assert all_pages(streams, 10) == [["cus_1"]]


def test_the_changes_of_one_object_have_their_source(streams: Streams) -> None:
    streams.customers(1, 2)
    streams.customers(1, when=1, name="B")
    selection = Selection.of("events", upstream_id="cus_1")
    page = asked(streams, lambda reader: reader.recent(selection, limit=5))
    assert [(each.item.json()["event_type"], each.source) for each in page.events] == [
        ("updated", "poll"),
        ("created", "poll"),
    ]
    assert page.before is None
    assert page.ends.positions == {streams.id("north"): 3, streams.id("south"): 0}


@pytest.mark.parametrize("before", ["", "x", "1_2_3", "-1_" + "0" * 32 + "_20260101T000000.0Z"])
def test_a_wrong_place_is_refused(streams: Streams, before: str) -> None:
    selection = Selection.of("events")
    with pytest.raises(ConfigurationError, match="before"):
        asked(streams, lambda reader: reader.recent(selection, before=before))
    with pytest.raises(SyncNotFound):
        asked(streams, lambda reader: reader.recent(Selection.of("events", syncs=["none"])))


def test_counts_between_two_cursors(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    streams.write(customer(1, collection="charge"))
    streams.customers(4, sync="south")
    end = StreamCursor({streams.id("north"): 4, streams.id("south"): 1})

    def count(after: StreamCursor, **conditions: Any) -> int:
        selection = Selection.of("events", **conditions)
        return asked(streams, lambda reader: reader.count(selection, after, end))

    one = StreamCursor({streams.id("north"): 1})
    assert (count(StreamCursor()), count(one), count(end)) == (5, 4, 0)
    assert count(one, collections=["customer"]) == 3
    assert count(one, upstream_id="cha_1") == 1
    assert count(one, event_types=["deleted"]) == 0


def test_a_record_is_found_by_its_id_alone(streams: Streams) -> None:
    streams.customers(1)
    streams.customers(1, when=1, name="B")
    streams.customers(1, sync="south")
    streams.customers(1, sync="south", when=1, deleted=True)
    found = asked(streams, lambda reader: reader.find("cus_1"))
    assert [(each.sync, each.collection_id, each.deleted) for each in found] == [
        ("north", "stripe:customer", False),
        ("south", "stripe:customer", True),
    ]
    assert asked(streams, lambda reader: reader.find("cus_2")) == []
    with pytest.raises(ConfigurationError):
        asked(streams, lambda reader: reader.find("cus\0"))


def test_a_parent_and_its_children(streams: Streams) -> None:
    from dataclasses import replace

    streams.customers(1, 2)
    streams.write(
        *(
            replace(customer(number, collection="tax_id"), parent_id="cus_1")
            for number in range(1, 5)
        )
    )

    async def related(reader: StreamReader, collection: str, upstream_id: str) -> Any:
        return await reader.related(
            streams.id("north"),
            f"stripe:{collection}",
            upstream_id,
            collections=["stripe:tax_id", "stripe:charge"],
            limit=3,
        )

    of_parent = asked(streams, lambda reader: related(reader, "customer", "cus_1"))
    assert of_parent.parent_id is None
    [(collection, children)] = of_parent.children.items()
    assert (collection, len(children), children[0].sync) == ("stripe:tax_id", 3, "north")
    of_child = asked(streams, lambda reader: related(reader, "tax_id", "tax_1"))
    assert (of_child.parent_id, of_child.children) == ("cus_1", {})
