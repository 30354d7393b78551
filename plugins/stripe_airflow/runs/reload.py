"""First task of a reload run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from stripe_airflow.hooks.connections import connections_for

log = logging.getLogger(__name__)


def plan_reload_run(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Create the sync from the lake and list the collections to reload.

    Args:
        params: The DAG's parameters: sync, collections.

    Returns:
        Arguments of :class:`StripeReloadOperator`, one dict for each collection.

    Raises:
        ConfigurationError: A collection is unknown, or the lake has no data of the sync.
        SyncBusy: The sync is being polled.
    """
    from stripe_sync import plan_reload

    sync = params["sync"]
    names = plan_reload(connections_for(sync), sync, params["collections"])
    log.info("Reloading %s collections: %s", len(names), ", ".join(names))
    return [{"collection": name, "sync": sync} for name in names]
