"""The environment variables of the continuous DAGs; only those DAGs read them."""

from __future__ import annotations

import os

from stripe_airflow.arguments import above_zero, whole

POLL, DELIVER = "STRIPE_POLL", "STRIPE_DELIVER"
"""Prefixes of the variables of ``stripe_poll`` and ``stripe_deliver``."""


def shards_of(prefix: str) -> int:
    """Tasks that the work of a DAG is divided among; 1 unless the variable is set.

    Args:
        prefix: Of its variables.

    Raises:
        ConfigurationError: ``<prefix>_SHARDS`` is not a whole number of at least 1.
    """
    name = f"{prefix}_SHARDS"
    variable = whole(f"the environment variable {name}", 1)
    return int(variable.parse_optional(os.environ.get(name)) or 1)


def run_seconds_of(prefix: str) -> float:
    """Duration of one run of a DAG; 300 unless the variable is set.

    Args:
        prefix: Of its variables.

    Raises:
        ConfigurationError: ``<prefix>_RUN_SECONDS`` is not a number above 0.
    """
    name = f"{prefix}_RUN_SECONDS"
    variable = above_zero(f"the environment variable {name}")
    return variable.parse_optional(os.environ.get(name)) or 300.0
