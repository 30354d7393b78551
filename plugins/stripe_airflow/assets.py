"""Assets that DAGs can be scheduled on."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher

from stripe_airflow.triggers.stripe_changes import StripeChangesTrigger

STRIPE_BACKFILL = Asset("stripe_backfill")
"""Updated at the end of each successful backfill or reload."""

STRIPE_CHANGES = Asset(
    "stripe_changes",
    watchers=[AssetWatcher(name="stripe_changes", trigger=StripeChangesTrigger())],
)
"""Updated within seconds after change events were committed, for any sync.

A DAG with ``schedule=[STRIPE_CHANGES]`` finds in its ``triggering_asset_events`` the sync, the
number of change events by collection, and the ``seq`` of the last one.
"""
