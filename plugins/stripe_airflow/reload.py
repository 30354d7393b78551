"""The beginning of a reload run: what to put back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from stripe_airflow.hooks.connections import connections_for

log = logging.getLogger(__name__)


def plan_reloads(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the sync as the lake knows it and say which collections to put back.

    Args:
        params: The DAG's parameters: sync, collections.

    Returns:
        Arguments of :class:`StripeReloadOperator`, one dict for each collection.

    Raises:
        ConfigurationError: A collection is not known, or the lake holds nothing of the sync.
        SyncBusy: The sync is being polled.
    """
    from stripe_sync.sync.reload import plan_reload

    sync = params["sync"]
    names = plan_reload(connections_for(sync), sync, list(params["collections"] or []) or None)
    log.info("Reloading %s collections: %s", len(names), ", ".join(names))
    return [{"collection": name, "sync": sync} for name in names]
