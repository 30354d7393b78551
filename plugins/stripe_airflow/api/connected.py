"""Routes of the connected accounts of a Connect platform."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Request

from stripe_airflow.api.models import ConnectedAccountList, ConnectedAccounts, CreatedSyncs
from stripe_airflow.api.rights import BACKFILL_DAG, MANAGE, may_backfill
from stripe_airflow.api.routing import Route
from stripe_airflow.api.runs import trigger
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.runs.backfill import first_backfill
from stripe_sync import get_sync, list_connected_accounts, sync_connected_accounts

router = APIRouter(prefix="/v1/syncs/{sync_id}", tags=["connected accounts"], route_class=Route)


@router.get("/connected-accounts", dependencies=[MANAGE])
def list_accounts(sync_id: str) -> ConnectedAccountList:
    """The connected accounts of a platform, with their syncs; asks Stripe, changes nothing."""
    sync = get_sync(warehouse_url(), sync_id)
    found = list_connected_accounts(connections_for(sync.name), sync.name)
    return ConnectedAccountList(accounts=found)


@router.post("/connected-accounts", status_code=201, dependencies=[MANAGE])
def sync_accounts(
    sync_id: str, body: ConnectedAccounts, request: Request, user: GetUserDep
) -> CreatedSyncs:
    """Create a sync for each connected account that has none, and start its backfill."""
    if body.backfill:
        may_backfill(request, user)
    sync = get_sync(warehouse_url(), sync_id)
    done = sync_connected_accounts(connections_for(sync.name), sync.name, body.accounts)
    runs = []
    for each in done.created if body.backfill else ():
        run = first_backfill(each)
        name = user.get_name()
        runs.append(
            trigger(BACKFILL_DAG, run["conf"], user_name=name, run_id=run["trigger_run_id"])
        )
    return CreatedSyncs(
        syncs=[*done.created], runs=runs, present=[*done.present], failed=dict(done.failed)
    )
