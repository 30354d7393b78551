"""Checks of what callers store with a sync. Messages do not repeat values, which may be secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.dependencies import derived_collections, host_collections
from stripe_sync.client.credential import is_account_id
from stripe_sync.client.scrub_secrets import has_key
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.connections import SyncSettings, is_unset

NAME_LENGTH = 100
EXTERNAL_ID_LENGTH = 255
METADATA_BYTES = 20_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_OTHER_CONNECTIONS = ("warehouse", "lake")
"""Names of Airflow connections of other types, after ``stripe_``."""
# NUL and halves of surrogate pairs, which jsonb refuses.
_UNSTORABLE = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])", re.IGNORECASE)
_CONNECTION_ID = re.compile(r"[\w.-]{1,200}", re.ASCII)


def refuse_keys(value: str | bytes | None, param: str) -> None:
    """Refuse a text with a Stripe key: what is stored with a sync is not encrypted, and is shown.

    Raises:
        ConfigurationError: It has one.
    """
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if text and has_key(text):
        message = f"{param} has something that looks like a key: keys belong into connections only"
        raise ConfigurationError(message, param=param)


def check_name(name: str) -> None:
    """Check the name of a new sync.

    Raises:
        ConfigurationError: It is none.
    """
    if len(name) > NAME_LENGTH or not _NAME.fullmatch(name):
        message = (
            "the name of a sync has lower-case letters, digits, - and _, begins with a letter or"
            f" digit, and is at most {NAME_LENGTH} characters long"
        )
        raise ConfigurationError(message, param="name")
    if _ID.fullmatch(name):
        message = "this is the id of a sync: give a name, which is not of the form of an id"
        raise ConfigurationError(message, param="name")
    if name in _OTHER_CONNECTIONS:
        message = f"a sync cannot be named {name}: stripe_{name} is another type of connection"
        raise ConfigurationError(message, param="name")
    refuse_keys(name, "name")


def merge_settings(stored: Mapping[str, Any], changes: Mapping[str, object]) -> JsonObject:
    """Stored settings with some changes; None, ``""`` and ``"null"`` remove one.

    Raises:
        ConfigurationError: A name is unknown or a value is invalid.
    """
    given = {name: value for name, value in changes.items() if not is_unset(value)}
    SyncSettings.parse(dict(changes))  # names of removed ones included
    names = [*(name for name in stored if name not in changes), *given]
    parsed = SyncSettings.parse({name: given.get(name, stored.get(name)) for name in names})
    values = parsed.model_dump(mode="json")
    refuse_keys(canonical_json.dumps(values), "settings")
    if {"requests_per_second", "total_requests_per_second"} <= set(names):
        parsed.limits(livemode=True)
    return {name: values[name] for name in sorted(names)}


def merge_metadata(stored: Mapping[str, Any], changes: Mapping[str, object]) -> JsonObject:
    """Stored metadata with some changes; None removes a name.

    Raises:
        ConfigurationError: It cannot be stored, or is too large.
    """
    merged = {**stored, **changes}
    merged = {name: value for name, value in merged.items() if value is not None}
    try:
        text = canonical_json.dumps(merged)
        is_json = canonical_json.loads(text) == merged and not _UNSTORABLE.search(text)
    except (TypeError, ValueError):
        is_json = False
    if not is_json or len(text) > METADATA_BYTES:
        message = (
            f"metadata is a JSON object of at most {METADATA_BYTES:,} bytes, without NUL"
            " characters and without numbers that are not finite"
        )
        raise ConfigurationError(message, param="metadata")
    refuse_keys(text, "metadata")
    return merged


def check_external_id(external_id: str | None) -> str | None:
    """Check an external id.

    Raises:
        ConfigurationError: It cannot be stored, or is too long.
    """
    if external_id is None:
        return None
    if not ids.is_storable(external_id) or len(external_id) > EXTERNAL_ID_LENGTH:
        message = f"external_id is a text of 1 to {EXTERNAL_ID_LENGTH} characters"
        raise ConfigurationError(message, param="external_id")
    refuse_keys(external_id, "external_id")
    return external_id


def check_connection_id(connection_id: str | None) -> str | None:
    """Check the id of an Airflow connection, by Airflow's own rule.

    Raises:
        ConfigurationError: It is none.
    """
    if connection_id is not None and not _CONNECTION_ID.fullmatch(connection_id):
        message = "connection_id has 1 to 200 letters, digits, and the characters . _ -"
        raise ConfigurationError(message, param="connection_id")
    refuse_keys(connection_id, "connection_id")
    return connection_id


def check_connected_account(account: str | None) -> str | None:
    """Check the id of a connected account.

    Raises:
        ConfigurationError: It is none.
    """
    if account is not None and not is_account_id(account):
        message = "connected_account is the id of an account, such as acct_123"
        raise ConfigurationError(message, param="connected_account")
    return account


def resolve_collections(
    names: Sequence[str] | None, include_parents: Sequence[str] = ()
) -> list[str] | None:
    """Ids of collections, with those that are always read together with them.

    Args:
        names: In any accepted spelling; None or empty for all.
        include_parents: The sync's setting.

    Returns:
        In the order of the catalogue; None for all.

    Raises:
        ConfigurationError: A name is unknown.
    """
    if not names:
        return None
    catalog = load_catalog(tuple(include_parents))
    chosen = set()
    for name in names:
        collection = catalog.resolve(name)
        hosts = host_collections(catalog, collection)
        chosen |= {collection.id, *(each.id for each in hosts)}
        chosen |= {each.id for each in derived_collections(catalog, collection)}
    return [collection_id for collection_id in catalog if collection_id in chosen]
