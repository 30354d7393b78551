"""From a Stripe object to an observation: key, redaction, canonical text, hash."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from stripe_sync.catalog import Catalog, Collection
from stripe_sync.clock import from_unix
from stripe_sync.errors import MalformedObject
from stripe_sync.records import EventRow, Observation, RecordRow, StripeEvent, canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.erasure import is_erased
from stripe_sync.records.redaction import FieldRules, redact

_ID = (("id",),)

# What reading a field raises where the field is not what it should be.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)

_LONG_TEXT = 16_000
_HUGE = re.compile(rb"[\d.]E[+-]\d{5}|[\d.]{16000}")
"""A number with more digits than PostgreSQL's numeric, which jsonb is made of, holds."""


class Normalizer:
    """Normalizes the objects of one collection.

    Args:
        collection: The collection.
        api_version: Version that the objects are rendered in.
        redact: Whether the collection's sensitive fields are redacted.
        rules: Fields that are left out or hashed; None for none.
    """

    def __init__(
        self,
        collection: Collection,
        *,
        api_version: str,
        redact: bool = True,
        rules: FieldRules | None = None,
    ) -> None:
        self._collection = collection
        self._api_version = api_version
        self._sensitive = _split(collection.sensitive) if redact else ()
        self._rules = rules
        self._volatile = _split(collection.volatile)
        self._key = _split(collection.key)
        self._fallback_key = _split(collection.fallback_key)
        self._has_parents = any(call.parent for call in collection.lists)

    def upstream_id(self, obj: JsonObject, owner: str | None = None) -> str:
        """The object's key within its collection: its id, or a composite joined by colons.

        Args:
            obj: The object.
            owner: Id of the object that contains it, part of the key where the object lacks a field
                of its key.

        Raises:
            MalformedObject: The object lacks a field of its key.
        """
        if self._key == _ID and type(found := obj.get("id")) is str:
            return found
        parts = {path: _pick(obj, path) for path in self._key}
        first = self._key[0]
        if parts[first] is None and owner and self._fallback_key:
            parts = {first: owner} | {path: _pick(obj, path) for path in self._fallback_key}
        elif parts[first] is None and owner and len(parts) > 1:
            parts[first] = owner
        # Other parts may be null, such as the end of an open period.
        needed = {first, ("id",), *self._fallback_key}
        missing = [".".join(p) for p, part in parts.items() if part is None and p in needed]
        if missing:
            message = f"{self._collection.id}: Stripe sent an object without {', '.join(missing)}"
            raise MalformedObject(message)
        return ":".join("" if part is None else str(part) for part in parts.values())

    def normalize(
        self,
        obj: JsonObject,
        *,
        observed_at: datetime,
        deleted: bool = False,
        stripe_event: StripeEvent | None = None,
        fallback: bool = False,
        gone: bool = False,
        api_version: str | None = None,
        parent_id: str | None = None,
        upstream_id: str | None = None,
    ) -> Observation:
        """Make an observation; fields of ``obj`` are overwritten or removed in place (``redact``).

        Args:
            obj: The object, with complete embedded lists.
            observed_at: When the request that returned it was sent.
            deleted: Whether the object is deleted; ``obj`` is then its last known state.
            stripe_event: The Stripe event that reports the change.
            fallback: Whether ``obj`` is only the payload of a Stripe event.
            gone: Whether the object was gone when it was fetched.
            api_version: Version that ``obj`` is rendered in, None for this normalizer's.
            parent_id: Id of the parent, where ``obj`` has no field for it.
            upstream_id: Its key, where its fields do not contain it.

        Raises:
            MalformedObject: The object cannot be stored: it lacks a field of its key, has a time
                that no calendar has, or a value that the warehouse cannot hold.
        """
        try:
            if self._has_parents and parent_id is None:
                parent_id = self._collection.parent_id(obj)
            upstream_id = upstream_id or self.upstream_id(obj, parent_id)
            self.redact(obj)
            text = canonical_json.canonical(obj)
            hashed = canonical_json.canonical(self.comparable(obj)) if self._volatile else text
            changed = self._changed(obj) or observed_at
        except _MALFORMED as error:
            message = f"{self._collection.id}: {type(error).__name__}: {error}"
            raise MalformedObject(message) from error
        self._check(upstream_id, parent_id, api_version, text)
        return Observation(
            collection_id=self._collection.id,
            upstream_id=upstream_id,
            payload_json=text,
            payload_hash=canonical_json.payload_hash(hashed),
            deleted=deleted,
            observed_at=observed_at,
            upstream_updated_at=stripe_event.created if stripe_event else changed,
            api_version=api_version or self._api_version,
            stripe_event=stripe_event,
            fallback=fallback,
            gone=gone,
            parent_id=parent_id,
            object_created=self._collection.object_created(obj),
        )

    def _check(
        self, upstream_id: str, parent_id: str | None, api_version: str | None, text: bytes
    ) -> None:
        """Check that the warehouse can hold what an observation consists of."""
        for name in (upstream_id, parent_id, api_version):
            if name is not None and not ids.is_storable(name):
                message = f"{self._collection.id}: {name[:100]!r} cannot be a key"
                raise MalformedObject(message)
        if (b"E+" in text or b"E-" in text or len(text) > _LONG_TEXT) and _HUGE.search(text):
            message = f"{self._collection.id}: a number is larger than the warehouse can hold"
            raise MalformedObject(message)

    def tombstone(
        self, upstream_id: str, *, observed_at: datetime, parent_id: str | None
    ) -> Observation:
        """Make an observation of the deletion of a stored object."""
        return Observation(
            collection_id=self._collection.id,
            upstream_id=upstream_id,
            payload_json=b"{}",
            payload_hash="",
            deleted=True,
            observed_at=observed_at,
            upstream_updated_at=observed_at,
            api_version=self._api_version,
            parent_id=parent_id,
        )

    def redact(self, obj: JsonObject) -> None:
        """Overwrite, leave out and hash fields of an object in place; again changes nothing."""
        for path in self._sensitive:
            redact(obj, path)
        if self._rules is not None:
            self._rules.apply(obj, self._collection.id, self._collection.object)

    def redact_changes(self, changes: JsonObject) -> bool:
        """As ``redact``, for the old values of a change.

        Returns:
            Whether a field is left, or there was none.
        """
        for path in self._sensitive:
            redact(changes, path)
        if self._rules is None:
            return True
        collection = self._collection
        return self._rules.apply_to_changes(changes, collection.id, collection.object)

    def redact_record(self, record: RecordRow) -> RecordRow:
        """A stored record as it would be stored now."""
        obj = canonical_json.loads(record.payload_json)
        if not obj or is_erased(obj):
            return record
        self.redact(obj)
        text = canonical_json.canonical(obj)
        if text == record.payload_json:
            return record
        hashed = canonical_json.canonical(self.comparable(obj)) if self._volatile else text
        return replace(record, payload_json=text, payload_hash=canonical_json.payload_hash(hashed))

    def redact_event(self, event: EventRow) -> EventRow:
        """A stored change event as it would be stored now."""
        obj, changes = canonical_json.loads(event.data_json), event.changes
        if not obj or is_erased(obj):
            return event
        self.redact(obj)
        if changes is not None:
            changes = canonical_json.copied(changes)
            self.redact_changes(changes)
        return replace(event, data_json=canonical_json.canonical(obj), changes=changes)

    def comparable(self, obj: JsonObject) -> JsonObject:
        """The object, or some of its fields, without those that differ between two requests."""
        return _without(obj, self._volatile) if self._volatile else obj

    def _changed(self, obj: JsonObject) -> datetime | None:
        created, updated = self._collection.created(obj), obj.get("updated")
        if type(updated) is int:
            return from_unix(updated if created is None else max(created, updated))
        return None if created is None else from_unix(created)


