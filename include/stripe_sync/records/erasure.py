"""What is left of an object that was erased: its kind and its key."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

_ERASED = "erased"
ERASED_TEXT = b'"erased":true'
"""Part of the canonical JSON of every erased object."""

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def erased_row(payload_json: bytes, kept: Collection[str]) -> tuple[bytes, str]:
    """What is stored instead of a payload: ``{"erased": true, "id": …, "object": …}``.

    Args:
        payload_json: The payload, as canonical JSON text.
        kept: Fields that identify the object; of an object in one of them only its id.

    Returns:
        Canonical JSON text, and its hash.
    """
    payload = canonical_json.loads(payload_json)
    left = {name: _identity(payload[name]) for name in kept if name in payload}
    text = canonical_json.canonical({**left, _ERASED: True})
    return text, canonical_json.payload_hash(text)


def is_erased(payload: JsonObject) -> bool:
    """Whether a payload is what is left of an erased object."""
    return payload.get(_ERASED) is True


def _identity(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def named_strings(json_text: bytes) -> set[str]:
    """The strings of a JSON text that can be ids: those without an escape, keys included."""
    found = (each for each in _STRING.findall(json_text) if b"\\" not in each)
    return {each.decode("utf-8", "replace") for each in found}
