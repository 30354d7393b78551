"""Which syncs use a credential, and what they have met with its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stripe_sync.accounts.credentials.health import HealthStatus
from stripe_sync.accounts.credentials.stored import KeyHealth, StoredCredential
from stripe_sync.client import Credential
from stripe_sync.clock import SystemClock
from stripe_sync.sync.account_check import key_fingerprint
from stripe_sync.warehouse import KeyState, Sync
from stripe_sync.warehouse.warehouse import open_warehouse

_PROBLEMS = (HealthStatus.REFUSED, HealthStatus.LIMITED)


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """A sync that uses a credential.

    Attributes:
        sync: Its name.
        account_id: ``acct_…``; None where it is not known.
        key_fingerprint: Of the key that was last found to be for this account.
        state: What was met with its key.
    """

    sync: str
    account_id: str | None
    key_fingerprint: UUID | None
    state: KeyState


@dataclass(frozen=True, slots=True)
class CredentialUses:
    """All uses of credentials.

    Attributes:
        by_id: Uses by id of the credential.
        now: The warehouse's time; this machine's without a warehouse, when nothing is compared.
    """

    by_id: Mapping[str, Sequence[CredentialUse]]
    now: datetime

    def of(self, credential_id: str) -> Sequence[CredentialUse]:
        """The uses of one credential."""
        return self.by_id.get(credential_id, ())


def find_uses(warehouse_url: str | None) -> CredentialUses:
    """All uses of credentials.

    Args:
        warehouse_url: The warehouse, which has the syncs; None where there is none yet.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    if warehouse_url is None:
        return CredentialUses({}, SystemClock().now())
    with open_warehouse(warehouse_url) as warehouse:
        states = {state.sync_id: state for state in warehouse.sync_statuses.key_states()}
        by_id: dict[str, list[CredentialUse]] = {}
        for sync in warehouse.syncs.all():
            if state := states.get(sync.id):
                by_id.setdefault(sync.conn_id, []).append(_use(sync, state))
        return CredentialUses(by_id, warehouse.sync_statuses.now())


def _use(sync: Sync, state: KeyState) -> CredentialUse:
    account_id = sync.account_id if sync.account_id.startswith("acct_") else None
    return CredentialUse(sync.name, account_id, sync.key_fingerprint, state)


def account_id_of(stored: StoredCredential, uses: Sequence[CredentialUse]) -> str | None:
    """The account of a credential: as stored with it, or as a sync has learnt it from this key."""
    if stored.account_id:
        return stored.account_id
    credential = stored.credential_if_valid()
    if credential is None:
        return None
    fingerprint = key_fingerprint(credential)
    learnt = (use.account_id for use in uses if use.key_fingerprint == fingerprint)
    return next((account_id for account_id in learnt if account_id), credential.account)


def current_health(stored: StoredCredential, uses: Sequence[CredentialUse]) -> KeyHealth:
    """The last check of a credential, with what its syncs have met since with the same key."""
    credential = stored.credential_if_valid()
    if credential is None:
        note = "the connection has no valid key: PATCH a new one"
        return KeyHealth(HealthStatus.REFUSED, (note,))
    found = [stored.health, *(each for use in uses for each in _met(use, stored, credential))]
    problems = [each for each in found if each.status in _PROBLEMS]
    good = max(
        (each.time for each in found if each.status == HealthStatus.OK and each.time), default=None
    )
    # A refusal ends with the next answer; a missing permission stays until it is looked for again.
    problems = [
        each
        for each in problems
        if each.status == HealthStatus.LIMITED or good is None or (each.time and each.time > good)
    ]
    if problems:
        status = min((each.status for each in problems), key=_PROBLEMS.index)
    else:
        status = HealthStatus.OK if good else stored.health.status
    notes = stored.health.notes if stored.health.status == status else ()
    notes += tuple(note for each in problems if each is not stored.health for note in each.notes)
    times = [each.time for each in found if each.time and each.status == status]
    time = max(times, default=stored.health.time)
    return KeyHealth(status, notes, time, stored.health.collections)


def _met(
    use: CredentialUse, stored: StoredCredential, credential: Credential
) -> Iterator[KeyHealth]:
    """What a sync has met since the key was stored."""
    state = use.state

    def is_new(moment: datetime | None) -> bool:
        return moment is not None and (stored.key_since is None or moment > stored.key_since)

    if state.key_problem and is_new(state.message_at):
        note = f"sync {use.sync}: {state.message}"
        yield KeyHealth(state.key_problem, (note,), state.message_at)
    elif is_new(state.polled_at) and use.key_fingerprint == key_fingerprint(credential):
        yield KeyHealth(HealthStatus.OK, (), state.polled_at)
    if state.forbidden and is_new(state.forbidden_at):
        note = f"sync {use.sync} may not read {', '.join(state.forbidden)}"
        yield KeyHealth(HealthStatus.LIMITED, (note,), state.forbidden_at)
