"""Payloads that name one object, at any path."""

from __future__ import annotations

from typing import Any

from stripe_sync.catalog import Catalog, Collection, load_catalog
from stripe_sync.catalog.references import can_retrieve, reference_paths

CATALOG: Catalog = load_catalog(("account", "application_fee", "payment_link", "quote"))
"""The catalogue with its parent-only collections."""


def payload_naming(path: str, value: object) -> dict[str, Any]:
    """An object with a value at a dotted path."""
    whole: dict[str, Any] = {"id": "naming", "object": "naming"}
    for part in reversed(path.split(".")):
        value = [value] if part == "*" else {part: value}
    assert isinstance(value, dict)
    return {**whole, **value}


def id_of(collection: Collection) -> str:
    """An id as Stripe makes it for a collection."""
    return f"{collection.id_prefixes[0] if collection.id_prefixes else ''}1"


def retrievable() -> dict[str, list[tuple[str, str]]]:
    """Every reference: the paths, each with its collection, that name objects of a collection."""
    by_object = {each.object: each for each in CATALOG.values() if not each.preview}
    found: dict[str, list[tuple[str, str]]] = {}
    for host_id, paths in reference_paths().items():
        for path, objects in paths.items():
            for target in (by_object[name] for name in objects if name in by_object):
                if target.key == ("id",) and can_retrieve(CATALOG, host_id, path, target):
                    found.setdefault(target.id, []).append((host_id, path))
    return found
