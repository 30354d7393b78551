"""What the tests of reconciling read again, and what they compare it with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from stripe_sync.sync.reconcile.reconcile import ReconcileReport, reconcile_collection
from sync_harness import SYNC, SyncHarness


def reconcile(harness: SyncHarness, collection: str, days: int | None = None) -> ReconcileReport:
    window = None if days is None else timedelta(days=days)
    return reconcile_collection(harness.connections, SYNC, collection, window=window)


def drift(report: ReconcileReport) -> tuple[int, int, int]:
    assert report.drift == report.created + report.repaired + report.deleted
    return report.created, report.repaired, report.deleted


def objects(harness: SyncHarness, kind: str, **fields: Any) -> list[Any]:
    return [
        obj
        for obj in harness.sandbox.control.objects(kind)
        if all(obj.get(name) == value for name, value in fields.items())
    ]
