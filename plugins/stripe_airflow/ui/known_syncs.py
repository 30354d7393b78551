"""The list of all syncs, which many pages show or look into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.shared import once_a_second
from stripe_sync import SyncInfo, describe_syncs


def all_syncs() -> Mapping[str, SyncInfo]:
    """All syncs by id, as of a second ago at most."""
    return _syncs(warehouse_url())


def forget_syncs() -> None:
    """Look at the syncs anew, because one was changed."""
    _syncs.forget()


def by_name(syncs: Iterable[SyncInfo]) -> list[SyncInfo]:
    """Syncs in the order of their names."""
    return sorted(syncs, key=lambda sync: sync.name)


@once_a_second
def _syncs(warehouse: str) -> Mapping[str, SyncInfo]:
    return {str(sync.id): sync for sync in describe_syncs(warehouse)}
