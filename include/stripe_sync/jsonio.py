"""The one JSON helper: parse, write, canonical form, hash, differences."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

JsonObject = dict[str, Any]


def loads(text: bytes | str) -> Any:
    """Parse JSON. Integers stay exact up to 64 bits.

    Raises:
        ValueError: The text is not (whole) JSON.
    """
    return orjson.loads(text)


def dumps(value: Any) -> bytes:
    """Write JSON as compact UTF-8, keys in the order they have."""
    return orjson.dumps(value)


def canonical(value: Any) -> bytes:
    """Write JSON in canonical form: compact UTF-8, keys sorted at every level."""
    # The copy is as long as the text; what orjson returns keeps a buffer of eight times that, which
    # counts where thousands of texts wait for their turn.
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))


def payload_hash(canonical_json: bytes) -> str:
    """Base64 of the MD5 of a canonical JSON text (the streams' ``payload_hash``)."""
    digest = hashlib.md5(canonical_json, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def old_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> JsonObject:
    """The old values of what differs, in the shape of Stripe's ``previous_attributes``.

    Objects are compared key by key, arrays as a whole; a key that is new shows as null.

    Args:
        old: The earlier state.
        new: The later state.

    Returns:
        Changed keys with their old values; empty when nothing differs.
    """
    changes: JsonObject = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after and type(before) is type(after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            nested = old_values(before, after)
            if nested:
                changes[key] = nested
        else:
            changes[key] = before
    return changes
