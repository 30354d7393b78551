"""The difference between a sync as it is stored and as it is wanted; and storing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stripe_sync.accounts.syncs import change_row, check_account_stays, create_row, plain
from stripe_sync.catalog import load_catalog
from stripe_sync.declared.changes import FieldChange
from stripe_sync.errors import ConfigurationError, SyncConflict
from stripe_sync.warehouse import Sync, Warehouse

COLUMN_OF = {
    "status": "status",
    "connection_id": "connection_id",
    "connected_account": "connected_account",
    "collections": "collections",
    "settings": "overrides",
    "external_id": "external_id",
    "metadata": "metadata",
}
"""Columns by the name of the field; one that is added to syncs is a row here."""

_WHERE = ("connection_id", "connected_account")
_STOPPED = ("paused", "disconnected")

Action = Literal["create", "update", "none"]


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What has to be done so that a sync is as it is wanted.

    Attributes:
        sync: Its name.
        action: ``create``, ``update``, or ``none``: it is already.
        changes: Each field that differs.
        backfill: Ids of its collections that need a backfill then: never backfilled, or added.
            None of a sync that is paused or disconnected.
    """

    sync: str
    action: Action
    changes: tuple[FieldChange, ...]
    backfill: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedSync:
    """A sync as it is wanted.

    Attributes:
        name: Its name.
        livemode: Its mode if it is created; None for that of an existing one, else test mode.
        columns: Wanted values by column, from the stored sync or None: ``overrides``,
            ``collections`` and others. Columns that are left out stay.
    """

    name: str
    livemode: bool | None
    columns: Callable[[Sync | None], dict[str, Any]]

    def values(self, sync: Sync | None) -> dict[str, Any]:
        """Wanted values by column; a disconnected sync goes on if it is connected elsewhere.

        Raises:
            ConfigurationError: It is in another mode than the stored sync, or for another account;
                neither ever changes.
        """
        self._check_mode(sync)
        columns = self.columns(sync)
        if sync is None:
            return columns
        check_account_stays(sync, columns.get("connected_account"))
        moves = any(columns[name] != getattr(sync, name) for name in _WHERE if name in columns)
        if sync.status == "disconnected" and moves:
            return {"status": "active", **columns}
        return columns

    def _check_mode(self, sync: Sync | None) -> None:
        if sync and self.livemode not in (None, sync.livemode):
            message = (
                f"sync {sync.name} is in {_mode(sync.livemode)} mode, which cannot be changed:"
                f" choose another name for the one in {_mode(bool(self.livemode))} mode"
            )
            raise ConfigurationError(message, param="mode")


def plan_sync(warehouse: Warehouse, wanted: WantedSync) -> SyncPlan:
    """Compare a sync with what is stored. Changes nothing.

    Raises:
        ConfigurationError: The stored one is in another mode.
        SyncConflict: It is being deleted.
    """
    sync = warehouse.syncs.find(wanted.name)
    columns = wanted.values(sync)
    if sync and sync.status == "deleting":
        message = f"sync {sync.name} is being deleted: try again when that is done"
        raise SyncConflict(message)
    changes = list(_differences(sync, columns))
    if sync is None:
        changes.insert(0, FieldChange("mode", None, _mode(bool(wanted.livemode))))
    action: Action = "create" if sync is None else "update" if changes else "none"
    backfill = _to_backfill(warehouse, sync, columns)
    return SyncPlan(wanted.name, action, tuple(changes), tuple(backfill))


def store_sync(warehouse: Warehouse, wanted: WantedSync) -> Sync:
    """Create or change a sync, so that it is as it is wanted whatever others do meanwhile.

    Raises:
        ConfigurationError: The stored one is in another mode.
        SyncConflict: It is being deleted, or the warehouse has data of a deleted one.
    """
    if warehouse.syncs.find(wanted.name) is None:
        columns, livemode = wanted.values(None), bool(wanted.livemode)
        try:
            return create_row(warehouse, wanted.name, livemode=livemode, columns=columns)
        except SyncConflict:
            if warehouse.syncs.find(wanted.name) is None:
                raise
            # Another process was faster: it may have stored something else.

    return change_row(warehouse, wanted.name, wanted.values)


def _differences(sync: Sync | None, columns: Mapping[str, Any]) -> Iterator[FieldChange]:
    for field, column in COLUMN_OF.items():
        if column not in columns:
            continue
        old, new = plain(getattr(sync, column, None)), plain(columns[column])
        if isinstance(new, dict):
            for name in sorted({*(old or {}), *new}):
                values = (old or {}).get(name), new.get(name)
                if values[0] != values[1]:
                    yield FieldChange(f"{field}.{name}", *values)
        elif old != new or (sync is None and field == "collections"):
            yield FieldChange(field, old, new)


def _to_backfill(
    warehouse: Warehouse, sync: Sync | None, columns: Mapping[str, Any]
) -> Iterator[str]:
    """Selected collections that were never backfilled, and those that are added.

    None while the sync is paused or disconnected: a backfill of it would be refused.
    """
    if columns.get("status", sync and sync.status) in _STOPPED:
        return
    chosen = columns["collections"]
    states = warehouse.collections.states(sync.name) if sync else ()
    known = {state.collection_id for state in states}
    for collection_id in load_catalog(tuple(columns["overrides"].get("include_parents") or ())):
        is_new = collection_id not in known or not (sync and sync.selects(collection_id))
        if is_new and (chosen is None or collection_id in chosen):
            yield collection_id


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"
