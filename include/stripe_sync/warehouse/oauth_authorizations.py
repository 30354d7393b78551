"""Authorizations of Stripe Connect: a code is claimed before it is exchanged, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema.oauth_tables import oauth_authorizations

_table = oauth_authorizations

KEPT = timedelta(days=30)
"""How long an authorization is kept after it expired."""


@dataclass(frozen=True, slots=True)
class OAuthAuthorization:
    """One authorization.

    Attributes:
        id: Hash of its state.
        user_name: Who started it.
        livemode: Mode of the platform's key.
        platform_id: Airflow connection of that key.
        redirect_url: Where the browser goes at the end; None for nowhere.
        caller_state: The caller's own state, JSON.
        wanted: Name, metadata, external id and sync of the new credential.
        status: ``started``, ``claimed``, ``exchanged``, ``done`` or ``failed``.
        is_expired: Whether its time is over, by the warehouse's clock.
        code_hash: Hash of the code that was claimed.
        claimed_seconds: Seconds since the code was claimed; None for not yet.
        account_id: ``acct_…``, once Stripe has named it.
        credential_id: Airflow connection of the account.
        sync_name: The sync that was created.
        message: Why it failed.
    """

    id: str
    user_name: str
    livemode: bool
    platform_id: str
    redirect_url: str | None
    caller_state: Any
    wanted: JsonObject
    status: str
    is_expired: bool
    code_hash: str | None
    claimed_seconds: float | None
    account_id: str | None
    credential_id: str | None
    sync_name: str | None
    message: str | None


_COMPUTED: dict[str, sa.ColumnElement[Any]] = {
    "is_expired": _table.c.expires_at <= sa.func.clock_timestamp(),
    "claimed_seconds": sa.cast(
        sa.extract("epoch", sa.func.clock_timestamp() - _table.c.claimed_at), sa.Float
    ),
}


class OAuthAuthorizations:
    """Reads and writes authorizations."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def start(self, authorization_id: str, *, seconds: float, **values: Any) -> datetime:
        """Store a new authorization; forget those that expired long ago.

        Args:
            authorization_id: Hash of its state.
            seconds: How long a code is accepted.
            values: Further columns by name.

        Returns:
            When it expires.
        """
        now = sa.func.clock_timestamp()
        expires_at = now + timedelta(seconds=seconds)
        statement = sa.insert(_table).values(id=authorization_id, expires_at=expires_at, **values)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.delete(_table).where(_table.c.expires_at < now - KEPT))
            expires: datetime = connection.execute(
                statement.returning(_table.c.expires_at)
            ).scalar_one()
        return expires

    def find(self, authorization_id: str) -> OAuthAuthorization | None:
        """An authorization; None when there is none."""
        names = [name for name in OAuthAuthorization.__slots__ if name not in _COMPUTED]
        computed = (expression.label(name) for name, expression in _COMPUTED.items())
        query = sa.select(*(_table.c[name] for name in names), *computed)
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(query.where(_table.c.id == authorization_id)).mappings()
            found = row.one_or_none()
        return OAuthAuthorization(**found) if found else None

    def claim(self, authorization_id: str, code_hash: str) -> bool:
        """Claim a code for an authorization, before it is exchanged.

        Returns:
            False where the authorization has expired or has had a code, or the code was claimed
            for another one; then the code must not be sent.
        """
        statement = (
            sa.update(_table)
            .where(
                _table.c.id == authorization_id,
                _table.c.status == "started",
                _table.c.expires_at > sa.func.clock_timestamp(),
            )
            .values(status="claimed", code_hash=code_hash, claimed_at=sa.func.clock_timestamp())
        )
        with explain(self.engine.url):
            try:
                with self.engine.begin() as connection:
                    return connection.execute(statement).rowcount == 1
            except sa.exc.IntegrityError:
                return False

    def deny(self, authorization_id: str, message: str) -> bool:
        """Store that an authorization was denied.

        Returns:
            False where it has had a code, or an answer, before.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.id == authorization_id, _table.c.status == "started")
            .values(status="failed", message=message)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def change(self, authorization_id: str, **values: Any) -> None:
        """Change columns of an authorization."""
        statement = sa.update(_table).where(_table.c.id == authorization_id).values(**values)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
