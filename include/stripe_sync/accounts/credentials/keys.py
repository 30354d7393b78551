"""Import, change and check credentials. What they return is to be stored by the caller.

Stripe is asked whose a key is before anything is stored. Messages never repeat a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from stripe_sync.accounts.credentials.check import check_credential, identify_credential
from stripe_sync.accounts.credentials.health import HealthStatus
from stripe_sync.accounts.credentials.stored import (
    CredentialInfo,
    KeyHealth,
    StoredCredential,
    masked,
)
from stripe_sync.accounts.credentials.uses import (
    CredentialUse,
    CredentialUses,
    account_id_of,
    current_health,
    find_uses,
)
from stripe_sync.accounts.sync_values import check_external_id, merge_metadata, refuse_keys
from stripe_sync.client import Credential
from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    ConfigurationError,
    PermissionDenied,
)
from stripe_sync.records import ids
from stripe_sync.sync.account_check import key_fingerprint

KIND = "stripe_key"
NAME_LENGTH = 255

_FINGERPRINT_LENGTH = 12
_PARAMS = {
    "api_key": "properties.secret_key",
    "mode": "properties.test",
    "account": "properties.account",
    "api_base": "properties.api_base",
}
_UNKNOWN_ACCOUNT = "Nothing that the key may read names its account; syncs compare objects instead."
_NOT_CHECKED = "Which collections this restricted key may read was not checked: use ?check=true."


@dataclass(frozen=True, slots=True)
class KeyProperties:
    """A key to import.

    Attributes:
        secret_key: Secret or restricted key.
        test: Whether it must be a test mode key; None for either.
        name: Chosen by a person; None for the name of the account, or its id.
        account: Connected account to act on, ``acct_…``; None for the key's own.
        api_base: Address of the API; None for Stripe's own.
        proxy: As of ``Credential``; None for that of the environment.
        ca_bundle: As of ``Credential``; None for the environment's.
    """

    secret_key: str = field(repr=False)
    test: bool | None = None
    name: str | None = None
    account: str | None = None
    api_base: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None


def import_credential(
    key: KeyProperties,
    stored: Sequence[StoredCredential],
    *,
    metadata: Mapping[str, object] | None = None,
    external_id: str | None = None,
    warehouse_url: str | None = None,
) -> StoredCredential:
    """The credential of a key: the stored one of the same account and mode, or a new one.

    Args:
        key: The key.
        stored: All stored credentials.
        metadata: The caller's own data, merged into what is stored; None removes a name.
        external_id: The caller's own id; None leaves what is stored.
        warehouse_url: The warehouse, whose syncs know accounts; None where there is none yet.

    Returns:
        What to store under its ``id``.

    Raises:
        ConfigurationError: A value is invalid; ``param`` has its name.
        AuthenticationError: Stripe refuses the key; ``param`` too.
        AccountDisconnected: The key has no access to the connected account; ``param`` too.
        StripeError: Stripe cannot be reached.
        WarehouseError: The warehouse cannot be reached.
    """
    check_credential_name(key.name)
    credential, uses = _credential_of(key), find_uses(warehouse_url)
    with _naming("properties.secret_key", credential):
        identity = identify_credential(credential, warehouse_url=warehouse_url)
    existing = _find(stored, uses, credential, identity.account)
    base = existing or StoredCredential(
        _new_id(credential, identity.account), "", identity.name or identity.account or ""
    )
    changed = _with_key(base, credential, identity.account, uses)
    return replace(
        changed,
        name=key.name or changed.name or changed.id,
        metadata=merge_metadata(changed.metadata, metadata or {}),
        external_id=check_external_id(external_id) or changed.external_id,
    )


def change_credential(
    stored: StoredCredential,
    changes: Mapping[str, Any],
    *,
    warehouse_url: str | None = None,
) -> StoredCredential:
    """A stored credential with some changes.

    Args:
        stored: The credential.
        changes: Any of ``secret_key`` (of the same account and mode), ``test``, ``name``,
            ``external_id`` and ``metadata``.
        warehouse_url: The warehouse, whose syncs know accounts; None where there is none yet.

    Raises:
        ConfigurationError: A value is invalid, or the key is for another account; ``param`` has
            the name.
        AuthenticationError: Stripe refuses the key; ``param`` too.
        StripeError: Stripe cannot be reached.
        WarehouseError: The warehouse cannot be reached.
    """
    changed = stored
    if "secret_key" in changes:
        changed = _with_new_key(changed, changes, find_uses(warehouse_url), warehouse_url)
    elif changes.get("test") is not None:
        _check_mode(stored, test=changes["test"])
    if changes.get("name") is not None:
        check_credential_name(changes["name"])
        changed = replace(changed, name=changes["name"])
    if "external_id" in changes:
        changed = replace(changed, external_id=check_external_id(changes["external_id"]))
    metadata = merge_metadata(changed.metadata, changes.get("metadata") or {})
    return replace(changed, metadata=metadata)


def follow_new_key(
    before: StoredCredential, after: StoredCredential, stored: Iterable[StoredCredential]
) -> list[StoredCredential]:
    """The credentials of connected accounts after the key of their platform was replaced.

    They have the platform's key, because Connect's OAuth stores the account and no tokens.

    Args:
        before: The platform's credential with the old key.
        after: The same with the new key.
        stored: All stored credentials.

    Returns:
        What to store, before the platform's own: then a repetition finds what is left.

    Example:
        >>> from stripe_sync import follow_new_key
        >>> follow_new_key(stored, stored, [])  # the same key
        []
    """
    if before.api_key == after.api_key or "account" in before.fields:
        return []
    return [
        replace(each, api_key=after.api_key, key_since=after.key_since, health=after.health)
        for each in stored
        if each.api_key == before.api_key and "account" in each.fields
    ]


def probe_stored_credential(
    stored: StoredCredential, *, warehouse_url: str | None = None
) -> StoredCredential:
    """A credential after a check of what its key may do; see :func:`stripe_sync.check_credential`.

    Args:
        stored: The credential.
        warehouse_url: The warehouse whose processes share the request budget; None for none.

    Raises:
        ConfigurationError: The connection has no valid key, or an invalid setting.
        WarehouseError: The warehouse cannot be reached.
    """
    now = find_uses(warehouse_url).now
    health = check_credential(
        stored.credential(), stored.sync_settings(), warehouse_url=warehouse_url
    )
    found = health.as_json()["collections"]
    missing = [each for each in found if each["missing_permissions"] and each["read"] != "yes"]
    lacking = sorted({name for each in missing for name in each["missing_permissions"]})
    notes = (*health.notes, *([f"Missing to read: {', '.join(lacking)}."] if lacking else []))
    return replace(
        stored,
        account_id=stored.account_id or health.account,
        health=KeyHealth(health.status, notes, now, found),
    )


def describe_credentials(
    stored: Iterable[StoredCredential], warehouse_url: str | None
) -> list[CredentialInfo]:
    """Credentials without their secrets, with the syncs that use them and what those have met.

    Args:
        stored: The credentials.
        warehouse_url: The warehouse, which has the syncs; None where there is none yet.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    uses = find_uses(warehouse_url)
    return [_describe(each, uses.of(each.id)) for each in stored]


