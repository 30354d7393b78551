r"""Connections in Airflow's metadata database: encrypted, and editable in the UI.

As a program it stores what it reads from standard input, for those who set Airflow up::

    echo '{"stripe_default": {"conn_type": "stripe", "password": "rk_…"}}' \
      | python -m stripe_airflow.hooks.stored_connections
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from airflow.models import Connection
from airflow.models.crypto import get_fernet
from airflow.utils.session import create_session
from sqlalchemy import select

from stripe_airflow.hooks.overrides import overriding_source
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EXTRA = "extra."
"""Prefix of the names of extras among the names of fields."""

Fields = Mapping[str, Any]
"""Values by field of a connection, ``extra.account`` for an extra; None removes a value."""


def check_encryption() -> None:
    """Check that Airflow encrypts what it stores.

    Raises:
        ConfigurationError: It has no Fernet key, so that Stripe keys would be stored as text.
    """
    if not get_fernet().is_encrypted:
        message = (
            "Airflow has no Fernet key and would store the Stripe key unencrypted: set"
            " AIRFLOW__CORE__FERNET_KEY for all of its components"
        )
        raise ConfigurationError(message)


def set_password(connection: Connection, password: str | None) -> None:
    """Set or remove the password of a connection; Airflow's own setter leaves it if there is none.

    Args:
        connection: Of Airflow's database.
        password: None or empty to remove it.
    """
    if password:
        connection.password = password
    else:
        connection._password = None


def store_connection(session: Session, conn_id: str, fields: Fields) -> Connection:
    """Create or change a connection. Fields that are not named stay as they are.

    Args:
        session: A session of Airflow's metadata database; the caller commits.
        conn_id: Its id.
        fields: The values.

    Raises:
        ConfigurationError: Airflow has no Fernet key.
    """
    check_encryption()
    connection = session.scalar(select(Connection).where(Connection.conn_id == conn_id))
    if connection is None:
        connection = Connection(conn_id=conn_id, conn_type=str(fields["conn_type"]))
        session.add(connection)
    extras = dict(connection.extra_dejson)
    for name, value in fields.items():
        if name == "password":
            set_password(connection, value)
        elif not name.startswith(EXTRA):
            setattr(connection, name, value)
        elif value is None:
            extras.pop(name.removeprefix(EXTRA), None)
        else:
            extras[name.removeprefix(EXTRA)] = value
    connection.set_extra(orjson.dumps(extras).decode() if extras else None)
    session.flush()
    return connection


def main() -> None:
    """Store the connections of standard input, and print a line for each that is overridden."""
    wanted: dict[str, dict[str, Any]] = orjson.loads(sys.stdin.buffer.read())
    try:
        with create_session() as session:
            stored = [store_connection(session, *each) for each in wanted.items()]
            session.commit()
            for connection in stored:
                if other := overriding_source(connection.conn_id):
                    print(f"{connection.conn_id}: Airflow uses the {other} instead")  # noqa: T201
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
