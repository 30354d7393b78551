"""Credentials as connections of type ``stripe`` in Airflow's database.

For the API server only: tasks have no access to the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from stripe_airflow.api.errors import ApiError
from stripe_airflow.hooks import stored_connections
from stripe_airflow.hooks.extras import extras_of
from stripe_airflow.hooks.overrides import overriding_source
from stripe_airflow.hooks.stripe import (
    CREDENTIAL_EXTRAS,
    IMPORT_EXTRA,
    PLATFORM_EXTRA,
    StripeHook,
    credential_fields,
    key_source,
    platform_id_of,
    setting_extras,
)
from stripe_sync import ConfigurationError, KeyHealth, StoredCredential

_ATTEMPTS = 3


class CredentialChanged(ApiError):
    """Somebody else has changed a credential since it was read."""

    def __init__(self) -> None:
        message = "somebody else is changing this credential: send the request again"
        super().__init__(409, "credential_conflict", message)


def check_encryption() -> None:
    """Refuse to store a key where Airflow would store it as plain text.

    Raises:
        ApiError: 409: Airflow has no Fernet key.
    """
    try:
        stored_connections.check_encryption()
    except ConfigurationError as error:
        raise ApiError(409, "fernet_key_missing", str(error)) from error


def load_credentials() -> list[StoredCredential]:
    """All credentials by id.

    Raises:
        ApiError: 503: one was encrypted with another Fernet key.
    """
    query = select(Connection).where(Connection.conn_type == StripeHook.conn_type)
    with _session() as session:
        found = session.scalars(query.order_by(Connection.conn_id))
        return [_stored(connection) for connection in found]


def load_credential(credential_id: str) -> StoredCredential:
    """One credential.

    Raises:
        ApiError: 404: there is none; 503: it was encrypted with another Fernet key.
    """
    with _session() as session:
        return _stored(_existing(session, credential_id))


def credential_in_use(credential_id: str) -> StoredCredential:
    """The credential that syncs get for an id: from the source that Airflow takes it from.

    That is another one than the stored one where a secrets backend, or an environment variable,
    has a connection with this id.

    Raises:
        ApiError: 404: there is none; 503: it was encrypted with another Fernet key.
    """
    if overriding_source(credential_id) is None:
        return load_credential(credential_id)
    connection = StripeHook.get_connection(credential_id)
    if connection.conn_type != StripeHook.conn_type:
        raise _missing()
    return _stored(connection)


def save_credential(credential: StoredCredential, *, read: StoredCredential | None = None) -> bool:
    """Store a credential; extras that are not its own stay.

    Args:
        credential: The credential.
        read: The stored one that it was made from; None to replace whatever is stored.

    Returns:
        Whether it is new.

    Raises:
        CredentialChanged: What is stored is not what was read.
        ApiError: 409: Airflow would store it as plain text, or has a connection of another type
            with this id.
    """
    check_encryption()
    for _ in range(_ATTEMPTS):
        try:
            with _session() as session:
                return _save(session, credential, read)
        except IntegrityError:  # somebody else has just created it
            continue
    message = "the credential is being created by others all the time: try again"
    raise ApiError(409, "credential_conflict", message)


def delete_credential(credential_id: str) -> None:
    """Delete a credential.

    Raises:
        ApiError: 404: there is none.
    """
    with _session() as session:
        session.delete(_existing(session, credential_id))


@contextmanager
def _session() -> Iterator[Session]:
    """A transaction on Airflow's database.

    Raises:
        ApiError: 503: a connection was encrypted with another Fernet key.
    """
    try:
        with create_session(scoped=False) as session:
            yield session
    except InvalidToken:
        message = (
            "Airflow's Fernet key cannot decrypt a connection: set AIRFLOW__CORE__FERNET_KEY to the"
            " key that it was stored with"
        )
        raise ApiError(503, "fernet_key_wrong", message) from None


def _save(session: Session, credential: StoredCredential, read: StoredCredential | None) -> bool:
    query = _by_id(credential.id).with_for_update()
    connection: Connection | None = session.scalar(query)
    is_new = connection is None
    if connection is None:
        connection = Connection(conn_id=credential.id, conn_type=StripeHook.conn_type)
    elif connection.conn_type != StripeHook.conn_type:
        message = f"Airflow's connection {credential.id} is of another type: rename it"
        raise ApiError(409, "credential_conflict", message)
    if read is not None and (is_new or _stored(connection) != read):
        raise CredentialChanged
    own_key = None if credential.platform_id else credential.api_key
    stored_connections.set_password(connection, own_key)
    connection.description = credential.name
    connection.host = credential.fields.get("api_base")
    extras = {} if is_new else _other_extras(connection)
    connection.extra = orjson.dumps(extras | _own_extras(credential)).decode()
    session.add(connection)
    session.flush()
    return is_new


def _other_extras(connection: Connection) -> dict[str, Any]:
    try:
        extras = extras_of(connection)
    except ConfigurationError:
        return {}
    own = (*CREDENTIAL_EXTRAS, PLATFORM_EXTRA)
    return {name: value for name, value in extras.items() if name not in own}


def _own_extras(credential: StoredCredential) -> dict[str, Any]:
    fields = {
        name: credential.fields[name] for name in CREDENTIAL_EXTRAS if name in credential.fields
    }
    if credential.platform_id:
        fields[PLATFORM_EXTRA] = credential.platform_id
    health = credential.health
    own = {
        "account_id": credential.account_id,
        "key_since": credential.key_since,
        "external_id": credential.external_id,
        "metadata": credential.metadata,
        "health": {"status": str(health.status), "notes": health.notes, "time": health.time},
    }
    return {**fields, IMPORT_EXTRA: own}


def _stored(connection: Any) -> StoredCredential:
    """A connection, of Airflow's database or of its SDK, as a credential."""
    source = _key_source(connection)
    try:
        fields = credential_fields(connection, source or connection)
        settings = setting_extras(connection)
        own, platform_id = extras_of(connection).get(IMPORT_EXTRA), platform_id_of(connection)
    except ConfigurationError:
        fields, settings, own, platform_id = {}, {}, None, None
    own = own if isinstance(own, dict) else {}
    metadata = own.get("metadata")
    return StoredCredential(
        id=connection.conn_id,
        api_key=source.password if source else "",
        name=connection.description or connection.conn_id,
        fields=fields,
        settings=settings,
        account_id=own.get("account_id"),
        key_since=_moment(own.get("key_since")),
        health=_health(own.get("health")),
        external_id=own.get("external_id"),
        metadata=metadata if isinstance(metadata, dict) else {},
        platform_id=platform_id,
    )


def _key_source(connection: Connection) -> Any:
    """The connection that has the key of a connection; None where there is none."""
    try:
        return key_source(connection)
    except ConfigurationError:
        return None


def _health(value: object) -> KeyHealth:
    if not isinstance(value, Mapping):
        return KeyHealth()
    notes = tuple(str(note) for note in value.get("notes") or ())
    return KeyHealth(str(value.get("status")), notes, _moment(value.get("time")))


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None


def _existing(session: Session, credential_id: str) -> Connection:
    storable = "\0" not in credential_id  # PostgreSQL has no such text
    connection: Connection | None = session.scalar(_by_id(credential_id)) if storable else None
    if connection is None or connection.conn_type != StripeHook.conn_type:
        raise _missing()
    return connection


def _missing() -> ApiError:
    message = "there is no such credential in Airflow's database"
    return ApiError(404, "resource_missing", message, param="credential_id")


def _by_id(credential_id: str) -> Any:
    return select(Connection).where(Connection.conn_id == credential_id)
