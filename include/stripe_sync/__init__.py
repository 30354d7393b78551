"""Replicates a Stripe account into Parquet files and a PostgreSQL warehouse.

This is the public interface of the package: the names in ``__all__``. Everything else is private.
Names are imported on first use, because DAG files import this package each time they are parsed.

Example:
    >>> import stripe_sync
    >>> stripe_sync.load_catalog().resolve("stripe:customer").name
    'customer'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    CatalogError,
    ConcurrentUpdate,
    ConfigurationError,
    ConsumerConflict,
    ConsumerNotFound,
    CursorVanished,
    EndpointUnavailable,
    EventCursorExpired,
    IdempotencyConflict,
    InvalidRequest,
    LakeAhead,
    LakeError,
    MalformedObject,
    NoProgress,
    NotFound,
    ObjectLocked,
    PermissionDenied,
    RateLimited,
    RecordNotFound,
    Refusal,
    StripeError,
    StripeSyncError,
    StripeUnavailable,
    StripeUnreachable,
    SyncBusy,
    SyncConflict,
    SyncNotFound,
    UnusableAnswer,
    WarehouseError,
)
from stripe_sync.version import __version__

if TYPE_CHECKING:
    from stripe_sync.accounts import (
        CredentialHealth,
        check_credential,
        create_key_url,
        describe_health,
    )
    from stripe_sync.accounts.completeness import MissingData, find_missing_data
    from stripe_sync.accounts.connected import (
        ConnectedAccount,
        ConnectedState,
        ConnectedSyncs,
        list_connected_accounts,
        resume_if_connected,
        sync_connected_accounts,
        syncs_to_backfill,
    )
    from stripe_sync.accounts.credentials.keys import (
        KeyProperties,
        change_credential,
        describe_credentials,
        follow_new_key,
        import_credential,
        probe_stored_credential,
    )
    from stripe_sync.accounts.credentials.stored import (
        CredentialInfo,
        KeyHealth,
        StoredCredential,
    )
    from stripe_sync.accounts.deletion import SyncDeletion, delete_sync
    from stripe_sync.accounts.erasing.erasure import (
        CustomerErasure,
        erase_customer,
        finish_erasures,
    )
    from stripe_sync.accounts.oauth.flow import (
        NewAuthorization,
        StartedAuthorization,
        StoredAccount,
        complete_authorization,
        deny_authorization,
        find_authorization,
        start_authorization,
    )
    from stripe_sync.accounts.overview import (
        SyncActivity,
        SyncOverview,
        describe_overview,
        sync_activity,
    )
    from stripe_sync.accounts.plans.apply import ApplyPlan, apply_syncs, plan_apply
    from stripe_sync.accounts.plans.replicate import Replication, replicate_sync
    from stripe_sync.accounts.plans.sync_file import DeclaredSync, read_sync_file
    from stripe_sync.accounts.plans.sync_plan import SyncPlan
    from stripe_sync.accounts.sync_of_key import choose_sync
    from stripe_sync.accounts.sync_status import SyncStatus, sync_status
    from stripe_sync.accounts.syncs import (
        SyncChanges,
        SyncInfo,
        check_runnable,
        create_sync,
        describe_syncs,
        get_sync,
        pause_sync,
        resume_sync,
        sync_settings,
        update_sync,
    )
    from stripe_sync.catalog import Catalog, Collection, load_catalog
    from stripe_sync.client import Credential
    from stripe_sync.client.scrub_secrets import scrubbed
    from stripe_sync.consumers.consumer import ConsumerSpec
    from stripe_sync.consumers.declared import (
        ConsumerPlan,
        apply_consumers,
        plan_consumers,
        read_consumer_file,
    )
    from stripe_sync.consumers.management import (
        create_consumer,
        dead_letters,
        delete_consumer,
        describe_consumers,
        get_consumer,
        pause_consumer,
        redeliver_dead_letters,
        reopen_consumer,
        replay_consumer,
        resume_consumer,
        update_consumer,
    )
    from stripe_sync.consumers.pull.queue import Acknowledged, PullQueue
    from stripe_sync.consumers.pull.take import PullBatch, PullInfo, PullItem
    from stripe_sync.consumers.sink import FindConnection, TargetConnection
    from stripe_sync.consumers.sinks.webhook.signing import new_webhook_secret
    from stripe_sync.consumers.supervisor import DeliveryReport, deliver
    from stripe_sync.dbt_runner import dbt_command, dbt_environment
    from stripe_sync.declared.changes import FieldChange
    from stripe_sync.libpq import render_warehouse_url
    from stripe_sync.mutations.await_consumers import wait_for_consumers
    from stripe_sync.mutations.background import BackgroundMutations
    from stripe_sync.mutations.mutation import Mutation, PreparedMutation, RunOptions
    from stripe_sync.mutations.proxy.proxy import ProxyAnswer
    from stripe_sync.mutations.proxy.request import ProxyRequest
    from stripe_sync.mutations.report import (
        MutationReport,
        MutationResult,
        MutationStatus,
        describe_mutation,
        report_json,
    )
    from stripe_sync.mutations.use_case import (
        ask_approval,
        find_approval,
        find_prepared_mutation,
        mutate,
        prepare_mutation,
        proxy_request,
        run_mutation,
        run_prepared_mutation,
        store_approval,
    )
    from stripe_sync.mutations.validation import check_verb, single_values
    from stripe_sync.mutations.verbs import mutable_collections, verbs_of
    from stripe_sync.records import CollectionStatus
    from stripe_sync.streams.cursor import StreamCursor
    from stripe_sync.streams.items import StreamItem
    from stripe_sync.streams.iterate import iterate_stream
    from stripe_sync.streams.page import StreamPage
    from stripe_sync.streams.reader import StreamReader
    from stripe_sync.streams.recent import FoundRecord, RecentEvent, RecentPage, RelatedRecords
    from stripe_sync.streams.selection import Selection
    from stripe_sync.sync.backfill.backfill import (
        BackfillPlan,
        BackfillReport,
        backfill_collection,
        plan_backfill,
    )
    from stripe_sync.sync.connections import Connections, SyncSettings
    from stripe_sync.sync.maintain import CollectionMaintenance, MaintainReport
    from stripe_sync.sync.poll.background import BackgroundPolling
    from stripe_sync.sync.poll.report import PollBatch, PollHealth, PollReport
    from stripe_sync.sync.poll.supervisor import Shard
    from stripe_sync.sync.poll.supervisor import poll_for as poll_syncs
    from stripe_sync.sync.progress import Progress
    from stripe_sync.sync.reconcile.reconcile import ReconcileReport, reconcile_collection
    from stripe_sync.sync.reconcile.schedule import DueRead
    from stripe_sync.sync.reload import ReloadReport, plan_reload, reload_collection
    from stripe_sync.use_cases import (
        backfill,
        check_syncs,
        fetch_account_id,
        list_syncs,
        maintain,
        plan_reconcile,
        poll,
        rebuild_types,
        reconcile,
        reload,
        status,
    )
    from stripe_sync.warehouse import (
        CollectionState,
        CollectionStatusRow,
        FreshnessPoint,
        OAuthAuthorization,
        ReadsPoint,
        RequestPoint,
        SyncProblem,
    )
    from stripe_sync.warehouse.consumers.consumers import ConsumerInfo, DeadLetter
    from stripe_sync.warehouse.mutations.approvals import Approval
    from stripe_sync.warehouse.notifications import StreamNotification, listen_streams

__all__ = [
    "AccountDisconnected",
    "Acknowledged",
    "ApplyPlan",
    "Approval",
    "AuthenticationError",
    "BackfillPlan",
    "BackfillReport",
    "BackgroundMutations",
    "BackgroundPolling",
    "Catalog",
    "CatalogError",
    "Collection",
    "CollectionMaintenance",
    "CollectionState",
    "CollectionStatus",
    "CollectionStatusRow",
    "ConcurrentUpdate",
    "ConfigurationError",
    "ConnectedAccount",
    "ConnectedState",
    "ConnectedSyncs",
    "Connections",
    "ConsumerConflict",
    "ConsumerInfo",
    "ConsumerNotFound",
    "ConsumerPlan",
    "ConsumerSpec",
    "Credential",
    "CredentialHealth",
    "CredentialInfo",
    "CursorVanished",
    "CustomerErasure",
    "DeadLetter",
    "DeclaredSync",
    "DeliveryReport",
    "DueRead",
    "EndpointUnavailable",
    "EventCursorExpired",
    "FieldChange",
    "FindConnection",
    "FoundRecord",
    "FreshnessPoint",
    "IdempotencyConflict",
    "InvalidRequest",
    "KeyHealth",
    "KeyProperties",
    "LakeAhead",
    "LakeError",
    "MaintainReport",
    "MalformedObject",
    "MissingData",
    "Mutation",
    "MutationReport",
    "MutationResult",
    "MutationStatus",
    "NewAuthorization",
    "NoProgress",
    "NotFound",
    "OAuthAuthorization",
    "ObjectLocked",
    "PermissionDenied",
    "PollBatch",
    "PollHealth",
    "PollReport",
    "PreparedMutation",
    "Progress",
    "ProxyAnswer",
    "ProxyRequest",
    "PullBatch",
    "PullInfo",
    "PullItem",
    "PullQueue",
    "RateLimited",
    "ReadsPoint",
    "RecentEvent",
    "RecentPage",
    "ReconcileReport",
    "RecordNotFound",
    "Refusal",
    "RelatedRecords",
    "ReloadReport",
    "Replication",
    "RequestPoint",
    "RunOptions",
    "Selection",
    "Shard",
    "StartedAuthorization",
    "StoredAccount",
    "StoredCredential",
    "StreamCursor",
    "StreamItem",
    "StreamNotification",
    "StreamPage",
    "StreamReader",
    "StripeError",
    "StripeSyncError",
    "StripeUnavailable",
    "StripeUnreachable",
    "SyncActivity",
    "SyncBusy",
    "SyncChanges",
    "SyncConflict",
    "SyncDeletion",
    "SyncInfo",
    "SyncNotFound",
    "SyncOverview",
    "SyncPlan",
    "SyncProblem",
    "SyncSettings",
    "SyncStatus",
    "TargetConnection",
    "UnusableAnswer",
    "WarehouseError",
    "__version__",
    "apply_consumers",
    "apply_syncs",
    "ask_approval",
    "backfill",
    "backfill_collection",
    "change_credential",
    "check_credential",
    "check_runnable",
    "check_syncs",
    "check_verb",
    "choose_sync",
    "complete_authorization",
    "create_consumer",
    "create_key_url",
    "create_sync",
    "dbt_command",
    "dbt_environment",
    "dead_letters",
    "delete_consumer",
    "delete_sync",
    "deliver",
    "deny_authorization",
    "describe_consumers",
    "describe_credentials",
    "describe_health",
    "describe_mutation",
    "describe_overview",
    "describe_syncs",
    "erase_customer",
    "fetch_account_id",
    "find_approval",
    "find_authorization",
    "find_missing_data",
    "find_prepared_mutation",
    "finish_erasures",
    "follow_new_key",
    "get_consumer",
    "get_sync",
    "import_credential",
    "iterate_stream",
    "list_connected_accounts",
    "list_syncs",
    "listen_streams",
    "load_catalog",
    "maintain",
    "mutable_collections",
    "mutate",
    "new_webhook_secret",
    "pause_consumer",
    "pause_sync",
    "plan_apply",
    "plan_backfill",
    "plan_consumers",
    "plan_reconcile",
    "plan_reload",
    "poll",
    "poll_syncs",
    "prepare_mutation",
    "probe_stored_credential",
    "proxy_request",
    "read_consumer_file",
    "read_sync_file",
    "rebuild_types",
    "reconcile",
    "reconcile_collection",
    "redeliver_dead_letters",
    "reload",
    "reload_collection",
    "render_warehouse_url",
    "reopen_consumer",
    "replay_consumer",
    "replicate_sync",
    "report_json",
    "resume_consumer",
    "resume_if_connected",
    "resume_sync",
    "run_mutation",
    "run_prepared_mutation",
    "scrubbed",
    "single_values",
    "start_authorization",
    "status",
    "store_approval",
    "sync_activity",
    "sync_connected_accounts",
    "sync_settings",
    "sync_status",
    "syncs_to_backfill",
    "update_consumer",
    "update_sync",
    "verbs_of",
    "wait_for_consumers",
]

_MODULES = {
    "accounts": ("CredentialHealth", "check_credential", "create_key_url", "describe_health"),
    "accounts.completeness": ("MissingData", "find_missing_data"),
    "accounts.connected": (
        "ConnectedAccount",
        "ConnectedState",
        "ConnectedSyncs",
        "list_connected_accounts",
        "resume_if_connected",
        "sync_connected_accounts",
        "syncs_to_backfill",
    ),
    "accounts.credentials.keys": (
        "KeyProperties",
        "change_credential",
        "describe_credentials",
        "follow_new_key",
        "import_credential",
        "probe_stored_credential",
    ),
    "accounts.credentials.stored": ("CredentialInfo", "KeyHealth", "StoredCredential"),
    "accounts.deletion": ("SyncDeletion", "delete_sync"),
    "accounts.erasing.erasure": ("CustomerErasure", "erase_customer", "finish_erasures"),
    "accounts.overview": (
        "SyncActivity",
        "SyncOverview",
        "describe_overview",
        "sync_activity",
    ),
    "accounts.plans.apply": ("ApplyPlan", "apply_syncs", "plan_apply"),
    "accounts.plans.replicate": ("Replication", "replicate_sync"),
    "accounts.plans.sync_file": ("DeclaredSync", "read_sync_file"),
    "accounts.plans.sync_plan": ("SyncPlan",),
    "declared.changes": ("FieldChange",),
    "accounts.sync_of_key": ("choose_sync",),
    "accounts.oauth.flow": (
        "NewAuthorization",
        "StartedAuthorization",
        "StoredAccount",
        "complete_authorization",
        "deny_authorization",
        "find_authorization",
        "start_authorization",
    ),
    "accounts.sync_status": ("SyncStatus", "sync_status"),
    "accounts.syncs": (
        "SyncChanges",
        "SyncInfo",
        "check_runnable",
        "create_sync",
        "describe_syncs",
        "get_sync",
        "pause_sync",
        "resume_sync",
        "sync_settings",
        "update_sync",
    ),
    "catalog": ("Catalog", "Collection", "load_catalog"),
    "client": ("Credential",),
    "client.scrub_secrets": ("scrubbed",),
    "records": ("CollectionStatus",),
    "mutations.await_consumers": ("wait_for_consumers",),
    "mutations.background": ("BackgroundMutations",),
    "mutations.mutation": ("Mutation", "PreparedMutation", "RunOptions"),
    "mutations.report": (
        "MutationReport",
        "MutationResult",
        "MutationStatus",
        "describe_mutation",
        "report_json",
    ),
    "mutations.proxy.proxy": ("ProxyAnswer",),
    "mutations.proxy.request": ("ProxyRequest",),
    "mutations.use_case": (
        "ask_approval",
        "find_approval",
        "find_prepared_mutation",
        "mutate",
        "prepare_mutation",
        "proxy_request",
        "run_mutation",
        "run_prepared_mutation",
        "store_approval",
    ),
    "mutations.validation": ("check_verb", "single_values"),
    "mutations.verbs": ("mutable_collections", "verbs_of"),
    "libpq": ("render_warehouse_url",),
    "consumers.consumer": ("ConsumerSpec",),
    "consumers.declared": (
        "ConsumerPlan",
        "apply_consumers",
        "plan_consumers",
        "read_consumer_file",
    ),
    "consumers.pull.queue": ("Acknowledged", "PullQueue"),
    "consumers.pull.take": ("PullBatch", "PullInfo", "PullItem"),
    "consumers.management": (
        "create_consumer",
        "dead_letters",
        "delete_consumer",
        "describe_consumers",
        "get_consumer",
        "pause_consumer",
        "redeliver_dead_letters",
        "reopen_consumer",
        "replay_consumer",
        "resume_consumer",
        "update_consumer",
    ),
    "consumers.sink": ("FindConnection", "TargetConnection"),
    "consumers.sinks.webhook.signing": ("new_webhook_secret",),
    "consumers.supervisor": ("DeliveryReport", "deliver"),
    "dbt_runner": ("dbt_command", "dbt_environment"),
    "streams.cursor": ("StreamCursor",),
    "streams.items": ("StreamItem",),
    "streams.iterate": ("iterate_stream",),
    "streams.page": ("StreamPage",),
    "streams.reader": ("StreamReader",),
    "streams.recent": ("FoundRecord", "RecentEvent", "RecentPage", "RelatedRecords"),
    "streams.selection": ("Selection",),
    "sync.backfill.backfill": (
        "BackfillPlan",
        "BackfillReport",
        "backfill_collection",
        "plan_backfill",
    ),
    "sync.connections": ("Connections", "SyncSettings"),
    "sync.maintain": ("CollectionMaintenance", "MaintainReport"),
    "sync.poll.background": ("BackgroundPolling",),
    "sync.poll.report": ("PollBatch", "PollHealth", "PollReport"),
    "sync.poll.supervisor": ("Shard", "poll_for"),
    "sync.progress": ("Progress",),
    "sync.reconcile.reconcile": ("ReconcileReport", "reconcile_collection"),
    "sync.reconcile.schedule": ("DueRead",),
    "sync.reload": ("ReloadReport", "plan_reload", "reload_collection"),
    "use_cases": (
        "backfill",
        "check_syncs",
        "fetch_account_id",
        "list_syncs",
        "maintain",
        "plan_reconcile",
        "poll",
        "rebuild_types",
        "reconcile",
        "reload",
        "status",
    ),
    "warehouse": (
        "CollectionState",
        "CollectionStatusRow",
        "FreshnessPoint",
        "OAuthAuthorization",
        "ReadsPoint",
        "RequestPoint",
        "SyncProblem",
    ),
    "warehouse.consumers.consumers": ("ConsumerInfo", "DeadLetter"),
    "warehouse.mutations.approvals": ("Approval",),
    "warehouse.notifications": ("StreamNotification", "listen_streams"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
_ALIASES = {"poll_syncs": "poll_for"}


def __getattr__(name: str) -> Any:
    home = _HOME.get(_ALIASES.get(name, name))
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{home}"), _ALIASES.get(name, name))
    globals()[name] = value
    return value
