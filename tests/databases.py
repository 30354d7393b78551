"""Databases for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import psycopg


def database_url(server_url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(server_url)
    if not parts.netloc or "host" in parse_qs(parts.query):
        return f"postgresql://{parts.netloc}/{name}?{parts.query}"
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextmanager
def new_database(server_url: str, like: str | None = None) -> Iterator[str]:
    """A fresh database for as long as the block lasts, empty or like another as it is now."""
    template = urlsplit(like).path.lstrip("/") if like else "template1"
    name = f"wh_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        # Files are copied in half the CPU time of blocks, which the server would log one by one.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    yield database_url(server_url, name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
