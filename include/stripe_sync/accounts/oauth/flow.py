"""Connect an account: start, claim the code, exchange it, store the account, answer repeats."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stripe_sync.accounts.credentials.keys import check_credential_name
from stripe_sync.accounts.oauth.exchange import authorize_url, exchange_code
from stripe_sync.accounts.oauth.state import check_state, hashed, new_state
from stripe_sync.accounts.sync_values import check_external_id, merge_metadata
from stripe_sync.client import Credential
from stripe_sync.errors import ConfigurationError, StripeSyncError, SyncConflict
from stripe_sync.records import canonical_json
from stripe_sync.warehouse import OAuthAuthorization, Warehouse
from stripe_sync.warehouse.warehouse import open_warehouse

STATE_SECONDS = 3600.0
"""How long a state is good: the owner may have to open an account first."""

CALLER_STATE_BYTES = 5_000

_EXCHANGE_SECONDS = 60.0
"""After this time an exchange without a result has been lost with its process."""

_REPEAT_SECONDS, _LOOK_SECONDS = 5.0, 0.1
"""How long a repeat waits for the answer to the first request, and how often it looks."""

_AGAIN = "start again with start-auth"
_LOST = (
    "the exchange of the code was interrupted, and a code is never sent twice, since that would"
    f" revoke the account: {_AGAIN}"
)


@dataclass(frozen=True, slots=True)
class NewAuthorization:
    """What is to be connected.

    Attributes:
        user_name: Who starts it; nobody else may end it while logged in.
        platform_id: Airflow connection of the platform's key.
        redirect_uri: Where Stripe sends the browser with the code.
        redirect_url: Where the browser goes at the end; None for nowhere.
        caller_state: Handed back at the end, JSON of up to 5,000 bytes.
        name: Name of the new credential; None for the account's.
        external_id: The caller's own id of it.
        metadata: The caller's own data of it.
        sync: The sync to create, as JSON; None for none.
    """

    user_name: str
    platform_id: str
    redirect_uri: str
    redirect_url: str | None = None
    caller_state: Any = None
    name: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    sync: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class StartedAuthorization:
    """An authorization that was started.

    Attributes:
        authorize_url: Stripe's page; it has the state.
        state: The state, for who exchanges the code.
        expires_at: Until when a code is accepted.
    """

    authorize_url: str
    state: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """Where a connected account was stored.

    Attributes:
        credential_id: Its credential.
        sync_name: The sync that was created; None for none.
    """

    credential_id: str
    sync_name: str | None = None


def start_authorization(
    warehouse_url: str, new: NewAuthorization, platform: Credential, client_id: str, *, secret: str
) -> StartedAuthorization:
    """Start an authorization. No request to Stripe is sent.

    Args:
        warehouse_url: The warehouse.
        new: What is to be connected.
        platform: The platform's key.
        client_id: ``ca_…`` of the platform, of the mode of the key.
        secret: Signs the state; the same in all processes.

    Raises:
        ConfigurationError: A value is invalid; ``param`` has its name.
        WarehouseError: The warehouse cannot be reached.
    """
    check_credential_name(new.name)
    wanted = {
        "name": new.name,
        "external_id": check_external_id(new.external_id),
        "metadata": merge_metadata({}, new.metadata),
        "sync": None if new.sync is None else dict(new.sync),
    }
    _check_caller_state(new.caller_state)
    state = new_state(secret)
    url = authorize_url(platform, client_id, redirect_uri=new.redirect_uri, state=state)
    with open_warehouse(warehouse_url) as warehouse:
        expires_at = warehouse.oauth_authorizations.start(
            hashed(state),
            seconds=STATE_SECONDS,
            user_name=new.user_name,
            livemode=platform.livemode,
            platform_id=new.platform_id,
            redirect_url=new.redirect_url,
            caller_state=new.caller_state,
            wanted=wanted,
        )
    return StartedAuthorization(url, state, expires_at)


def find_authorization(
    warehouse_url: str, state: str, *, secret: str, user_name: str | None
) -> OAuthAuthorization:
    """The authorization of a state.

    Args:
        warehouse_url: The warehouse.
        state: As Stripe handed it back.
        secret: Signs the state.
        user_name: Who is logged in; None for nobody.

    Raises:
        ConfigurationError: The state is none of ours, was changed, or belongs to another user.
        WarehouseError: The warehouse cannot be reached.
    """
    authorization_id = check_state(state, secret)
    with open_warehouse(warehouse_url) as warehouse:
        found = warehouse.oauth_authorizations.find(authorization_id)
    if found is None:
        message = f"this state is not known any more: {_AGAIN}"
        raise ConfigurationError(message, param="state")
    if user_name not in (None, found.user_name):
        message = "another user has started this authorization: only they can end it"
        raise ConfigurationError(message, param="state")
    return found


def deny_authorization(warehouse_url: str, authorization: OAuthAuthorization) -> None:
    """Store that the owner of the account has denied; the state cannot be used any more.

    Raises:
        SyncConflict: The state was used before.
    """
    if authorization.status != "started":
        raise _used(authorization)
    message = f"the owner of the account has denied access: {_AGAIN}"
    with open_warehouse(warehouse_url) as warehouse:
        if not warehouse.oauth_authorizations.deny(authorization.id, message):
            raise _used(_current(warehouse, authorization))


def complete_authorization(
    warehouse_url: str,
    authorization: OAuthAuthorization,
    code: str,
    *,
    open_platform: Callable[[str], Credential],
    store: Callable[[OAuthAuthorization], StoredAccount],
) -> OAuthAuthorization:
    """Exchange the code of an authorization and store its account; a repeat gets the stored answer.

    Args:
        warehouse_url: The warehouse.
        authorization: The authorization.
        code: The code. It is claimed first and sent once, whatever happens.
        open_platform: Gives the key of a platform by the id of its connection.
        store: Stores the account; called again after an interruption, and must do the same then.

    Raises:
        SyncConflict: The state was used before, has expired, or its code is being exchanged.
        ConfigurationError: Stripe refuses the code.
        StripeUnreachable: Stripe's answer was lost; the code is used up.
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        authorizations = warehouse.oauth_authorizations
        if authorization.status == "started":
            platform = open_platform(authorization.platform_id)
            if authorizations.claim(authorization.id, hashed(code)):
                _exchange(warehouse, authorization, platform, code)
            elif _current(warehouse, authorization).code_hash != hashed(code):
                raise _not_claimed(warehouse, authorization)
        elif authorization.code_hash != hashed(code):
            raise _used(authorization)
        found = _after_exchange(warehouse, authorization)
        if found.status == "exchanged":
            stored = store(found)
            authorizations.change(
                found.id,
                status="done",
                credential_id=stored.credential_id,
                sync_name=stored.sync_name,
            )
            found = _current(warehouse, authorization)
    if found.status != "done":
        raise _unfinished(found)
    return found


