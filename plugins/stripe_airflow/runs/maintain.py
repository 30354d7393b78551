"""First task of a maintenance run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from stripe_airflow.hooks.warehouse import warehouse_url

log = logging.getLogger(__name__)


def plan_maintain_run(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the syncs to maintain: the chosen one, or all.

    Args:
        params: The DAG's parameters: sync.

    Returns:
        Arguments of :class:`StripeMaintainOperator`, one dict for each sync.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    from stripe_sync import list_syncs

    chosen = params["sync"]
    names = [chosen] if chosen else list_syncs(warehouse_url())
    log.info("Syncs to maintain: %s", ", ".join(names) or "none")
    return [{"sync": name} for name in names]
