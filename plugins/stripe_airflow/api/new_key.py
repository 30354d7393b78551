"""A short link to Stripe's page for a restricted key: the UI shows only short texts."""

from __future__ import annotations

from typing import Literal

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse

from stripe_sync import create_key_url

router = APIRouter(
    dependencies=[Depends(requires_access_view(AccessView.DOCS))], include_in_schema=False
)


@router.get("/new-key/{mode}")
def new_key(mode: Literal["live", "test"]) -> RedirectResponse:
    """Stripe's page for a restricted key, with all read permissions filled in."""
    return RedirectResponse(create_key_url(test=mode == "test"))
