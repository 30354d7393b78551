"""Replicate: copy a sync that was tested onto a live mode key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from stripe_sync.accounts.credentials.check import check_credential
from stripe_sync.accounts.credentials.health import (
    Access,
    CollectionAccess,
    CredentialHealth,
    HealthStatus,
)
from stripe_sync.accounts.plans.sync_plan import (
    Action,
    SyncPlan,
    WantedSync,
    plan_sync,
    store_sync,
)
from stripe_sync.accounts.sync_values import check_connection_id, check_name, merge_settings
from stripe_sync.accounts.syncs import find_sync
from stripe_sync.catalog import STRIPE_EVENTS
from stripe_sync.client import Credential
from stripe_sync.declared.changes import FieldChange
from stripe_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    StripeUnreachable,
    SyncConflict,
)
from stripe_sync.lake import Lake
from stripe_sync.records import canonical_json, ids
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.sync.session import refuse_history
from stripe_sync.warehouse import Sync
from stripe_sync.warehouse.warehouse import open_warehouse

OF_THE_MODE = (
    "requests_per_second",
    "total_requests_per_second",
    "endpoint_requests_per_second",
    "approve_mutations",
)
"""Settings that are not copied: limits and approval are another thing in live mode."""

LEFT_OUT = ("exclude", "hash_fields")
"""Settings that are copied from the connection of the source, too: nobody must find personal data
in production that the test left out."""


@dataclass(frozen=True, slots=True)
class Replication:
    """What a replication changes, or has changed.

    Attributes:
        source: The sync that is copied.
        target: The live mode sync.
        account_id: Account of the live mode key; None where nothing that it may read names it.
        action: ``create``, ``update``, or ``none``: the target is up to date already.
        changes: Each field of the target that differs.
        changes_id: The same for the same changes of the same target; for ``expected``.
        missing: Collections of the target, and Stripe events, that the key may not read, with the
            permissions that it lacks.
        backfill: Ids of the collections that need a backfill: never backfilled, or added.
        backfill_run_id: Id for the run of that backfill, the same as long as it is the same one.
        notes: What else is to be known, a sentence each.
        is_applied: Whether it was done, rather than only shown.
    """

    source: str
    target: str
    account_id: str | None
    action: Action
    changes: tuple[FieldChange, ...]
    changes_id: UUID
    missing: tuple[CollectionAccess, ...]
    backfill: tuple[str, ...]
    backfill_run_id: str | None = None
    notes: tuple[str, ...] = field(default=())
    is_applied: bool = False


def replicate_sync(
    connections: Connections,
    source: str,
    target: str,
    *,
    connection_id: str | None = None,
    dry_run: bool = False,
    expected: UUID | None = None,
) -> Replication:
    """Copy collections, settings and metadata of a sync onto a live mode sync.

    The target is created where it does not exist. Run again, it brings over what has changed, also
    what was removed. The target keeps its account, connection, external id, status and rate limits.
    A new one acts on the connected account of the source, if that has one.

    Of the settings in the extras of the source's connection only ``exclude`` and ``hash_fields``
    are copied, as the source used them when it last ran, in addition to those of the live mode
    connection. Nothing is copied from Stripe or the warehouse: the target has to be backfilled.

    The key's permissions are probed first, with about 120 requests that change nothing.

    Args:
        connections: The live mode key, and how to reach the warehouse and the lake.
        source: Name or id of the sync to copy.
        target: Name of the live mode sync.
        connection_id: Airflow connection that has the live mode key, to be stored with the target;
            None to leave it as it is.
        dry_run: Only find out what would be changed.
        expected: ``changes_id`` of a dry run that somebody has looked at. Other changes, because
            the source or the target was changed meanwhile, are refused.

    Raises:
        SyncNotFound: There is no such source.
        ConfigurationError: The key is a test mode key, or for the account and mode of the source,
            or for another account than the target, or its connection lacks the ``hash_secret`` for
            ``hash_fields``; ``param`` has the name of what is wrong.
        AuthenticationError: Stripe refuses the key.
        StripeUnreachable: Stripe did not answer.
        SyncConflict: Source or target is being deleted, or there is data of another sync with the
            target's name, or the changes are not the expected ones.

    Example:
        >>> from stripe_sync import replicate_sync
        >>> replicate_sync(live, "default", "production", dry_run=True).action
        'create'
    """
    check_connection_id(connection_id)
    with open_warehouse(connections.warehouse_url) as warehouse:
        copied = find_sync(warehouse, source)
        stored = warehouse.syncs.find(target)
        connections = _on_account(connections, stored or copied)
        _check_target(copied, target, stored, connections.credential)
        if stored is None or not stored.is_account_learnt:
            refuse_history(warehouse, Lake(connections.lake_url, target), target)
        wanted = _wanted(connections, copied, target, connection_id)
        plan = plan_sync(warehouse, wanted)
        health = _check_key(connections, copied, stored, wanted)
        if not dry_run and plan.action != "none":
            if expected not in (None, _changes_id(plan, health)):
                message = (
                    f"sync {source} or {target} was changed meanwhile: look at the difference again"
                )
                raise SyncConflict(message, param="expected")
            stored = store_sync(warehouse, wanted)
        return _report(connections, copied, plan, health, stored, dry_run=dry_run)


def _on_account(connections: Connections, sync: Sync) -> Connections:
    """The connections with the connected account that the target acts on, or will."""
    if sync.connected_account is None:
        return connections
    credential = replace(connections.credential, account=sync.connected_account)
    return replace(connections, credential=credential)


def _check_target(source: Sync, target: str, stored: Sync | None, credential: Credential) -> None:
    """Check what needs no request.

    Raises:
        ConfigurationError: Something cannot be right.
        SyncConflict: The source is being deleted.
    """
    check_name(target)
    if source.status == "deleting":
        message = f"sync {source.name} is being deleted: there is nothing left to copy"
        raise SyncConflict(message, param="source")
    if target == source.name:
        message = "source and target are the same sync: choose another name for the target"
        raise ConfigurationError(message, param="name")
    if not credential.livemode:
        message = (
            "a sync is replicated to a live mode key, and this is a test mode key: use one that"
            " begins with rk_live_ or sk_live_"
        )
        raise ConfigurationError(message, param="connection_id")
    if stored and not stored.livemode:
        message = f"sync {target} is in test mode: choose another name for the live mode sync"
        raise ConfigurationError(message, param="name")


def _wanted(
    connections: Connections, source: Sync, target: str, connection_id: str | None
) -> WantedSync:
    collections = None if source.collections is None else [*source.collections]
    left_out = _left_out(connections.settings, source)

    def columns(stored: Sync | None) -> dict[str, Any]:
        own = stored.overrides if stored else {}
        settings = {
            **left_out,
            **{name: value for name, value in source.overrides.items() if name not in OF_THE_MODE},
            **{name: value for name, value in own.items() if name in OF_THE_MODE},
        }
        found: dict[str, Any] = {
            "collections": collections,
            "overrides": merge_settings({}, settings),
            "metadata": source.metadata,
        }
        if stored is None and source.connected_account:
            found["connected_account"] = source.connected_account  # its id is that of both modes
        if connection_id is not None:
            found["connection_id"] = connection_id
        return found

    return WantedSync(target, livemode=True, columns=columns)


def _left_out(settings: SyncSettings, source: Sync) -> dict[str, list[str]]:
    """What the connection of the source leaves out or hashes, and that of the target does not."""
    found = {}
    for name in LEFT_OUT:
        own, others = getattr(settings, name), source.settings.get(name) or ()
        if not set(others) <= set(own):
            found[name] = list(dict.fromkeys((*own, *others)))
    return found


def _check_key(
    connections: Connections, source: Sync, stored: Sync | None, wanted: WantedSync
) -> CredentialHealth:
    """Find out what the key may do, and refuse one that cannot be right.

    Raises:
        AuthenticationError: Stripe refuses it.
        StripeUnreachable: Stripe did not answer.
        ConfigurationError: It is for an account that it must not be for.
    """
    settings = connections.settings.overridden_by(wanted.values(stored)["overrides"])
    try:
        replace(connections, settings=settings).field_rules()
    except ConfigurationError as error:
        error.param = "connection_id"
        raise
    health = check_credential(
        connections.credential, settings, warehouse_url=connections.warehouse_url
    )
    if health.status is HealthStatus.REFUSED:
        raise AuthenticationError(health.notes[0])
    if not health.collections:
        raise StripeUnreachable(health.notes[0])
    if health.account and source.livemode and health.account == source.account_id:
        message = (
            f"the key is for {health.account} in live mode, as sync {source.name}: a sync is"
            " replicated to another account or mode"
        )
        raise ConfigurationError(message, param="connection_id")
    known = stored is not None and stored.account_id.startswith("acct_")
    if stored and known and health.account not in (None, stored.account_id):
        message = (
            f"sync {stored.name} stores account {stored.account_id}, but the key is for"
            f" {health.account}: choose another name, or the connection of that account"
        )
        raise ConfigurationError(message, param="connection_id")
    return health


def _report(
    connections: Connections,
    source: Sync,
    plan: SyncPlan,
    health: CredentialHealth,
    target: Sync | None,
    *,
    dry_run: bool,
) -> Replication:
    return Replication(
        source=source.name,
        target=plan.sync,
        account_id=health.account,
        action=plan.action,
        changes=plan.changes,
        changes_id=_changes_id(plan, health),
        missing=tuple(_missing(health, source)),
        backfill=plan.backfill,
        backfill_run_id=_run_id(target, plan.backfill) if target and not dry_run else None,
        notes=(*health.notes, *_notes(connections, source, target)),
        is_applied=not dry_run,
    )


def _changes_id(plan: SyncPlan, health: CredentialHealth) -> UUID:
    changes = [[each.field, each.old, each.new] for each in plan.changes]
    return ids.fingerprint(canonical_json.dumps([plan.sync, health.account, changes]))


def _missing(health: CredentialHealth, source: Sync) -> Iterator[CollectionAccess]:
    for each in health.collections:
        is_needed = source.selects(each.collection) or each.collection == STRIPE_EVENTS
        if is_needed and each.read in (Access.NO, Access.IN_PART):
            yield each


def _notes(connections: Connections, source: Sync, target: Sync | None) -> Iterator[str]:
    if target and target.status != "active":
        yield f"Sync {target.name} is {target.status}: resume it, and backfill what it lacks."
    alone = replace(connections, settings=SyncSettings()).of_sync(source).settings
    stored = alone.model_dump(mode="json")
    others = [
        name
        for name, value in source.settings.items()
        if name not in (*source.overrides, *OF_THE_MODE, *LEFT_OUT)
        and value != stored.get(name, value)
    ]
    if others:
        yield (
            f"Not copied, because it is in the connection of sync {source.name} and not stored with"
            f" it: {', '.join(sorted(others))}."
        )


def _run_id(target: Sync, backfill: Sequence[str]) -> str | None:
    """The same for a replication that was repeated before its backfill began; None for none."""
    if not backfill:
        return None
    due = [str(target.id), target.updated_at.isoformat(), *backfill]
    return f"replicate__{target.name}__{ids.fingerprint(canonical_json.dumps(due)).hex[:12]}"
