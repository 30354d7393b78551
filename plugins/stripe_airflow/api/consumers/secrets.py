"""Secrets of webhook consumers: passwords of connections in Airflow's database.

For the API server only: tasks have no access to the database.
"""

from __future__ import annotations

from typing import Any

from airflow.models.connection import Connection
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from stripe_airflow.api.credentials.store import check_encryption
from stripe_airflow.api.errors import ApiError
from stripe_airflow.hooks.overrides import overriding_source
from stripe_airflow.hooks.stored_connections import set_password
from stripe_sync import new_webhook_secret

_MARK = "stripe_consumer"
"""Extra of a connection that was made for a consumer: its name."""

_VALID_SECRETS = 5
"""Signed with: a call that is repeated must not take away the one that the receiver knows, and what
the receiver accepts is its own choice."""


def make_connection(consumer: str) -> tuple[str, str]:
    """Make the connection of a webhook consumer; returns its id and its secret.

    Raises:
        ApiError: 409: there is such a connection, or Airflow would store it as plain text.
    """
    check_encryption()
    conn_id, secret = _conn_id(consumer), new_webhook_secret()
    if overriding_source(conn_id):
        raise _taken(conn_id)
    connection = Connection(
        conn_id=conn_id,
        conn_type="http",
        password=secret,
        description=f"Secret of the webhook consumer {consumer}; its URL is one of its settings",
        extra={_MARK: consumer},
    )
    try:  # only ever an insert: of two requests at once, one makes it and the other gets an error
        with create_session(scoped=False) as session:
            session.add(connection)
    except IntegrityError:
        raise _taken(conn_id) from None
    return conn_id, secret


def delete_connection(consumer: str) -> None:
    """Delete the connection that was made for a consumer, if there is one."""
    with create_session(scoped=False) as session:
        connection = _find(session, _conn_id(consumer))
        if connection is not None and _is_made(connection, consumer):
            session.delete(connection)


def rotate_secret(consumer: str, connection_id: str | None) -> str:
    """Add a new secret to the connection of a consumer; returns it.

    The four before stay valid, so that the receiver can change over.

    Args:
        consumer: Name of the consumer.
        connection_id: Its connection.

    Raises:
        ApiError: 409: its connection was not made with it.
    """
    check_encryption()
    secret = new_webhook_secret()
    with create_session(scoped=False) as session:
        query = _by_id(_conn_id(consumer)).with_for_update()
        connection = session.scalar(query) if connection_id == _conn_id(consumer) else None
        if connection is None or not _is_made(connection, consumer):
            message = (
                f"the connection {connection_id} was not made with the consumer: put the new"
                " secret before the old one in its password, with a space between"
            )
            raise ApiError(409, "connection_conflict", message)
        valid = [secret, *(connection.password or "").split()][:_VALID_SECRETS]
        set_password(connection, " ".join(valid))
    return secret


def _conn_id(consumer: str) -> str:
    return f"stripe_consumer_{consumer}"


def _taken(conn_id: str) -> ApiError:
    message = f"Airflow has a connection {conn_id} already: delete it, or name it as connection_id"
    return ApiError(409, "connection_conflict", message, param="connection_id")


def _is_made(connection: Connection, consumer: str) -> bool:
    return bool(connection.extra_dejson.get(_MARK) == consumer)


def _find(session: Session, conn_id: str) -> Connection | None:
    found: Connection | None = session.scalar(_by_id(conn_id))
    return found


def _by_id(conn_id: str) -> Any:
    return select(Connection).where(Connection.conn_id == conn_id)
