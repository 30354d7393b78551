"""A warehouse with nasty rows in it, and the dbt project built on top."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy.engine import make_url

from databases import dump, new_database, restore
from dbt.dbt_commands import DbtCommands, dbt_commands
from shop import CATALOG, BackfilledShop, Shop
from stripe_sync.catalog import Retrieval
from stripe_sync.records import Batch, Source, ids
from stripe_sync.sync.session import open_session
from sync_harness import SYNC as SHOP_SYNC

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
SYNC = ids.sync_id("main")
RESOURCE = ids.resource_id("acct_1", livemode=False)
MOMENT = datetime(2026, 11, 2, 12, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Project:
    """The dbt project, and the warehouse that it is built in."""

    url: str
    output: Path
    commands: DbtCommands

    def dump_views(self) -> None:
        """Keep the views as they are now, for :meth:`copy_views`."""
        dump(self.url, self.output / "views.sql", "--schema=stripe")

    def copy_views(self, url: str) -> None:
        """Create the kept views in another warehouse.

        To build them there takes 30 s of CPU time: dbt parses everything again for another
        database.
        """
        restore(self.output / "views.sql", url)

    def dbt(self, *arguments: str, schema: str = "stripe", fails: bool = False) -> str:
        """Run dbt as a user would; its output, when it succeeded or failed as expected."""
        # dbt parses everything again in a folder that was used with another schema.
        output = self.output if schema == "stripe" else self.output / schema
        code, printed = self.commands.run(
            [
                *arguments,
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", str(output), "--log-path", str(output)),
            ],
            self.environment(schema),
        )
        assert (code != 0) is fails, printed
        return printed

    def environment(self, schema: str) -> dict[str, str]:
        """The environment that dbt's profile reads."""
        parsed = make_url(self.url)
        socket_folder = parsed.query.get("host")
        return os.environ | {
            "STRIPE_DBT_HOST": str(socket_folder or parsed.host),
            "STRIPE_DBT_PORT": str(parsed.port or 5432),
            "STRIPE_DBT_USER": parsed.username or "postgres",
            "STRIPE_DBT_PASSWORD": parsed.password or "",
            "STRIPE_DBT_DBNAME": parsed.database or "",
            "STRIPE_VIEWS_SCHEMA": schema,
        }

    def build_statement(self, view: str) -> str:
        """The statement by which dbt builds a view."""
        (file,) = self.output.glob(f"run/**/{view}.sql")
        return file.read_text()

    def compiled_test(self, name: str) -> str:
        """The SQL of a test, which returns what is wrong."""
        (file,) = self.output.glob(f"compiled/**/{name}.sql")
        return file.read_text()


