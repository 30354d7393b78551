"""Stripe keys on pages: choose one, paste one, find out what it may read. No key is ever shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from threading import Condition
from typing import Any

from cachetools import TTLCache, cached
from fastapi import Request, Response
from pydantic import SecretStr

from stripe_airflow.api.credentials.models import NewCredential, NewKey
from stripe_airflow.api.credentials.routes import checked, default_api_base, import_key
from stripe_airflow.api.credentials.store import credential_in_use, load_credentials
from stripe_airflow.api.errors import ApiError
from stripe_airflow.hooks.overrides import overriding_source
from stripe_airflow.hooks.stripe import warehouse_if_any
from stripe_airflow.ui.forms import PageForm
from stripe_airflow.ui.rendering import render
from stripe_airflow.ui.shared import once_a_second
from stripe_sync import (
    AuthenticationError,
    Catalog,
    Collection,
    ConfigurationError,
    CredentialInfo,
    StoredCredential,
    StripeUnreachable,
    describe_credentials,
    load_catalog,
    probe_stored_credential,
)

CHECK_SECONDS = 600.0
"""How long the result of a check is used: one is about 120 requests to Stripe."""

IN_USE = "credential_in_use"
"""Code of the error where syncs use the key that would be replaced."""

_MOST_CHECKS = 256
_CHECKS_LOCK = Condition()
_STRIPE_API = "https://api.stripe.com"
_REFUSED = "refused"
_READABLE = frozenset({"yes", "in part"})
_LACKING = frozenset({"no", "in part"})
_ORDER = ("no", "in part", "unknown", "yes", "unavailable")


class KeyForm(PageForm):
    """A pasted key; ``replace`` is the answer to whether it may replace one that syncs use."""

    secret_key: SecretStr
    name: str | None = None
    account: str | None = None
    api_base: str | None = None
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What a key may do with a collection.

    Attributes:
        collection: The collection.
        read: ``yes``, ``in part``, ``no``, ``unavailable`` (nobody may, or there is nothing) or
            ``unknown``.
        write: The same, or ``not mutable``.
        missing: Permissions that the key lacks to read or write it.
        missing_read: Those of them that it lacks to read it.
        note: Why something is neither yes nor no; empty mostly.
    """

    collection: Collection
    read: str
    write: str
    missing: tuple[str, ...]
    missing_read: tuple[str, ...]
    note: str

    @property
    def is_refused(self) -> bool:
        """Whether the key may read nothing of it."""
        return self.read == "no"


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What a key may do, as it was found out.

    Attributes:
        key: The key, without its secret.
        accesses: All collections, those that the key may not read first.
    """

    key: CredentialInfo
    accesses: tuple[Access, ...]

    @property
    def existing(self) -> int:
        """Number of collections that the account has."""
        return sum(each.read != "unavailable" for each in self.accesses)

    @property
    def readable(self) -> int:
        """Number of those that the key may read, at least in part."""
        return sum(each.read in _READABLE for each in self.accesses)

    @property
    def mutable(self) -> int:
        """Number of collections that anybody may write."""
        return sum(each.write not in ("not mutable", "unavailable") for each in self.accesses)

    @property
    def writable(self) -> int:
        """Number of those that the key may write, at least in part."""
        return sum(each.write in _READABLE for each in self.accesses)

    @property
    def lacking(self) -> tuple[Access, ...]:
        """The collections that the key may not read, or only in part."""
        return tuple(each for each in self.accesses if each.read in _LACKING)

    @property
    def permissions(self) -> tuple[str, ...]:
        """Names of the permissions that the key lacks to read, sorted."""
        return tuple(sorted({name for each in self.lacking for name in each.missing_read}))

    @property
    def groups(self) -> list[tuple[str, list[Access]]]:
        """The collections by subject, in the order of their titles; retired ones last."""
        found: dict[str, list[Access]] = {}
        for each in sorted(self.accesses, key=lambda each: each.collection.title):
            found.setdefault(each.collection.subject, []).append(each)
        return sorted(found.items(), key=lambda group: (group[0] == "legacy", group[0]))


def known_keys() -> list[CredentialInfo]:
    """The stored keys; those that no sync uses first, because a sync of theirs is still to come."""
    return _known_keys(warehouse_if_any())


@once_a_second
def _known_keys(warehouse: str | None) -> list[CredentialInfo]:
    found = describe_credentials(load_credentials(), warehouse)
    usable = [each for each in found if each.test is not None]
    return sorted(usable, key=lambda each: (bool(each.syncs), each.name.lower(), each.id))


def usual_api_base() -> str:
    """The address that a key without one is for."""
    return default_api_base() or _STRIPE_API


def describe_key(credential_id: str, account: str | None = None) -> CredentialInfo:
    """One key, acting on a connected account if one is given.

    Raises:
        ApiError: 404: there is none.
        ConfigurationError: Its connection has no valid key.
    """
    return _key(credential_id, account, warehouse_if_any())


@once_a_second
def _key(credential_id: str, account: str | None, warehouse: str | None) -> CredentialInfo:
    return _described(_on_account(credential_in_use(credential_id), account), warehouse)


def store_key(form: KeyForm, *, test: bool, other_mode: str) -> str:
    """Store a pasted key as ``POST /v1/credentials`` does; returns the id of its connection.

    One that syncs use is replaced only if the form says so.

    Args:
        form: The key.
        test: Whether it must be a test mode key.
        other_mode: Message where it is one of the other mode.

    Raises:
        ApiError: Airflow cannot store it encrypted, or 409 :data:`IN_USE`.
        ConfigurationError: A value is invalid, or the key is of the other mode.
        StripeError: Stripe refuses the key, or cannot be reached.
    """
    properties = NewKey(
        kind="stripe_key",
        secret_key=form.secret_key,
        test=test,
        name=form.name,
        account=form.account,
        api_base=form.api_base,
    )
    try:
        body = NewCredential(properties=properties)
        stored = import_key(body, replaces_used=form.replace)[0]
    except ConfigurationError as error:
        if error.param == "properties.test":
            raise ConfigurationError(other_mode, param=error.param) from None
        raise
    _known_keys.forget()
    _key.forget()
    return stored.id


def ask_to_replace(request: Request, error: ApiError) -> Response:
    """The question whether a pasted key may replace one that syncs use, as a part of its form.

    Raises:
        ApiError: It is another error.
    """
    if error.code != IN_USE:
        raise error
    return render(request, "replace_key_part.html", status_code=error.status, message=error.message)


def check_key(credential_id: str, account: str | None, *, again: bool = False) -> KeyCheck:
    """Find out what a key may read and write: takes 6 s in test mode, 2 s in live mode.

    Args:
        credential_id: Id of its connection.
        account: Connected account to act on; None for that of the connection.
        again: Ask Stripe, though it was asked within the last minutes.

    Raises:
        ApiError: 404: there is no such key.
        ConfigurationError: Its connection has no valid key.
        AuthenticationError: Stripe refuses it.
        StripeUnreachable: Stripe does not answer.
    """
    stored = credential_in_use(credential_id)
    if again:
        with _CHECKS_LOCK:
            _checked_key.cache.pop(_cache_key(stored, account), None)
    return _checked_key(stored, account)


def finished_check(credential_id: str, account: str | None) -> KeyCheck | None:
    """What was found out within the last minutes; None for nothing."""
    stored = credential_in_use(credential_id)
    with _CHECKS_LOCK:
        found: KeyCheck | None = _checked_key.cache.get(_cache_key(stored, account))
    return found


def _cache_key(stored: StoredCredential, account: str | None) -> tuple[str | None, ...]:
    """A key that was replaced, or is sent elsewhere, is another one; the key itself is not kept."""
    secret = "\n".join((stored.api_key, *(f"{each}" for each in sorted(stored.fields.items()))))
    return stored.id, account, hashlib.sha256(secret.encode()).hexdigest()


@cached(TTLCache(_MOST_CHECKS, CHECK_SECONDS), key=_cache_key, condition=_CHECKS_LOCK)
def _checked_key(stored: StoredCredential, account: str | None) -> KeyCheck:
    chosen = _on_account(stored, account)
    if chosen is not stored or overriding_source(stored.id):
        found = probe_stored_credential(chosen, warehouse_url=warehouse_if_any())
    else:
        found = checked(stored)
    health = found.health
    if health.status == _REFUSED:
        raise AuthenticationError(" ".join(health.notes))
    if not health.collections:
        raise StripeUnreachable(" ".join(health.notes))
    catalog = load_catalog()
    accesses = [_access(each, catalog) for each in health.collections]
    accesses.sort(key=lambda each: (_ORDER.index(each.read), each.collection.title))
    # Not with what syncs have met with the key before: permissions may have been added since.
    return KeyCheck(replace(_described(found, warehouse_if_any()), health=health), tuple(accesses))


def _access(found: dict[str, Any], catalog: Catalog) -> Access:
    collection = catalog[found["collection_id"]]
    missing = tuple(found["missing_permissions"])
    needed = collection.permissions
    to_read = [name for name in missing if name in needed.read or name not in needed.write]
    return Access(
        collection,
        read=found["read"],
        write=found["write"],
        missing=missing,
        missing_read=tuple(to_read if found["read"] in _LACKING else ()),
        note=found["note"] or "",
    )


def _on_account(stored: StoredCredential, account: str | None) -> StoredCredential:
    if not account or account == stored.fields.get("account"):
        return stored
    return replace(stored, fields={**stored.fields, "account": account}, account_id=account)


def _described(stored: StoredCredential, warehouse: str | None) -> CredentialInfo:
    stored.credential()  # raises where there is no valid key
    [found] = describe_credentials([stored], warehouse)
    return found
