"""What Stripe returned and cannot be stored as a record: it is set aside, and the rest goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stripe_sync.records import canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.redaction import REDACTED

_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class SetAside:
    """An object or Stripe event that cannot be stored as a record.

    Attributes:
        collection_id: ``stripe:customer``.
        key: Hash of collection and text: the same object is set aside once.
        upstream_id: Its Stripe id, where it has one.
        reason: Why it cannot be stored.
        text: Its JSON text, redacted; None where Stripe did not return it, or where the sync leaves
            out fields, which may be in the wrong place of such an object.
        observed_at: When the request for it was sent.
    """

    collection_id: str
    key: str
    upstream_id: str | None
    reason: str
    text: bytes | None
    observed_at: datetime


class SetAsideObjects:
    """Collects what is to be set aside until a transaction stores it."""

    def __init__(self) -> None:
        self._found: list[tuple[str, Any, str, datetime, bool]] = []
        self._not_stored: list[SetAside] = []
        self._keys: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._found or self._not_stored)

    def add(
        self,
        collection_id: str,
        obj: Any,
        reason: str,
        *,
        observed_at: datetime,
        missing: bool = False,
    ) -> None:
        """Set an object aside.

        Args:
            collection_id: Its collection.
            obj: What Stripe returned, parsed.
            reason: Why it cannot be stored.
            observed_at: When the request for it was sent.
            missing: Whether Stripe did not return it, so that ``obj`` only says which one it is.
        """
        self._found.append((collection_id, obj, reason, observed_at, missing))

    def take(self, sensitive: Container[str], *, keep_text: bool = True) -> list[SetAside]:
        """What was added since the last call, without what was taken before.

        Args:
            sensitive: Names of the fields to redact, wherever they are.
            keep_text: Whether the texts of the objects may be stored.
        """
        found, self._found = self._found, []
        taken, self._not_stored = self._not_stored, []
        for collection_id, obj, reason, observed_at, missing in found:
            redact_named(obj, sensitive)
            shown = obj if keep_text else _only_id(obj)
            each = _set_aside(collection_id, shown, reason, observed_at)
            if missing or not keep_text:
                each = replace(each, text=None)
            if each.key not in self._keys:
                self._keys.add(each.key)
                taken.append(each)
        return taken

    def put_back(self, taken: list[SetAside]) -> None:
        """Return again what could not be stored."""
        self._not_stored += taken


def _set_aside(collection_id: str, obj: Any, reason: str, observed_at: datetime) -> SetAside:
    text = canonical_json.dumps(obj)
    name = obj.get("id") if isinstance(obj, dict) else None
    digest = hashlib.md5(text, usedforsecurity=False)
    digest.update(collection_id.encode())
    return SetAside(
        collection_id=collection_id,
        key=digest.hexdigest(),
        upstream_id=name if isinstance(name, str) and ids.is_storable(name) else None,
        reason=reason.replace("\0", "").encode("utf-8", "replace").decode()[:_REASON_CHARACTERS],
        text=text,
        observed_at=observed_at,
    )


def _only_id(obj: Any) -> JsonObject:
    return {"id": obj.get("id")} if isinstance(obj, dict) else {}


def redact_named(value: Any, sensitive: Container[str]) -> None:
    """Overwrite fields by their name alone, in place: an object may have them anywhere."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo += each
        elif isinstance(each, dict):
            for name, inner in each.items():
                if name in sensitive and inner is not None:
                    each[name] = REDACTED
                else:
                    todo.append(inner)
