"""The environment variables of the DAG stripe_poll; only that DAG reads them."""

from __future__ import annotations

import os

from stripe_airflow.arguments import above_zero, whole

_SHARDS = "STRIPE_POLL_SHARDS"
_RUN_SECONDS = "STRIPE_POLL_RUN_SECONDS"


def poll_shards() -> int:
    """Tasks of stripe_poll that the syncs are divided among; 1 unless the variable is set.

    Raises:
        ConfigurationError: ``STRIPE_POLL_SHARDS`` is not a whole number of at least 1.
    """
    variable = whole(f"the environment variable {_SHARDS}", 1)
    return int(variable.parse_optional(os.environ.get(_SHARDS)) or 1)


def poll_run_seconds() -> float:
    """Duration of one run of stripe_poll; 300 unless the variable is set.

    Raises:
        ConfigurationError: ``STRIPE_POLL_RUN_SECONDS`` is not a number above 0.
    """
    variable = above_zero(f"the environment variable {_RUN_SECONDS}")
    return variable.parse_optional(os.environ.get(_RUN_SECONDS)) or 300.0
