"""Airflow's plugin: the data docs inside the UI."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

URL_PREFIX = "/stripe"


@cache
def _data_docs_app() -> FastAPI:
    from stripe_airflow.data_docs import data_docs_app

    return data_docs_app()


async def _data_docs(scope: Scope, receive: Receive, send: Send) -> None:
    """The app as ASGI, made at the first request.

    Every process of Airflow loads the plugin, and only the API server should pay for what the app
    imports.
    """
    await _data_docs_app()(scope, receive, send)


def _ui_path() -> str:
    """Path below which the UI is served, empty for a host of its own."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


class StripeAirflowPlugin(AirflowPlugin):
    """Serves the data docs and puts them under "Browse"."""

    name = "stripe_airflow"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {"app": _data_docs, "url_prefix": URL_PREFIX, "name": "Stripe data docs"}
    ]
    external_views: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {
            "name": "Stripe data docs",
            "href": f"{_ui_path()}{URL_PREFIX}/data-docs",
            "destination": "nav",
            "category": "browse",
            "url_route": "stripe_data_docs",
        }
    ]
