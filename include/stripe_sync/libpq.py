"""The warehouse's URL as parameters of libpq: every client of the warehouse gets the same ones."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from stripe_sync.errors import ConfigurationError

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_FORM = (
    "the warehouse URL must look like postgresql://user:password@host:5432/database "
    "(with %-escapes for special characters of the user and the password)"
)
_USER, _PASSWORD, _DATABASE = "user", "password", "dbname"
_SERVICE = "stripe_warehouse"

_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)

# libpq reads ssl=true, as JDBC writes it, as sslmode=require.
_ALSO_IN_URLS = "ssl"

_PORT = "5432"
_CONNECT_SECONDS = "10"
_LOST_MILLISECONDS = 30_000
_APPLICATION_NAME = "stripe_sync"
_PREPARE_THRESHOLD = 5  # the driver's default


def connection_parameters(url: str) -> dict[str, str]:
    """Parse and check the warehouse's URL.

    Args:
        url: ``postgresql://user:password@host:port/database?sslmode=require``, or
            ``?host=/socket/folder``; the query has parameters of libpq.

    Returns:
        The parameters by libpq's names (``host``, ``dbname``, ``sslmode``, ...).

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or a parameter is unknown or has a
            value that not every client of the warehouse accepts. The message repeats no value that
            may be secret.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ConfigurationError(_FORM)
    query = rest.partition("?")[2].split("&")
    _check_names(unquote(pair.partition("=")[0]) for pair in query if pair)
    try:
        parameters = {
            name: str(value) for name, value in conninfo_to_dict(f"postgresql://{rest}").items()
        }
    except psycopg.Error:
        # Raised without its cause, which may repeat the password.
        parameters = None
    if parameters is None:
        raise ConfigurationError(_FORM)
    _check_values(parameters)
    return parameters


def connect_arguments(url: str) -> dict[str, Any]:
    """The arguments with which psycopg connects to the warehouse.

    Args:
        url: The warehouse's URL.

    Returns:
        Its parameters, and defaults for those that neither it nor the environment sets. No
        statement is prepared until ``keep_session`` has found that this is safe.

    Raises:
        ConfigurationError: As ``connection_parameters``.
    """
    defaults: dict[str, Any] = {
        "fallback_application_name": _APPLICATION_NAME,
        "client_encoding": "UTF8",
        "prepare_threshold": None,
    }
    # When the server's host is lost, a connection fails within these times instead of after a
    # quarter of an hour.
    defaults["tcp_user_timeout"] = _LOST_MILLISECONDS
    if "PGCONNECT_TIMEOUT" not in os.environ:
        defaults["connect_timeout"] = _CONNECT_SECONDS
    return defaults | connection_parameters(url)


BACKEND_PID = "SELECT pg_backend_pid()"

ISO_DATES = "SET DateStyle = 'ISO, MDY'"
"""For a session whose times are loaded: a role or database may have another style, of which the
driver reads none."""


def keep_session(connection: psycopg.BaseConnection[Any], backend_pid: int) -> bool:
    """Find out whether a new connection has a session of the server for itself.

    Only then statements are prepared from now on.

    Args:
        connection: The connection.
        backend_pid: What the server answers to ``BACKEND_PID``: a pooler gives its clients process
            ids of its own.
    """
    if connection.info.backend_pid == backend_pid:
        connection.prepare_threshold = _PREPARE_THRESHOLD
    return keeps_session(connection)


def keeps_session(connection: psycopg.BaseConnection[Any]) -> bool:
    """What ``keep_session`` has found out."""
    return connection.prepare_threshold is not None


def render_warehouse_url(parameters: Mapping[str, str]) -> str:
    """The warehouse's URL from parameters of libpq.

    Args:
        parameters: By libpq's names.

    Raises:
        ConfigurationError: A parameter is unknown, or has a value that not every client of the
            warehouse accepts.

    Example:
        >>> from stripe_sync import render_warehouse_url
        >>> render_warehouse_url({"host": "db", "dbname": "wh", "sslmode": "require"})
        'postgresql://db/wh?sslmode=require'
    """
    _check_names(parameters)
    _check_values(dict(parameters))
    rest = dict(parameters)
    user, password = rest.pop(_USER, ""), rest.pop(_PASSWORD, "")
    host, port = rest.get("host", ""), rest.pop("port", "")
    # A folder, or several hosts, are no host part of a URL.
    if host and not {"/", ","} & set(host):
        del rest["host"]
    else:
        host = ""
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    credentials += "@" if credentials else ""
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    database = quote(rest.pop(_DATABASE, ""), safe="")
    # libpq does not read "+" as a space.
    query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
    return f"postgresql://{credentials}{place}/{database}{query}"


def describe(parameters: Mapping[str, str]) -> str:
    """The address without user and password, for messages."""
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    return f"{host}:{parameters.get('port', _PORT)}/{parameters.get(_DATABASE, '')}"


@contextmanager
def environment(parameters: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Environment variables with which any program on libpq connects with these parameters.

    All but the password are in a service file that exists until the block is left and that only
    this user may read: libpq has no variables for some parameters.
    """
    rest = dict(parameters)
    variables = {"PGPASSWORD": rest.pop(_PASSWORD)} if _PASSWORD in rest else {}
    with tempfile.TemporaryDirectory(prefix="stripe-warehouse-") as folder:
        if rest:
            file = Path(folder) / "pg_service.conf"
            lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in rest.items()), ""]
            file.write_text("\n".join(lines), encoding="utf-8")
            variables |= {"PGSERVICEFILE": str(file), "PGSERVICE": _SERVICE}
        yield variables


def defaults() -> dict[str, str]:
    """The defaults of libpq, which its environment variables (PGHOST, ...) may set."""
    options = psycopg.pq.Conninfo.get_defaults()
    return {option.keyword.decode(): option.val.decode() for option in options if option.val}


@cache
def _keywords() -> tuple[str, ...]:
    return tuple(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            # It may be the rest of a password with a "?" that is not escaped.
            raise ConfigurationError(_FORM)
        if name not in _keywords() and name != _ALSO_IN_URLS:
            similar = get_close_matches(name, _keywords(), n=1)
            hint = f" (did you mean {similar[0]!r}?)" if similar else ""
            msg = (
                f"{name!r}{hint} is not a connection parameter of PostgreSQL's client library; "
                "remove it from the warehouse's URL or connection"
            )
            raise ConfigurationError(msg)


def _check_values(parameters: dict[str, str]) -> None:
    if "service" in parameters:
        msg = "the warehouse's URL must name host and database itself, not a 'service' of libpq"
        raise ConfigurationError(msg)
    if "port" in parameters:
        # libpq writes a port for each host; dbt knows a single one.
        ports = {port or _PORT for port in parameters["port"].split(",")}
        parameters["port"] = ports.pop() if len(ports) == 1 else "several"
    for name in ("connect_timeout", "port"):
        if not re.fullmatch(r"[0-9]+", parameters.get(name, _PORT)):
            msg = (
                f"parameter {name!r} of the warehouse must be a single whole number "
                "(a '/' in the password is written %2F)"
            )
            raise ConfigurationError(msg)
    if parameters.get("client_encoding", "UTF8").replace("-", "").upper() != "UTF8":
        msg = "parameter 'client_encoding' of the warehouse must be UTF8, or absent"
        raise ConfigurationError(msg)
    for name, value in parameters.items():
        if any(character in value for character in "\r\n\0"):
            msg = f"parameter {name!r} of the warehouse must be one line"
            raise ConfigurationError(msg)