class StripeEventNormalizer(Normalizer):
    """Normalizes Stripe events: their payload is redacted like objects of its own collection."""

    def __init__(
        self,
        catalog: Catalog,
        collection: Collection,
        *,
        api_version: str,
        redact: bool = True,
        rules: FieldRules | None = None,
    ) -> None:
        super().__init__(collection, api_version=api_version, redact=redact, rules=rules)
        self._payloads = {
            each.object: Normalizer(each, api_version=api_version, redact=redact, rules=rules)
            for each in (*catalog.values(), *catalog.parent_only.values())
            if (each.sensitive or rules) and catalog.route(each.object) in ((), (each,))
        }

    def redact(self, obj: JsonObject) -> None:
        """Overwrite, leave out and hash fields of the payload and of its previous values."""
        data = obj["data"]
        if normalizer := self._payloads.get(str(data["object"].get("object"))):
            normalizer.redact(data["object"])
            normalizer.redact_changes(data.get("previous_attributes") or {})
        if self._rules is not None:
            super().redact(obj)


def _split(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in paths)


def _pick(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    # A parent may be an id or an object.
    return value.get("id") if isinstance(value, dict) else value


def _without(obj: JsonObject, paths: Iterable[tuple[str, ...]]) -> JsonObject:
    """A copy without the given paths; values outside of the paths are shared, not copied."""
    result = dict(obj)
    for head, *rest in paths:
        if not rest:
            result.pop(head, None)
        elif isinstance(inner := result.get(head), dict):
            result[head] = _without(inner, [tuple(rest)])
        elif isinstance(inner, list):
            result[head] = [_without(part, [tuple(rest)]) for part in inner]
    return result
