"""Syncs: one Stripe account and mode each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.engine import Engine

from stripe_sync.errors import ConfigurationError
from stripe_sync.records import ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables, tables

_table = tables.syncs
# Tables with exactly one row a sync.
_SIDE_TABLES = (tables.stream_position, poll_tables.poll_state, tables.lake_position)


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync.

    Attributes:
        id: UUIDv5 of the name.
        name: Slug; also its folder in the lake.
        resource_id: The Stripe account and mode.
        account_id: ``acct_…``, or ``unknown:…`` as long as no key could read it.
        livemode: Live data rather than test data.
        api_version: Version of all payloads.
        settings: The sync's own settings.
        status: ``active`` or ``paused``.
        created_at: When it was created.
        updated_at: When its settings last changed.
        key_fingerprint: Fingerprint of the key that was last found to be for this account.
        key_checked_at: When that was found out; None for never.
        stripe_ahead: Seconds that Stripe's clock was ahead of the warehouse's then.
    """

    id: UUID
    name: str
    resource_id: UUID
    account_id: str
    livemode: bool
    api_version: str
    settings: JsonObject
    status: str
    created_at: datetime
    updated_at: datetime
    key_fingerprint: UUID | None = None
    key_checked_at: datetime | None = None
    stripe_ahead: float = 0.0


class Syncs:
    """Reads and writes syncs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def ensure(
        self,
        name: str,
        *,
        account_id: str,
        resource_id: UUID,
        livemode: bool,
        api_version: str,
        settings: JsonObject | None = None,
    ) -> Sync:
        """Create the sync, or update it; an existing one keeps its account and mode.

        Args:
            name: Slug of lower-case letters, digits, ``-`` and ``_``.
            account_id: ``acct_…``.
            resource_id: The account and mode.
            livemode: Live data rather than test data.
            api_version: Version of all payloads.
            settings: The sync's own settings; None keeps the stored ones.

        Returns:
            The stored sync; its account may differ from the given one.

        Raises:
            ConfigurationError: The name is not a slug.
            WarehouseError: The warehouse cannot be reached.
        """
        values: dict[str, Any] = {"id": ids.sync_id(name), "name": name}
        values |= {"account_id": account_id, "resource_id": resource_id, "livemode": livemode}
        values["api_version"] = api_version
        if settings is not None:
            values["settings"] = settings
        with explain(self.engine.url), self.engine.begin() as connection:
            try:
                connection.execute(_upsert(values))
            except sa.exc.IntegrityError as error:
                msg = f"{name!r} is not a name for a sync: use lower-case letters, digits, - and _"
                raise ConfigurationError(msg) from error
            for side in _SIDE_TABLES:
                row = insert(side).values(sync_id=values["id"])
                connection.execute(row.on_conflict_do_nothing())
        return self.get(name)

    def mark_checked(
        self,
        sync_id: UUID,
        *,
        account_id: str,
        fingerprint: UUID,
        at: datetime,
        stripe_ahead: float,
    ) -> None:
        """Store that a key is for the account of a sync.

        Args:
            sync_id: The sync.
            account_id: The account's id as far as it is known now.
            fingerprint: Fingerprint of the key.
            at: When it was checked.
            stripe_ahead: Seconds that Stripe's clock is ahead of the warehouse's.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.id == sync_id)
            .values(
                account_id=account_id,
                key_fingerprint=fingerprint,
                key_checked_at=at,
                stripe_ahead=stripe_ahead,
            )
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def find(self, name: str) -> Sync | None:
        """The sync with this name; None when there is none."""
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(sa.select(_table).where(_table.c.name == name))
            found = row.mappings().one_or_none()
        return Sync(**found) if found else None

    def get(self, name: str) -> Sync:
        """The sync with this name.

        Raises:
            ConfigurationError: There is none.
            WarehouseError: The warehouse cannot be reached.
        """
        sync = self.find(name)
        if sync is None:
            known = ", ".join(sync.name for sync in self.all()) or "none yet"
            msg = f"there is no sync named {name!r} (known: {known}); a backfill creates it"
            raise ConfigurationError(msg)
        return sync

    def all(self) -> list[Sync]:
        """All syncs by name."""
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(sa.select(_table).order_by(_table.c.name))
            return [Sync(**row) for row in rows.mappings()]


def _upsert(values: dict[str, Any]) -> Insert:
    """Insert a sync, or update the columns that may change."""
    # A sync rebuilt from the lake has no account id until Stripe is asked.
    names = ("account_id", "api_version", "settings")
    changed = {name: values[name] for name in names if name in values}
    differs = (_table.c[name].is_distinct_from(value) for name, value in changed.items())
    return (
        insert(_table)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[_table.c.id],
            set_={**changed, "updated_at": sa.func.now()},
            where=sa.and_(_table.c.resource_id == values["resource_id"], sa.or_(*differs)),
        )
    )
