"""The task of the DAG stripe_erase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import ConfigurationError


def run_erase(params: Mapping[str, Any]) -> dict[str, Any]:
    """Erase the customer of the form.

    Args:
        params: The DAG's parameters: sync, customer, confirm.

    Returns:
        Counts of what was erased, as of ``stripe_sync.CustomerErasure``.

    Raises:
        ConfigurationError: The id was not repeated, or is none.
        StripeSyncError: As of ``stripe_sync.erase_customer``.
    """
    from stripe_sync import erase_customer

    if params["confirm"] != params["customer"]:
        message = "nothing was erased: repeat the id of the customer in the field Confirm"
        raise ConfigurationError(message)
    lake_url = StripeLakeHook().get_conn()
    return asdict(erase_customer(warehouse_url(), lake_url, params["sync"], params["customer"]))
