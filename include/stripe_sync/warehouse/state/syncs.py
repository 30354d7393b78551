"""Syncs: one Stripe account and mode each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.engine import Engine

from stripe_sync.errors import ConfigurationError, SyncConflict, SyncNotFound
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables, tables

_table = tables.syncs
# Tables with exactly one row a sync, besides that of its stream.
_SIDE_TABLES = (poll_tables.poll_state, tables.lake_position)
_RAW_TABLES = (tables.events, tables.records)


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
        settings: The settings in effect when it last ran.
        status: ``active``, ``paused``, ``disconnected`` (Stripe gives the key no access to its
            connected account) or ``deleting``.
        created_at: When it was created.
        updated_at: When its settings or its status last changed.
        account_name: Name of the account; None as long as no key could read it.
        key_fingerprint: Fingerprint of the key that was last found to be for this account.
        key_checked_at: When that was found out; None for never.
        stripe_ahead: Seconds that Stripe's clock was ahead of the warehouse's then.
        overrides: Settings stored with the sync, by name; they win over those of its connection.
        collections: Ids of its collections; None for all.
        connection_id: Airflow connection that has its key; None for ``stripe_<name>``.
        connected_account: ``acct_…`` that the key acts on; None for that of the connection.
        external_id: The caller's own id of it.
        metadata: The caller's own data.
        backfill_wanted: Whether ``stripe_reconcile`` starts its first backfill, if nobody else has.
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
    account_name: str | None = None
    key_fingerprint: UUID | None = None
    key_checked_at: datetime | None = None
    stripe_ahead: float = 0.0
    overrides: JsonObject = field(default_factory=dict)
    collections: tuple[str, ...] | None = None
    connection_id: str | None = None
    connected_account: str | None = None
    external_id: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    backfill_wanted: bool = False

    @property
    def is_account_learnt(self) -> bool:
        """Whether it was ever opened with a key; before, its account is unknown."""
        return self.account_id != account_to_learn(self.name)

    @property
    def conn_id(self) -> str:
        """Id of the Airflow connection that has its key."""
        return self.connection_id or f"stripe_{self.name}"

    @property
    def revision(self) -> object:
        """Equal as long as what was chosen for it is the same; a poller is restarted otherwise."""
        where = (self.connection_id, self.connected_account)
        return _revision(self.status, self.overrides, self.collections, *where)

    def selects(self, collection_id: str) -> bool:
        """Whether a collection is one of its collections, and not left out by its settings."""
        if self.collections is not None and collection_id not in self.collections:
            return False
        excluded = self.overrides.get("exclude", self.settings.get("exclude")) or ()
        return collection_id.partition(":")[2] not in excluded


def _revision(*chosen: object) -> object:
    return canonical_json.dumps(chosen)


NEW_REVISION = _revision("active", {}, None, None, None)
"""The revision of a sync that its first run has created, or will."""


def account_to_learn(name: str) -> str:
    """What stands for the account of a sync that was created and never opened with a key."""
    return f"unknown:{ids.sync_id(name).hex}"


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
                raise _not_a_name(name) from error
            _insert_side_rows(connection, values["id"])
        return self.get(name)

    def create(self, name: str, *, livemode: bool, api_version: str, values: JsonObject) -> Sync:
        """Create a sync whose account is not known yet.

        Args:
            name: Slug of lower-case letters, digits, ``-`` and ``_``.
            livemode: Live data rather than test data.
            api_version: Version of all payloads.
            values: Further columns by name.

        Raises:
            SyncConflict: There is one already.
            ConfigurationError: The name is not a slug.
            WarehouseError: The warehouse cannot be reached.
        """
        account_id = account_to_learn(name)
        row = {
            "id": ids.sync_id(name),
            "name": name,
            "account_id": account_id,
            "resource_id": ids.resource_id(account_id, livemode=livemode),
            "livemode": livemode,
            "api_version": api_version,
            **values,
        }
        statement = insert(_table).values(row).on_conflict_do_nothing().returning(_table.c.id)
        with explain(self.engine.url), self.engine.begin() as connection:
            try:
                created = connection.execute(statement).first()
            except sa.exc.IntegrityError as error:
                raise _not_a_name(name) from error
            _insert_side_rows(connection, row["id"])
        if created is None:
            msg = f"there is a sync named {name!r} already: update it, or choose another name"
            raise SyncConflict(msg, param="name")
        return self.get(name)

    def change(self, sync: Sync, values: Mapping[str, Any]) -> bool:
        """Change columns of a sync, and the time of its last change.

        What kept a disconnected sync from being polled is forgotten with its status.

        Returns:
            False where it was changed since it was read; then nothing is.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.id == sync.id, _table.c.updated_at == sync.updated_at)
            .values(**values, updated_at=sa.func.clock_timestamp())
        )
        polls = poll_tables.poll_state
        forget = sa.update(polls).where(polls.c.sync_id == sync.id)
        is_resumed = sync.status == "disconnected" and values.get("status") == "active"
        with explain(self.engine.url), self.engine.begin() as connection:
            is_changed = connection.execute(statement).rowcount == 1
            if is_changed and is_resumed:
                connection.execute(forget.values(message=None, key_problem=None))
            return is_changed

    def set_status(self, sync_id: UUID, status: str) -> None:
        """Set the status of a sync: active, paused or deleting."""
        self._update(sync_id, {"status": status, "updated_at": sa.func.clock_timestamp()})

    def mark_disconnected(self, sync_id: UUID) -> None:
        """Stop using an active sync: Stripe gives its key no access to the connected account."""
        statement = (
            sa.update(_table)
            .where(_table.c.id == sync_id, _table.c.status == "active")
            .values(status="disconnected", updated_at=sa.func.clock_timestamp())
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def learn_account(self, sync: Sync, account_id: str, resource_id: UUID) -> Sync:
        """Store the account of a sync that was never opened with a key.

        Returns:
            The stored sync: with another account, if another process was first.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.id == sync.id, _table.c.account_id == account_to_learn(sync.name))
            .values(account_id=account_id, resource_id=resource_id)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
        return self.get(sync.name)

    def has_rows(self, name: str) -> bool:
        """Whether records or change events of a sync with this name are stored."""
        sync_id = ids.sync_id(name)
        stored = (sa.exists().where(table.c.sync_id == sync_id) for table in _RAW_TABLES)
        with explain(self.engine.url), self.engine.connect() as connection:
            return bool(connection.scalar(sa.select(sa.or_(*stored))))

    def never_backfilled(self) -> list[Sync]:
        """Active syncs to be backfilled without a collection that was ever queued, by name.

        Those of connected accounts always are.
        """
        states = tables.collection_state
        query = (
            sa.select(_table)
            .where(
                _table.c.status == "active",
                sa.or_(_table.c.connected_account.is_not(None), _table.c.backfill_wanted),
                ~sa.exists().where(states.c.sync_id == _table.c.id),
            )
            .order_by(_table.c.name)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [_sync(row) for row in connection.execute(query).mappings()]

    def _update(self, sync_id: UUID, values: Mapping[str, Any]) -> None:
        statement = sa.update(_table).where(_table.c.id == sync_id).values(**values)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def mark_checked(
        self,
        sync_id: UUID,
        *,
        account_id: str,
        account_name: str | None,
        fingerprint: UUID,
        at: datetime,
        stripe_ahead: float,
    ) -> None:
        """Store that a key is for the account of a sync.

        Args:
            sync_id: The sync.
            account_id: The account's id as far as it is known now.
            account_name: Its name; None where the key may not read it: then the stored one stays.
            fingerprint: Fingerprint of the key.
            at: When it was checked.
            stripe_ahead: Seconds that Stripe's clock is ahead of the warehouse's.
        """
        self._update(
            sync_id,
            {
                "account_id": account_id,
                "account_name": sa.func.coalesce(account_name, _table.c.account_name),
                "key_fingerprint": fingerprint,
                "key_checked_at": at,
                "stripe_ahead": stripe_ahead,
            },
        )

    def find(self, name: str) -> Sync | None:
        """The sync with this name; None when there is none."""
        if not ids.is_storable(name):
            return None
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(sa.select(_table).where(_table.c.name == name))
            found = row.mappings().one_or_none()
        return _sync(found) if found else None

    def get(self, name: str) -> Sync:
        """The sync with this name.

        Raises:
            SyncNotFound: There is none.
            WarehouseError: The warehouse cannot be reached.
        """
        sync = self.find(name)
        if sync is None:
            known = ", ".join(sync.name for sync in self.all()) or "none yet"
            msg = f"there is no sync named {name!r} (known: {known}); a backfill creates it"
            raise SyncNotFound(msg)
        return sync

    def all(self) -> list[Sync]:
        """All syncs by name."""
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(sa.select(_table).order_by(_table.c.name))
            return [_sync(row) for row in rows.mappings()]


def _sync(row: sa.RowMapping) -> Sync:
    collections = row["collections"]
    return Sync(**{**row, "collections": None if collections is None else tuple(collections)})


def _not_a_name(name: str) -> ConfigurationError:
    message = (
        f"{name!r} is not a name for a sync: use lower-case letters, digits, - and _, and not the"
        " form of an id"
    )
    return ConfigurationError(message, param="name")


def _insert_side_rows(connection: sa.Connection, sync_id: UUID) -> None:
    """Create the rows that every sync has; its stream goes on after change events that it has."""
    events, position = tables.events, tables.stream_position
    newest = sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))
    row = insert(position).values(
        sync_id=sync_id, last_seq=newest.where(events.c.sync_id == sync_id).scalar_subquery()
    )
    connection.execute(row.on_conflict_do_nothing())
    for side in _SIDE_TABLES:
        connection.execute(insert(side).values(sync_id=sync_id).on_conflict_do_nothing())


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
