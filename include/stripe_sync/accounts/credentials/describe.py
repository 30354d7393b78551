"""The health of a key as a few sentences, for a message in a user interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stripe_sync.accounts.credentials.health import (
    Access,
    CollectionAccess,
    CredentialHealth,
    HealthStatus,
)
from stripe_sync.catalog import ID_PREFIX

_NAMES = 8
"""Permissions that are listed together with their collections; of more, only the names."""


def describe_health(health: CredentialHealth, *, key_page: str) -> str:
    """Account, mode, what can be read and written, what is missing; a sentence a line.

    Args:
        health: The result of a probe.
        key_page: Address of a page that makes a key with all permissions.
    """
    return "\n".join(_sentences(health, key_page))


def _sentences(health: CredentialHealth, key_page: str) -> Iterator[str]:
    if not health.collections:
        yield from health.notes
        return
    name = f" ({health.name})" if health.name else ""
    yield f"Account {health.account or 'unknown'}{name}, {health.mode} mode."
    mutable = len(health.collections) - health.count("write", Access.NOT_MUTABLE)
    yield (
        f"The key may read {health.count('read', Access.YES)} of {len(health.collections)}"
        f" collections and write {health.count('write', Access.YES)} of {mutable}."
    )
    if missing := _missing(health.collections):
        yield f"Missing to read: {missing}."
    for access, text in (
        (Access.UNAVAILABLE, "Nothing to read for this account"),
        (Access.UNKNOWN, "Not answered"),
    ):
        names = [_short(each) for each in health.collections if each.read is access]
        if names:
            yield f"{text}: {', '.join(names)}."
    yield from health.notes
    if health.status is HealthStatus.LIMITED:
        yield f"A new key with all read permissions: {key_page}"


def _missing(collections: Iterable[CollectionAccess]) -> str:
    lacking: dict[str, list[str]] = {}
    for each in collections:
        for permission in each.missing_read:
            lacking.setdefault(permission, []).append(_short(each))
    if len(lacking) > _NAMES:
        return ", ".join(sorted(lacking))
    return ", ".join(f"{name} ({', '.join(of)})" for name, of in sorted(lacking.items()))


def _short(access: CollectionAccess) -> str:
    return access.collection.removeprefix(ID_PREFIX)
