"""The one JSON helper: parse, write, canonical form, hash."""

from __future__ import annotations

import base64
import hashlib
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
    """Write JSON as compact UTF-8, in the order of the keys."""
    return orjson.dumps(value)


def canonical(value: Any) -> bytes:
    """Write JSON in canonical form: compact UTF-8, keys sorted at every level."""
    # The copy has the length of the text; the object that orjson returns keeps a buffer of eight
    # times that, too much for thousands of texts that wait to be loaded.
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))


def payload_hash(canonical_json: bytes) -> str:
    """Base64 of the MD5 of a canonical JSON text (the streams' ``payload_hash``)."""
    digest = hashlib.md5(canonical_json, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def copied(obj: JsonObject | None) -> JsonObject:
    """A deep copy of a JSON object, ten times as fast as ``copy.deepcopy``."""
    copy: JsonObject = orjson.loads(orjson.dumps(obj))
    return copy