def check_credential_name(name: str | None) -> None:
    """Check the name of a credential.

    Raises:
        ConfigurationError: It cannot be stored, or is too long.
    """
    if name is not None and (
        not name.strip() or not ids.is_storable(name) or len(name) > NAME_LENGTH
    ):
        message = f"a name is a text of 1 to {NAME_LENGTH} characters"
        raise ConfigurationError(message, param="properties.name")
    refuse_keys(name, "properties.name")


def _describe(stored: StoredCredential, uses: Sequence[CredentialUse]) -> CredentialInfo:
    credential = stored.credential_if_valid()
    account_id, health = account_id_of(stored, uses), current_health(stored, uses)
    if credential and account_id is None and _UNKNOWN_ACCOUNT not in health.notes:
        health = replace(health, notes=(*health.notes, _UNKNOWN_ACCOUNT))
    return CredentialInfo(
        id=stored.id,
        kind=KIND,
        name=stored.name,
        secret_key=masked(stored.api_key),
        test=None if credential is None else not credential.livemode,
        account=stored.fields.get("account"),
        api_base=credential.api_base if credential else stored.fields.get("api_base"),
        account_id=account_id,
        syncs=tuple(use.sync for use in uses),
        health=health,
        external_id=stored.external_id,
        metadata=stored.metadata,
    )


def _credential_of(key: KeyProperties) -> Credential:
    names = ("account", "api_base", "proxy", "ca_bundle")
    given = {name: getattr(key, name) for name in names}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with _renaming_params():
        credential = Credential(key.secret_key, **fields)
        return _in_mode(credential, test=key.test)


