"""Databases for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from counts import wrong_counts
from stripe_stack.database.pgserver import PROGRAMS


def database_url(server_url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(server_url)
    if not parts.netloc or "host" in parse_qs(parts.query):
        return f"postgresql://{parts.netloc}/{name}?{parts.query}"
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextmanager
def new_database(server_url: str, like: str | None = None) -> Iterator[str]:
    """A fresh database for as long as the block lasts, empty or like another as it is now.

    If it is a warehouse and the block raises no error, its counts must equal its rows in the end,
    whatever wrote them.
    """
    template = urlsplit(like).path.lstrip("/") if like else "template1"
    name = f"wh_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        # Files are copied in half the CPU time of blocks, which the server would log one by one.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    url = database_url(server_url, name)
    yield url
    assert wrong_counts(url) == []
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def dump(url: str, file: Path, *options: str) -> None:
    """Write a database to a file of SQL."""
    subprocess.run(
        [PROGRAMS / "pg_dump", "--no-owner", f"--file={file}", *options, url], check=True
    )


def restore(file: Path, url: str) -> None:
    """Make in a database what :func:`dump` wrote to a file."""
    options = ["--quiet", "--set=ON_ERROR_STOP=1", f"--file={file}", f"--dbname={url}"]
    subprocess.run([PROGRAMS / "psql", *options], check=True, stdout=subprocess.DEVNULL)
