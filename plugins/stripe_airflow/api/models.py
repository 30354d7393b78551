"""Bodies of requests and answers. Unknown names are refused."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field

from stripe_airflow.api.credentials.models import NewCredential
from stripe_airflow.api.routing import Strict
from stripe_sync import ConnectedAccount, Replication, SyncInfo

SyncName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=100)]


class RateLimit(Strict):
    """Requests to Stripe for a sync."""

    allowed_requests: float = Field(gt=0, strict=True, description="Requests in each interval.")
    interval: float = Field(default=1000, gt=0, strict=True, description="Milliseconds.")
    max_concurrent_requests: int | None = Field(
        default=None, description="Null. Requests in flight follow from the rate."
    )


class SyncUpdate(Strict):
    """What to change of a sync; what is left out stays as it is, null removes it."""

    collection_ids: list[str] | None = Field(
        default=None,
        description="`stripe:customer`; `stripe.customer` and `customer` too. Null: all.",
    )
    connection_id: str | None = Field(
        default=None, description="Airflow connection that has its key. Null: `stripe_<name>`."
    )
    connected_account: str | None = Field(
        default=None, description="`acct_…` that the key acts on. Null: that of the connection."
    )
    credential_id: str | None = Field(default=None, description="The same as `connection_id`.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Settings by name; merged, null removes one."
    )
    rate_limit: RateLimit | None = Field(
        default=None,
        description="Settings `total_requests_per_second` and `requests_per_second`.",
    )
    max_age_days: int | None = Field(
        default=None, gt=0, le=36_500, strict=True, description="The setting of the same name."
    )
    sync_frequency: float | None = Field(
        default=None,
        ge=500,
        le=604_800_000,
        strict=True,
        description="Longest time between two polls, in milliseconds: settings `cadence` and"
        " `longest_poll_interval`. 500 is twice a second, a week the longest.",
    )
    external_id: str | None = Field(default=None, description="Your own id of it.")
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Your own data; merged, null removes a name."
    )


class NewSync(SyncUpdate):
    """A sync to create."""

    name: SyncName = Field(description="Lower-case letters, digits, - and _.")
    test: bool | None = Field(
        default=None, description="Test mode. Needed only if the connection does not exist yet."
    )
    credential: NewCredential | None = Field(
        default=None, description="Its key, to be imported first. Not with `credential_id`."
    )
    backfill: bool = Field(default=True, description="Whether to start its backfill.")


class ConnectedAccounts(Strict):
    """The connected accounts that are to get a sync each."""

    accounts: list[str] = Field(
        min_length=1,
        description='`acct_…` of those that Stripe lists, or `["all"]`. All accounts of a platform '
        "share its read allotment, so their cadence is adaptive unless the connection has another.",
    )
    backfill: bool = Field(default=True, description="Whether to start their backfills.")


class ReplicateSync(Strict):
    """Where to copy a sync to."""

    name: SyncName = Field(description="Name of the live mode sync; a new one is created.")
    connection_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("connection_id", "credential_id"),
        description="Airflow connection that has its live mode key; `credential_id` is the same."
        " Null: the one that is stored with it, or `stripe_<name>`.",
    )
    dry_run: bool = Field(default=False, description="Only show what would be changed.")
    expected: UUID | None = Field(
        default=None,
        description="`changes_id` of a dry run. Other changes are refused: status 409.",
    )
    backfill: bool = Field(default=True, description="Whether to start the backfill that it needs.")


class BackfillRun(Strict):
    """What to backfill."""

    collection_ids: list[str] = Field(
        default_factory=list, description="Collections to read. Empty: all that the sync has."
    )
    since: date | None = Field(
        default=None, description="Only objects created on this day or later."
    )
    full: bool = Field(
        default=False, description="Start over instead of continuing an interrupted one."
    )
    requests_per_second: float | None = Field(
        default=None, gt=0, description="Maximum for this run."
    )


class ReconcileRun(Strict):
    """What to read again."""

    collection_ids: list[str] = Field(
        default_factory=list, description="Collections to read. Empty: those that are due."
    )
    window_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Only objects created within this number of days.",
    )
    everything: bool = Field(default=False, description="Without collections: all, due or not.")


class Run(BaseModel):
    """A run of a DAG.

    ``dag_is_paused`` means that the run waits until the DAG is unpaused.
    """

    dag_id: str
    run_id: str
    state: str
    run_after: datetime
    dag_is_paused: bool


class SyncList(BaseModel):
    """A page of syncs by name; ``cursor`` is the next page's ``after_cursor``."""

    syncs: list[SyncInfo]
    cursor: str | None
    has_more: bool


class ConnectedAccountList(BaseModel):
    """The connected accounts of a platform, and those syncs of its key that Stripe does not list.

    `state` is `new` (no sync), `synced`, `unlisted` (a sync, but not in Stripe's list) or
    `disconnected` (a sync, and Stripe gives the key no access).
    """

    accounts: list[ConnectedAccount]


class CreatedSyncs(BaseModel):
    """The new syncs, the runs of their backfills, accounts that had a sync, and errors."""

    syncs: list[SyncInfo]
    runs: list[Run]
    present: list[str]
    failed: dict[str, str]


class CreatedSync(BaseModel):
    """A new sync, and the run of its backfill."""

    sync: SyncInfo
    run: Run | None


class ReplicatedSync(BaseModel):
    """What was changed of the target, and the run of its backfill."""

    replication: Replication
    run: Run | None


class Health(BaseModel):
    """The API answers."""

    status: str
    version: str
