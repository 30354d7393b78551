"""Missing rights are found at the start and named as the statements that grant them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stripe_sync.client import SharedBudget
from stripe_sync.client.rate_limit.limits import PacingLimits, Priority
from stripe_sync.clock import SystemClock
from stripe_sync.dbt_runner import dbt_command, dbt_environment
from stripe_sync.errors import WarehouseError
from stripe_sync.libpq import connection_parameters, render_warehouse_url
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import RESOURCE, batch, observation

OUTDATED = "UPDATE stripe_sync.sql_functions SET content_hash = 'of another version'"


@dataclass(frozen=True)
class Guest:
    """A role that may connect to a database, and do nothing else there.

    Attributes:
        name: The role.
        owner: A role without rights that may own tables.
        url: The database, as the role.
        admin: A connection of a superuser.
    """

    name: str
    owner: str
    url: str
    admin: psycopg.Connection[Any]

    def refusals(self) -> list[str]:
        """Upgrade, doing what each message says, until it works; returns the statements."""
        statements: list[str] = []
        while True:
            try:
                with Warehouse(self.url) as warehouse:
                    warehouse.upgrade()
            except WarehouseError as refused:
                assert "let an administrator run: " in str(refused)
                for statement in str(refused).partition("run: ")[2].split("; "):
                    assert statement not in statements
                    statements.append(statement)
                    self.admin.execute(statement)
            else:
                return statements

    def works(self) -> None:
        """Do what needs the rights: state, a load, the request budget."""
        with Warehouse(self.url) as warehouse:
            warehouse.syncs.ensure(
                "main", account_id="a", resource_id=RESOURCE, livemode=False, api_version="2026"
            )
            with warehouse.writer() as writer:
                assert writer.load(batch(observation({"n": 1}))).created == 1
        asyncio.run(self._reserve())

    async def _reserve(self) -> None:
        budget = SharedBudget(self.url, SystemClock())
        limits = PacingLimits.for_key(livemode=False)
        await budget.reserve("acct", limits, "GET /v1/events", Priority.LIVE, 1)
        await budget.aclose()


@pytest.fixture
def guest(empty_database_url: str) -> Iterator[Guest]:
    with psycopg.connect(empty_database_url, autocommit=True) as admin:
        name, owner = (f"{kind}_{admin.info.dbname}" for kind in ("guest", "owner"))
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'secret'")
        admin.execute(f"REVOKE ALL ON DATABASE {admin.info.dbname} FROM PUBLIC")
        admin.execute(f"GRANT CONNECT ON DATABASE {admin.info.dbname} TO {name}, {owner}")
        parameters = connection_parameters(empty_database_url)
        url = render_warehouse_url(parameters | {"user": name, "password": "secret"})
        try:
            yield Guest(name, owner, url, admin)
        finally:
            admin.execute(f"DROP OWNED BY {name}, {owner} CASCADE")
            admin.execute(f"DROP ROLE {name}, {owner}")


def test_an_empty_database_needs_temporary_and_create(guest: Guest) -> None:
    database = guest.admin.info.dbname
    assert guest.refusals() == [
        f"GRANT TEMPORARY ON DATABASE {database} TO {guest.name}",
        f"GRANT CREATE ON DATABASE {database} TO {guest.name}",
    ]
    guest.works()


def test_schemas_of_another_role_need_usage_and_create(guest: Guest) -> None:
    guest.admin.execute(f"GRANT TEMPORARY ON DATABASE {guest.admin.info.dbname} TO {guest.name}")
    for schema in ("stripe_sync", "stripe_raw"):
        guest.admin.execute(f"CREATE SCHEMA {schema}")
    assert guest.refusals() == [
        f"GRANT USAGE ON SCHEMA {schema} TO {guest.name}"
        for schema in ("stripe_sync", "stripe_raw")
    ] + [
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {guest.name}"
        for schema in ("stripe_sync", "stripe_raw")
    ]
    guest.works()


def test_tables_of_another_role_need_usage_and_writing(
    guest: Guest, empty_database_url: str
) -> None:
    with Warehouse(empty_database_url) as warehouse:
        warehouse.upgrade()
    statements = guest.refusals()
    assert statements[0] == f"GRANT TEMPORARY ON DATABASE {guest.admin.info.dbname} TO {guest.name}"
    for schema in ("stripe_sync", "stripe_raw"):
        assert f"GRANT USAGE ON SCHEMA {schema} TO {guest.name}" in statements
        assert (
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {guest.name}"
        ) in statements
    assert len(statements) == 5
    guest.works()


def test_an_upgrade_of_anothers_tables_needs_membership_in_its_owner(
    guest: Guest, empty_database_url: str
) -> None:
    database = guest.admin.info.dbname
    guest.admin.execute(f"GRANT TEMPORARY, CREATE ON DATABASE {database} TO {guest.owner}")
    parameters = connection_parameters(guest.url) | {"user": guest.owner}
    with Warehouse(render_warehouse_url(parameters)) as warehouse:
        warehouse.upgrade()
    guest.refusals()
    guest.admin.execute(OUTDATED)
    statements = guest.refusals()
    assert statements[-1] == f"GRANT {guest.owner} TO {guest.name}"
    guest.works()


def test_an_upgrade_of_a_superusers_tables_is_left_to_the_superuser(
    guest: Guest, warehouse: Warehouse, sql: psycopg.Connection[Any], warehouse_url: str
) -> None:
    sql.execute(OUTDATED)
    database = sql.info.dbname
    sql.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {guest.name}")
    for schema in ("stripe_sync", "stripe_raw"):
        sql.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {guest.name}")
        sql.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {guest.name}")
    login = {"user": guest.name, "password": "secret"}
    url = render_warehouse_url(connection_parameters(warehouse_url) | login)
    try:
        with Warehouse(url) as opened, pytest.raises(WarehouseError, match="once, as postgres"):
            opened.upgrade()
    finally:
        sql.execute(f"DROP OWNED BY {guest.name}")


@pytest.mark.parametrize("schema", ["stripe", "stripe_fivetran_main"])
def test_views_need_create(guest: Guest, tmp_path: Path, schema: str) -> None:
    for name in ("stripe", "stripe_fivetran_main"):
        guest.admin.execute(f"CREATE SCHEMA {name}")
        if name != schema:
            guest.admin.execute(f"GRANT USAGE, CREATE ON SCHEMA {name} TO {guest.name}")
    refused = subprocess.run(
        dbt_command(tmp_path, "build"),
        env=dbt_environment(guest.url, tmp_path) | {"STRIPE_COMPAT_FIVETRAN": "main"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"run: GRANT USAGE, CREATE ON SCHEMA {schema} TO {guest.name}" in refused.stderr
    assert "secret" not in refused.stderr


def test_current_tables_without_temporary_are_refused_at_the_start(
    warehouse: Warehouse, warehouse_url: str, guest: Guest, sql: psycopg.Connection[Any]
) -> None:
    database = sql.info.dbname
    sql.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    for schema in ("stripe_sync", "stripe_raw"):
        sql.execute(f"GRANT USAGE ON SCHEMA {schema} TO {guest.name}")
        sql.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {guest.name}")
    login = {"user": guest.name, "password": "secret"}
    url = render_warehouse_url(connection_parameters(warehouse_url) | login)
    try:
        with (
            Warehouse(url) as opened,
            pytest.raises(WarehouseError, match=f"GRANT TEMPORARY ON DATABASE {database}"),
        ):
            opened.upgrade()
    finally:
        sql.execute(f"DROP OWNED BY {guest.name}")
