"""Merges the parameters of a write into an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import invalid_parameter
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.stored_object import Doc, reference_id

_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500
"""Keys of an object's metadata, characters of a key and of a value."""


def merge_params(doc: Doc, given: Mapping[str, Any], known: Mapping[str, Schema]) -> None:
    """Merge parameters into an object as Stripe does.

    Nested objects are merged, the empty string removes a metadata key, arrays are replaced, and
    parameters without a field of the same name are left to the side effects.
    """
    for name, value in given.items():
        schema = known.get(name)
        if schema is None or name in ("id", "object", "created") or schema.kind == "page":
            continue
        if value == "" and schema.nullable:
            doc[name] = None
        elif name == "metadata":
            doc[name] = merged_metadata(doc.get(name), value)
        elif schema.kind == "ref":
            doc[name] = reference_id(value)
        elif isinstance(value, dict):
            doc[name] = _nested(doc.get(name), value, schema)
        elif value is None and schema.kind in ("list", "map") and not schema.nullable:
            doc[name] = [] if schema.kind == "list" else {}
        elif isinstance(value, list) and _has_type(value, schema):
            doc[name] = [_nested(None, v, schema.item) if isinstance(v, dict) else v for v in value]
        elif _has_type(value, schema):
            doc[name] = value


def merged_metadata(old: Any, new: Any) -> dict[str, Any]:
    """Metadata after a write: keys are merged, the empty text removes one, none removes all.

    Raises:
        ApiError: 400, there are too many keys, or a key or value is too long.
    """
    if new in (None, ""):
        return {}
    for key, value in new.items():
        if len(key) > _MAX_KEY:
            message = (
                f"Metadata keys can have up to {_MAX_KEY} characters, but you passed in a key that "
                f"is {len(key)} characters. Invalid key: {key}"
            )
            raise invalid_parameter(message, "metadata")
        if len(str(value or "")) > _MAX_VALUE:
            message = (
                f"Metadata values can have up to {_MAX_VALUE} characters, but you passed in a "
                f"value that is {len(value)} characters. Invalid value: {value}"
            )
            raise invalid_parameter(message, f"metadata[{key}]")
    merged = {k: v for k, v in {**(old or {}), **new}.items() if v not in (None, "")}
    if len(merged) > _MAX_KEYS:
        message = f"You can only have {_MAX_KEYS} metadata keys, but there would be {len(merged)}."
        raise invalid_parameter(message, "metadata")
    return merged


def _nested(old: Any, new: dict[str, Any], schema: Schema | None) -> Any:
    known = schema is not None and schema.fields_of is not None
    inner = sdk_schema.fields(schema.fields_of) if schema is not None and known else {}
    base = old if isinstance(old, dict) else dict.fromkeys(inner)
    if inner:
        merge_params(base, new, inner)
    else:
        base.update({k: v for k, v in new.items() if v is not None})
    return base


def _has_type(value: Any, schema: Schema) -> bool:
    """Whether a parameter has the type of the field (``items`` and the like have not)."""
    if value is None:
        return schema.nullable
    if schema.kind == "list":
        return (
            isinstance(value, list)
            and schema.item is not None
            and all(_has_type(v, schema.item) for v in value)
        )
    if schema.kind == "object" and schema.fields_of is not None and not schema.targets:
        return isinstance(value, dict) and set(value) <= set(sdk_schema.fields(schema.fields_of))
    types: Mapping[str, tuple[type, ...]] = {
        "int": (int,), "bool": (bool,), "float": (int, float), "str": (str,), "decimal": (str,),
        "ref": (str,), "any": (object,),
    }  # fmt: skip
    return isinstance(value, types.get(schema.kind, ()))
