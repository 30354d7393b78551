"""Redaction: what must not be stored is overwritten, left out or hashed before anything is stored.

Client secrets and similar fields are the ``sensitive`` paths of a collection's entry in the
catalogue. Which fields are left out or hashed besides, the sync's settings decide
(``extract/field_rules.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

REDACTED = "[redacted]"

IDENTITY = frozenset({"id", "object", "created", "deleted", "livemode"})
"""Fields that every object keeps."""

EACH = "*"
"""In a path: every key of an object, every element of an array."""

_NONE: frozenset[str] = frozenset()

_HASH = "hmac-sha256:"
_HASHED = re.compile(rf"{_HASH}[0-9a-f]{{64}}")


def redact(value: Any, path: tuple[str, ...]) -> None:
    """Overwrite what is at a path of an object, or of each object in a list, in place."""
    if isinstance(value, list):
        for item in value:
            redact(item, path)
    elif isinstance(value, dict) and path[0] in value:
        head, rest = path[0], path[1:]
        if rest:
            redact(value[head], rest)
        elif value[head] is not None:
            value[head] = REDACTED


class FieldAction(StrEnum):
    """What happens to a field before anything is stored."""

    EXCLUDE = "exclude"
    HASH = "hash"


class Step:
    """One step of the paths of some fields: what happens to a field, and the steps below it.

    Attributes:
        action: What happens to the field itself.
        below: The next step by key.
        each: The next step for all other keys.
    """

    __slots__ = ("_element", "action", "below", "each")

    def __init__(
        self,
        action: FieldAction | None = None,
        below: Mapping[str, Step] | None = None,
        each: Step | None = None,
    ) -> None:
        self.action = action
        self.below = below or {}
        self.each = each
        self._element: Step | None = None

    @classmethod
    def of(cls, path: Sequence[str], action: FieldAction) -> Step:
        """The first step of a path."""
        step = cls(action)
        for part in reversed(path):
            step = cls(each=step) if part == EACH else cls(below={part: step})
        return step

    def merged(self, other: Step | None) -> Step:
        """The steps of both; leaving out wins over hashing."""
        if other is None:
            return self
        names = self.below.keys() | other.below.keys()
        below = {name: _merged(self.next(name), other.next(name)) for name in names}
        return Step(
            _stronger(self.action, other.action),
            {name: step for name, step in below.items() if step},
            _merged(self.each, other.each),
        )

    def next(self, name: str) -> Step | None:
        """The step to a key."""
        return self.below.get(name, self.each)

    def element(self) -> Step:
        """The step to an element of an array: none is needed, ``*`` is allowed."""
        if self._element is None:
            self._element = self.merged(self.each)
        return self._element


@dataclass(frozen=True)
class FieldRules:
    """Fields that a sync leaves out or hashes.

    The paths of a collection hold for its objects wherever they are: alone, embedded in objects of
    other collections, and in Stripe events. Applying them again changes nothing.

    Attributes:
        paths: The paths by kind of object, or by id of a collection whose kind is another's.
        every: The paths that hold for all objects.
        kept: Fields that reading needs, by name of the object; ``IDENTITY`` for all others.
        secret: Key of the hashes.
    """

    paths: Mapping[str, Step]
    every: Step | None
    kept: Mapping[str, frozenset[str]]
    secret: bytes = field(default=b"", repr=False)
    _roots: dict[tuple[str, ...], Step | None] = field(default_factory=dict, repr=False)

    def apply(self, obj: JsonObject, collection_id: str, kind: str) -> None:
        """Leave out and hash fields of an object, or of its old values, in place.

        Args:
            obj: The object, or some of its fields.
            collection_id: Its collection.
            kind: Its ``object``.
        """
        self._apply_to_keys(obj, self._root(collection_id, kind), self.kept.get(kind, IDENTITY))

    def apply_to_changes(self, changes: JsonObject, collection_id: str, kind: str) -> bool:
        """As ``apply``, for the old values of a change.

        Returns:
            Whether something is left of them, or nothing was there.
        """
        before = canonical_json.copied(changes)
        self.apply(changes, collection_id, kind)
        _drop_emptied(changes, before)
        return bool(changes) or not before

    def _root(self, *names: str) -> Step | None:
        """The first step within an object of some kind."""
        if names not in self._roots:
            step = self.every
            for name in names:
                step = _merged(step, self.paths.get(name))
            self._roots[names] = step
        return self._roots[names]

    def _apply_to_keys(self, obj: JsonObject, step: Step | None, kept: frozenset[str]) -> None:
        if step is not None:
            for name in list(obj) if step.each else step.below.keys() & obj.keys():
                found = step.next(name)
                if found is None or found.action is None or name in kept:
                    continue
                if found.action is FieldAction.EXCLUDE:
                    del obj[name]
                else:
                    obj[name] = self._hashed(obj[name])
        # All that is left: objects of other kinds may be anywhere.
        for name, value in obj.items():
            if type(value) is dict:
                self._apply_to_object(value, step.next(name) if step else None)
            elif type(value) is list and value:
                self._apply_to_list(value, step.next(name) if step else None)

    def _apply_to_object(self, obj: JsonObject, step: Step | None) -> None:
        kind, kept = obj.get("object"), _NONE
        if type(kind) is str:
            root, kept = self._root(kind), self.kept.get(kind, IDENTITY)
            step = root if step is None else step.merged(root)
        self._apply_to_keys(obj, step, kept)

    def _apply_to_list(self, values: list[Any], step: Step | None) -> None:
        if step is not None and step.each is not None and step.each.action is not None:
            self._apply_to_elements(values, step.each.action)
        for value in values:
            if type(value) is dict:
                self._apply_to_object(value, step.element() if step else None)
            elif type(value) is list:
                self._apply_to_list(value, step.element() if step else None)

    def _apply_to_elements(self, values: list[Any], action: FieldAction) -> None:
        """Leave out or hash the elements of an array that are no objects."""
        if action is FieldAction.EXCLUDE:
            values[:] = [each for each in values if isinstance(each, dict)]
        else:
            values[:] = [each if isinstance(each, dict) else self._hashed(each) for each in values]

    def _hashed(self, value: Any) -> Any:
        """A value, hashed; of an array or object each value in it. An object keeps its id."""
        if isinstance(value, list):
            return [self._hashed(each) for each in value]
        if isinstance(value, dict):
            kept = self.kept.get(str(value["object"]), IDENTITY) if "object" in value else ()
            return {
                name: each if name in kept else self._hashed(each) for name, each in value.items()
            }
        if value is None or (isinstance(value, str) and _HASHED.fullmatch(value)):
            return value
        text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None
        text = canonical_json.dumps(value) if text is None else text
        return _HASH + hmac.new(self.secret, text, hashlib.sha256).hexdigest()


def _merged(step: Step | None, other: Step | None) -> Step | None:
    return other if step is None else step.merged(other)


def _stronger(action: FieldAction | None, other: FieldAction | None) -> FieldAction | None:
    return FieldAction.EXCLUDE if FieldAction.EXCLUDE in (action, other) else action or other


def _drop_emptied(changes: JsonObject, before: JsonObject) -> None:
    """Drop the objects that lost all of their fields."""
    for name in list(changes):
        inner, earlier = changes[name], before.get(name)
        if isinstance(inner, dict) and isinstance(earlier, dict) and earlier:
            _drop_emptied(inner, earlier)
            if not inner:
                del changes[name]
