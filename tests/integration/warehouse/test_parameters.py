"""The parameters of the warehouse's URL reach every client alike."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from stripe_stack.database.pgserver import get_server
from stripe_sync.libpq import connection_parameters, environment
from stripe_sync.warehouse.connect import create_engine, open_connection

SHOW = "SELECT current_setting('work_mem'), current_setting('application_name')"
GIVEN = ("12345kB", "billing & co")


@pytest.fixture
def url(empty_database_url: str) -> str:
    return (
        f"{empty_database_url}&options=-c%20work_mem%3D12345kB&application_name=billing%20%26%20co"
    )


def test_the_engine_gets_them(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        assert tuple(connection.execute(sa.text(SHOW)).one()) == GIVEN
    engine.dispose()


def test_the_driver_gets_them(url: str) -> None:
    with open_connection(url) as connection:
        assert connection.execute(SHOW).fetchone() == GIVEN


def test_the_driver_of_dbt_gets_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with environment(connection_parameters(url)) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        connection = psycopg2.connect("")
    with connection.cursor() as cursor:
        cursor.execute(SHOW)
        assert cursor.fetchone() == GIVEN
    connection.close()


def test_psql_gets_them(url: str, tmp_path: Path) -> None:
    psql = get_server(tmp_path, cleanup_mode=None, start=False).bin_path / "psql"
    with environment(connection_parameters(url)) as variables:
        done = subprocess.run(
            [str(psql), "--no-psqlrc", "--tuples-only", "--no-align", "--command", SHOW],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.strip() == "|".join(GIVEN)