def _exchange(
    warehouse: Warehouse, authorization: OAuthAuthorization, platform: Credential, code: str
) -> None:
    """Exchange a claimed code, and store what came of it."""
    change = warehouse.oauth_authorizations.change
    try:
        if platform.livemode != authorization.livemode:
            message = f"the platform's key was replaced by one of the other mode: {_AGAIN}"
            raise ConfigurationError(message, param="state")
        account_id = exchange_code(platform, code)
    except StripeSyncError as error:
        change(authorization.id, status="failed", message=str(error))
        raise
    change(authorization.id, status="exchanged", account_id=account_id)


def _after_exchange(warehouse: Warehouse, authorization: OAuthAuthorization) -> OAuthAuthorization:
    """The authorization, after another process has exchanged its code: browsers ask twice at once.

    As it is where that takes longer.
    """
    end = time.monotonic() + _REPEAT_SECONDS
    found = _current(warehouse, authorization)
    while found.status == "claimed" and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        found = _current(warehouse, authorization)
    return found


def _current(warehouse: Warehouse, authorization: OAuthAuthorization) -> OAuthAuthorization:
    return warehouse.oauth_authorizations.find(authorization.id) or authorization


def _not_claimed(warehouse: Warehouse, authorization: OAuthAuthorization) -> SyncConflict:
    found = _current(warehouse, authorization)
    if found.status == "started" and not found.is_expired:
        message = f"this code was used for another authorization: {_AGAIN}"
        return SyncConflict(message, param="code")
    return _used(found)


def _used(authorization: OAuthAuthorization) -> SyncConflict:
    if authorization.status == "started":
        message = f"the state has expired, one hour after it was made: {_AGAIN}"
    else:
        message = f"the state was used before: {_AGAIN}"
    return SyncConflict(message, param="state")


def _unfinished(authorization: OAuthAuthorization) -> SyncConflict:
    if authorization.status == "failed":
        return SyncConflict(authorization.message or _AGAIN, param="state")
    if (authorization.claimed_seconds or 0.0) < _EXCHANGE_SECONDS:
        message = "the code is being exchanged: try again in a minute"
        return SyncConflict(message, param="code")
    return SyncConflict(_LOST, param="code")


def _check_caller_state(value: Any) -> None:
    """Check the caller's own state.

    Raises:
        ConfigurationError: It cannot be stored, or is too large.
    """
    message = f"state is JSON of at most {CALLER_STATE_BYTES:,} bytes, without NUL characters"
    try:
        merge_metadata({}, {"state": value})
    except ConfigurationError as error:
        raise ConfigurationError(message, param="state") from error
    if len(canonical_json.dumps(value)) > CALLER_STATE_BYTES:
        raise ConfigurationError(message, param="state")
