"""The beginning of a maintenance run: which syncs to maintain."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from stripe_airflow.hooks.connections import warehouse_url

log = logging.getLogger(__name__)


def plan_maintenance(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say which syncs to maintain: the chosen one, else all that there are.

    Args:
        params: The DAG's parameters: sync.

    Returns:
        Arguments of :class:`StripeMaintainOperator`, one dict for each sync.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    from stripe_sync.sync.maintain import plan_maintain

    chosen = params["sync"]
    names = [chosen] if chosen else plan_maintain(warehouse_url())
    log.info("To be maintained: %s", ", ".join(names) or "nothing yet")
    return [{"sync": name} for name in names]
