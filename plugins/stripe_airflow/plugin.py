"""Airflow's plugin: the data docs inside the UI."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from stripe_airflow.data_docs import URL_PREFIX, data_docs_app


def _ui_path() -> str:
    """Path below which the UI is served, empty for a host of its own."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


class StripeAirflowPlugin(AirflowPlugin):
    """Serves the data docs and puts them under "Browse"."""

    name = "stripe_airflow"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {"app": data_docs_app(), "url_prefix": URL_PREFIX, "name": "Stripe data docs"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Stripe data docs",
            "href": f"{_ui_path()}{URL_PREFIX}/data-docs",
            "destination": "nav",
            "category": "browse",
            "url_route": "stripe_data_docs",
        }
    ]