@pytest.fixture(scope="session")
def project(
    postgres_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The project, built while nothing had been synced; rows came afterwards, then its tests."""
    folder = tmp_path_factory.mktemp("dbt")
    with (
        new_database(postgres_url, like=migrated) as url,
        dbt_commands(tmp_path_factory.mktemp("commands")) as commands,
    ):
        built = Project(url, folder, commands)
        built.dbt("run")
        built.dump_views()
        with psycopg.connect(url) as connection:
            fill(connection)
        (built.output / "test.log").write_text(built.dbt("test"))
        yield built


@pytest.fixture(scope="session")
def shop_project(
    project: Project, backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The demo's shop with the views on top; to be copied, so nothing may change it."""
    folder = tmp_path_factory.mktemp("views")
    with backfilled.copy(folder) as shop:
        asyncio.run(keep_what_only_creations_show(shop))
        asyncio.run(change_a_price(shop))
        url = shop.harness.connections.warehouse_url
        project.copy_views(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        yield replace(project, url=url, output=folder / "dbt")


async def keep_what_only_creations_show(shop: Shop) -> None:
    """Store what enters the streams through mutations."""
    async with open_session(shop.harness.connections, SHOP_SYNC) as session:
        observations = [
            session.normalizer(row).normalize(obj, observed_at=session.clock.now())
            for row in CATALOG.values()
            if row.retrieval is Retrieval.CREATE_ONLY
            for obj in shop.objects(row.object)
        ]
        sync = session.sync
        writer = session.warehouse.writer()
        writer.load(Batch(sync.id, sync.resource_id, Source.MUTATION, observations))
        writer.close()


async def change_a_price(shop: Shop) -> None:
    """Store another price of a subscription's item, and the subscription with it."""
    async with open_session(shop.harness.connections, SHOP_SYNC) as session:
        item, *_ = shop.objects("subscription_item")
        price = next(p for p in shop.objects("price") if p["id"] != item["price"]["id"])
        changed = {**item, "price": price}
        [subscription] = [
            each for each in shop.objects("subscription") if each["id"] == item["subscription"]
        ]
        others = [each for each in subscription["items"]["data"] if each["id"] != item["id"]]
        items = {**subscription["items"], "data": [changed, *others]}
        observations = [
            session.normalizer(CATALOG.resolve(kind)).normalize(
                obj, observed_at=session.clock.now()
            )
            for kind, obj in (
                ("subscription_item", changed),
                ("subscription", {**subscription, "items": items}),
            )
        ]
        with session.warehouse.writer() as writer:
            sync = session.sync
            writer.load(Batch(sync.id, sync.resource_id, Source.POLL, observations))


@pytest.fixture
def warehouse(project: Project) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection whose changes are taken back afterwards."""
    with psycopg.connect(project.url, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def fetch_one(
    warehouse: psycopg.Connection[dict[str, Any]],
) -> Callable[[str, str], dict[str, Any]]:
    """Reads an object out of a view."""

    def fetch(view: str, upstream_id: str) -> dict[str, Any]:
        query = f'SELECT * FROM stripe."{view}" WHERE id = %s'
        row = warehouse.execute(query, [upstream_id]).fetchone()
        assert row is not None
        return row

    return fetch


@pytest.fixture
def store_one(
    warehouse: psycopg.Connection[dict[str, Any]],
) -> Callable[[str, dict[str, Any]], None]:
    """Stores an object, until the changes are taken back."""
    return partial(store, warehouse, 10_000)


def store(
    connection: psycopg.Connection[Any],
    seq: int,
    collection_id: str,
    payload: dict[str, Any],
    *,
    deleted: bool = False,
) -> None:
    """Insert a record and the event that made it."""
    key = {
        "id": ids.record_id(SYNC, collection_id, payload["id"]),
        "event_id": UUID(int=seq),
        "sync_id": SYNC,
        "resource_id": RESOURCE,
        "collection_id": collection_id,
        "upstream_id": payload["id"],
        "payload": Jsonb(payload),
        "deleted": deleted,
        "event_type": "deleted" if deleted else "created",
        "moment": MOMENT,
        "seq": seq,
    }
    connection.execute(
        """
        INSERT INTO stripe_raw.records (id, sync_id, resource_id, collection_id, upstream_id,
            deleted, payload, payload_hash, inserted_at, updated_at, upstream_updated_at,
            updated_idx, seq, observed_at, api_version)
        VALUES (%(id)s, %(sync_id)s, %(resource_id)s, %(collection_id)s, %(upstream_id)s,
            %(deleted)s, %(payload)s, 'hash', %(moment)s, %(moment)s, %(moment)s,
            1, %(seq)s, %(moment)s, '2026-10-28.endive')
        """,
        key,
    )
    connection.execute(
        """
        INSERT INTO stripe_raw.events (id, sync_id, resource_id, collection_id, upstream_id,
            event_type, data, created_at, upstream_updated_at, seq, source, api_version)
        VALUES (%(event_id)s, %(sync_id)s, %(resource_id)s, %(collection_id)s, %(upstream_id)s,
            %(event_type)s, %(payload)s, %(moment)s, %(moment)s, %(seq)s, 'backfill',
            '2026-10-28.endive')
        """,
        key,
    )


def fill(connection: psycopg.Connection[Any]) -> None:
    """A small account with everything that may go wrong in it."""
    connection.execute(
        "INSERT INTO stripe_sync.syncs (id, name, resource_id, account_id, livemode, api_version)"
        " VALUES (%s, 'main', %s, 'acct_1', false, '2026-10-28.endive')",
        [SYNC, RESOURCE],
    )
    connection.execute(
        "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status, permission)"
        " VALUES (%(sync)s, 'stripe:customer', 'done', null),"
        " (%(sync)s, 'stripe:payment_intent', 'forbidden', 'rak_payment_intent_read')",
        {"sync": SYNC},
    )
    for seq, (collection_id, payload) in enumerate(OBJECTS, start=1):
        store(connection, seq, collection_id, payload, deleted=payload["id"] == "cus_gone")


OBJECTS: list[tuple[str, dict[str, Any]]] = [
    (
        "stripe:customer",
        {
            "id": "cus_1",
            "object": "customer",
            "balance": -4200,
            "created": 1707193751,
            "delinquent": False,
            "email": None,
            "name": 'Žofie 🦊 O\'Neil \\ "quoted"',
            "metadata": {"a.key": "with dots", "": "empty"},
            "address": None,
            "preferred_locales": [],
        },
    ),
    ("stripe:customer", {"id": "cus_gone", "object": "customer", "name": "Gone", "created": 1}),
    (
        "stripe:customer",
        {
            "id": "cus_odd",
            "object": "customer",
            "balance": "1000",
            "created": "yesterday",
            "delinquent": "no",
            "email": {"not": "a text"},
            "metadata": None,
        },
    ),
    (
        "stripe:charge",
        {
            "id": "ch_1",
            "object": "charge",
            "amount": 9007199254740993,
            "amount_refunded": 10.5,
            "amount_captured": 1e30,
            "created": 253402300800,
            "currency": "usd",
            "customer": {"id": "cus_1", "object": "customer", "name": "Whole"},
            "payment_intent": "pi_never_synced",
            "captured": True,
        },
    ),
    (
        "stripe:price",
        {
            "id": "price_1",
            "object": "price",
            "unit_amount": None,
            "unit_amount_decimal": "0.000000000001",
            "product": "prod_1",
        },
    ),
    ("stripe:price", {"id": "price_2", "object": "price", "unit_amount_decimal": "free"}),
    ("stripe:coupon", {"id": "odd id with spaces", "object": "coupon", "percent_off": 12.5}),
    ("stripe:discount", {"id": "di_1", "object": "discount", "start": 1707193751, "end": None}),
    ("stripe:order", {"id": "or_1", "object": "order", "amount": 1500, "items": [{"amount": 1}]}),
]
