"""What is left of an object that was erased: its kind and its id."""

from __future__ import annotations

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

_ERASED = "erased"


def erased_payload(kind: str, object_id: object) -> bytes:
    """The payload of an erased object, as canonical JSON text.

    Args:
        kind: Its ``object``.
        object_id: Its ``id``; None where objects of its kind have none.
    """
    payload = {"object": kind, _ERASED: True}
    return canonical_json.canonical(payload if object_id is None else {**payload, "id": object_id})


def is_erased(payload: JsonObject) -> bool:
    """Whether a payload is what is left of an erased object."""
    return payload.get(_ERASED) is True and payload.keys() <= {"id", "object", _ERASED}
