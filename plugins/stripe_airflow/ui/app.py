"""The console's routes, below ``/stripe/ui``."""

from __future__ import annotations

from fastapi import FastAPI

from stripe_airflow.ui.pages import (
    add_sync,
    consumers,
    elsewhere,
    record,
    record_update,
    replicate,
    stream,
)
from stripe_airflow.ui.pages.syncs import overview, sync, sync_actions
from stripe_airflow.ui.routing import PREFIX
from stripe_airflow.ui.static_files import STATIC_FOLDER, StaticFilesOfVersion

_PAGES = (
    overview,
    add_sync,
    sync,
    sync_actions,
    replicate,
    stream,
    record,
    record_update,
    consumers,
)


def add_console(app: FastAPI) -> None:
    """Add the console to the plugin's app."""
    for page in _PAGES:
        app.include_router(page.router)
    # Public, as Airflow's own scripts are: nothing in them depends on the account.
    app.mount(f"{PREFIX}/static", StaticFilesOfVersion(directory=STATIC_FOLDER))
    app.include_router(elsewhere.router)
