"""Assets that DAGs can be scheduled on."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher

from stripe_airflow.triggers.stripe_changes import StripeChangesTrigger

STRIPE_CHANGES = Asset(
    "stripe_changes",
    watchers=[AssetWatcher(name="stripe_changes", trigger=StripeChangesTrigger())],
)
"""Updated whenever changes were committed to the streams of any sync.

A DAG with ``schedule=[STRIPE_CHANGES]`` runs within seconds of a change. Its
``triggering_asset_events`` say which sync it was, how many changes of which collections there were,
and the position (``seq``) of the last one.
"""