def _in_mode(credential: Credential, *, test: bool | None) -> Credential:
    """The credential, which from now on is refused with a key of the other mode."""
    livemode = credential.livemode if test is None else not test
    return replace(credential, mode="live" if livemode else "test")


def _find(
    stored: Sequence[StoredCredential],
    uses: CredentialUses,
    credential: Credential,
    account_id: str | None,
) -> StoredCredential | None:
    """The stored credential of the same account and mode, or of the same key."""
    fingerprint, new_id = key_fingerprint(credential), _new_id(credential, account_id)
    same_key, same_account = [], []
    for each in stored:
        found = each.credential_if_valid()
        if found and key_fingerprint(found) == fingerprint:
            same_key.append(each)
        if found and account_id and found.livemode == credential.livemode:
            known = account_id_of(each, uses.of(each.id))
            same_account += [each] if known == account_id else []
    same_account.sort(key=lambda each: (each not in same_key, each.id != new_id, each.id))
    reserved = (each for each in stored if each.id == new_id)
    return next(iter((*same_account, *same_key, *reserved)), None)


def _new_id(credential: Credential, account_id: str | None) -> str:
    mode = "live" if credential.livemode else "test"
    name = account_id or f"unknown_{key_fingerprint(credential).hex[:_FINGERPRINT_LENGTH]}"
    return f"stripe_{name}_{mode}"


def _with_key(
    stored: StoredCredential, credential: Credential, account_id: str | None, uses: CredentialUses
) -> StoredCredential:
    """A credential with a key that Stripe has accepted."""
    own = {name: getattr(credential, name) for name in ("account", "mode", "api_base")}
    network = {name: getattr(credential, name) for name in ("proxy", "ca_bundle")}
    given = own | {name: value for name, value in network.items() if value}
    others = {name: value for name, value in stored.fields.items() if name not in given}
    before = stored.credential_if_valid()
    is_same = before is not None and key_fingerprint(before) == key_fingerprint(credential)
    return replace(
        stored,
        api_key=credential.api_key,
        fields=others | {name: value for name, value in given.items() if value},
        account_id=account_id or account_id_of(stored, uses.of(stored.id)),
        key_since=stored.key_since if is_same and stored.key_since else uses.now,
        health=_health_of_new(credential, uses),
        platform_id=None,
    )


def _health_of_new(credential: Credential, uses: CredentialUses) -> KeyHealth:
    if credential.restricted:
        return KeyHealth(HealthStatus.UNKNOWN, (_NOT_CHECKED,), uses.now)
    return KeyHealth(HealthStatus.OK, (), uses.now)  # a secret key has every permission


def _with_new_key(
    stored: StoredCredential,
    changes: Mapping[str, Any],
    uses: CredentialUses,
    warehouse_url: str | None,
) -> StoredCredential:
    """A credential with another key of the same account and mode.

    Raises:
        ConfigurationError: It is of another one.
    """
    before = stored.credential_if_valid()
    fields: dict[str, Any] = dict(stored.fields)
    if before:
        fields["mode"] = "live" if before.livemode else "test"
    with _renaming_params(mode="properties.secret_key"):
        credential = Credential(changes["secret_key"], **fields)
    with _renaming_params():
        credential = _in_mode(credential, test=changes.get("test"))
    with _naming("properties.secret_key", credential):
        identity = identify_credential(credential, warehouse_url=warehouse_url)
    known = account_id_of(stored, uses.of(stored.id))
    if known and identity.account and known != identity.account:
        message = (
            f"the key is for account {identity.account}, and this credential for {known}: import it"
            " as a credential of its own"
        )
        raise ConfigurationError(message, param="properties.secret_key")
    return _with_key(stored, credential, identity.account or known, uses)


def _check_mode(stored: StoredCredential, *, test: bool) -> None:
    credential = stored.credential_if_valid()
    if credential is not None:
        with _renaming_params():
            _in_mode(credential, test=test)


@contextmanager
def _renaming_params(**others: str) -> Iterator[None]:
    """Name the fields of a ``Credential`` in errors as callers name them."""
    names = _PARAMS | others
    try:
        yield
    except ConfigurationError as error:
        error.param = names.get(error.param or "", error.param)
        raise


@contextmanager
def _naming(param: str, credential: Credential) -> Iterator[None]:
    """Name the parameter that Stripe refuses."""
    try:
        yield
    except AuthenticationError as error:
        error.param = param
        raise
    except (AccountDisconnected, PermissionDenied) as error:
        error.param = "properties.account" if credential.account else param
        raise
