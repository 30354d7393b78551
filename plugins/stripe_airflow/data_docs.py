"""The page of the data docs in Airflow's UI.

The docs are one HTML file in the lake, written by the dbt task, so that the API server needs no
disk in common with the workers.
"""

from __future__ import annotations

from html import escape

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_sync import ConfigurationError

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Stripe data docs</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto }}
  code {{ padding: .1em .3em; border-radius: .25em; background: #8882 }}
</style></head><body><h1>Stripe data docs</h1>{body}</body></html>"""

_NOT_BUILT = """<p>The docs have not been built yet.</p>
<p>Run the DAG <code>stripe_dbt</code>; it also runs after each backfill.</p>"""


router = APIRouter(
    dependencies=[Depends(requires_access_view(AccessView.DOCS))], include_in_schema=False
)
"""Serves the data docs to users with access to the view DOCS."""


@router.get("/data-docs")
def data_docs() -> HTMLResponse:
    """The docs; a page with the reason if there are none."""
    try:
        return HTMLResponse(_read(StripeLakeHook().docs_url()))
    except FileNotFoundError:
        return HTMLResponse(_PAGE.format(body=_NOT_BUILT), status_code=404)
    except (AirflowNotFoundException, ConfigurationError, OSError) as error:
        body = f"<p>The docs cannot be read: {escape(str(error))}</p>"
        return HTMLResponse(_PAGE.format(body=body), status_code=503)


def _read(url: str) -> bytes:
    import fsspec

    with fsspec.open(url, "rb") as file:
        content: bytes = file.read()
    return content
