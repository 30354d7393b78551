"""The app that the plugin mounts at ``/stripe``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from stripe_airflow import data_docs
from stripe_airflow.api import connected, new_key, syncs
from stripe_airflow.api.consumers import pull
from stripe_airflow.api.consumers import routes as consumers
from stripe_airflow.api.credentials import oauth
from stripe_airflow.api.credentials import routes as credentials
from stripe_airflow.api.errors import handle
from stripe_airflow.api.models import Health
from stripe_airflow.api.mutations import proxy
from stripe_airflow.api.mutations import routes as mutations
from stripe_airflow.api.routing import PublicRoute, Route
from stripe_airflow.api.streams import routes as streams
from stripe_airflow.ui.app import add_console
from stripe_sync import __version__

_DESCRIPTION = """Syncs of Stripe accounts, and their keys: create, change, delete, read them.
Mutations: create, update, delete objects in Stripe and in the streams at once.
Streams: read records and change events, page by page or live.
Consumers: named readers with a cursor of their own; pull their items here, or have them delivered.

Send `Authorization: Bearer <token>` with a token of Airflow's `POST /auth/token`. What a caller may
do is what they may do in Airflow. Errors have the shape of Stripe's."""


def create_app() -> FastAPI:
    """The API, the console and the data docs. Everything but ``/v1/health`` needs a login."""
    app = FastAPI(
        title="Stripe sync",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
    public, private = APIRouter(route_class=PublicRoute), APIRouter(route_class=Route)

    @public.get("/v1/health", tags=["health"])
    def health() -> Health:
        """Whether the API answers; it asks neither the warehouse nor Stripe."""
        return Health(status="ok", version=__version__)

    @private.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> dict[str, Any]:
        """The description of this API."""
        return {**app.openapi(), "servers": [{"url": request.scope.get("root_path", "")}]}

    for router in (
        public,
        private,
        oauth.router,
        oauth.public,
        credentials.router,
        syncs.router,
        connected.router,
        mutations.router,
        proxy.router,
        streams.router,
        consumers.router,
        data_docs.router,
        new_key.router,
    ):
        app.include_router(router)
    for prefix in ("/v1/consumers", "/v1/http-consumers"):
        app.include_router(pull.router, prefix=prefix)
    add_console(app)
    return app
