"""The Airflow plugin: HTTP API, console, data docs, Test button, pool of the backfill tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from stripe_airflow import pools
from stripe_airflow.api.lifespan import BeginsAndEndsWithServer, created_app
from stripe_airflow.api.port_zero import WithoutPortZero
from stripe_airflow.links.data_docs import PAGE

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

URL_PREFIX = "/stripe"
CONSOLE = "stripe"
"""Name of the console's page in the UI."""


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """The API as ASGI."""
    await created_app()(scope, receive, send)


def _ui_path() -> str:
    """Path of the UI's base URL; empty if the UI is at the root of its host."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


class StripeAirflowPlugin(AirflowPlugin):
    """Serves API, console and data docs, adds both to the UI, creates the pool of the backfills."""

    name = "stripe_airflow"
    listeners: list[Any] = [pools]  # noqa: RUF012 - declared so by Airflow
    fastapi_apps: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {"app": _app, "url_prefix": URL_PREFIX, "name": "Stripe"}
    ]
    fastapi_root_middlewares: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {"middleware": WithoutPortZero, "name": "Stripe connections without a port"},
        {"middleware": BeginsAndEndsWithServer, "name": "Stripe begins and ends with the server"},
    ]
    external_views: list[Any] = [  # noqa: RUF012 - declared so by Airflow
        {
            "name": "Stripe",
            "href": f"{_ui_path()}{URL_PREFIX}/ui",
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{_ui_path()}{URL_PREFIX}/ui/static/1/stripe-light.svg",
            "icon_dark_mode": f"{_ui_path()}{URL_PREFIX}/ui/static/1/stripe-dark.svg",
            "url_route": CONSOLE,
        },
        {
            "name": "Stripe data docs",
            "href": f"{_ui_path()}{URL_PREFIX}/data-docs",
            "destination": "nav",
            "category": "browse",
            "url_route": PAGE,
        },
    ]
