"""Stripe's form encoding (``a[b]=1&c[]=2``), and the types of the parameters in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import invalid_parameter, missing_parameter, unknown_parameter
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.sdk_schema import Schema

ANY = Schema("any")
TEXT = Schema("str")
_STRINGS = Schema("list", item=TEXT)
PAGING: Mapping[str, Schema] = {
    "limit": Schema("int"), "starting_after": TEXT, "ending_before": TEXT, "expand": _STRINGS,
}  # fmt: skip

_BY_NAME: Mapping[str, Schema] = {
    "str": TEXT, "int": Schema("int"), "bool": Schema("bool"), "list": _STRINGS,
    "range": ANY, "ranges": ANY, "any": ANY, "map": Schema("map", item=TEXT),
}  # fmt: skip


def schemas_by_type(kinds: Mapping[str, str]) -> Mapping[str, Schema]:
    """The schemas of parameters that the SDK does not know, from the names of their types."""
    return {name: _BY_NAME[kind] for name, kind in kinds.items()}


def decode(encoded: bytes | str) -> dict[str, Any]:
    """Form-encoded text as nested dictionaries; lists stay dictionaries with numbers as keys."""
    text = encoded.decode("utf-8", "replace") if isinstance(encoded, bytes) else encoded
    if "[" not in text and "%5B" not in text and "%5b" not in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        head, bracket, tail = key.partition("[")
        parts = [head, *tail.rstrip("]").split("][")] if bracket else [head]
        node = tree
        for part in parts[:-1]:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        last = parts[-1]
        node[last if last else str(len(node))] = value
    return tree


def coerce(value: Any, schema: Schema, name: str) -> Any:
    """Convert decoded text to the type of a parameter.

    Raises:
        ApiError: 400, the text has another type or a key is unknown.
    """
    if value == "" and schema.kind not in ("str", "any"):
        return None
    if isinstance(value, dict):
        return _coerce_tree(value, schema, name)
    if schema.scalar is not None:
        return coerce(value, schema.scalar, name)
    if schema.kind in _SCALARS:
        return _SCALARS[schema.kind](value, name)
    if schema.kind in ("object", "map", "list") and not schema.choices:
        noun = "array" if schema.kind == "list" else "object"
        message = f"Invalid {noun}"
        raise invalid_parameter(message, name)
    if value == "" and schema.clears:
        return None
    return value


def coerce_params(tree: Mapping[str, Any], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Convert the parameters of one request.

    Raises:
        ApiError: 400, a parameter is unknown or has another type.
    """
    for name in tree:
        if name not in schemas:
            raise unknown_parameter(name)
    return {name: coerce(value, schemas[name], name) for name, value in tree.items()}


def require_params(given: Mapping[str, Any], names: frozenset[str]) -> None:
    """Refuse a request that lacks a parameter.

    Raises:
        ApiError: 400 parameter_missing.
    """
    for name in sorted(names):
        if given.get(name) in (None, ""):
            raise missing_parameter(name)


def _coerce_tree(value: dict[str, Any], schema: Schema, name: str) -> Any:
    if schema.kind == "list":
        item = schema.item or ANY
        ordered = sorted(value.items(), key=lambda pair: (len(pair[0]), pair[0]))
        if [key for key, _ in ordered] != [str(index) for index in range(len(ordered))]:
            message = "Invalid array: its indices must begin at 0 and have no gaps"
            raise invalid_parameter(message, name)
        return [coerce(v, item, f"{name}[{k}]") for k, v in ordered]
    if schema.kind == "object":
        known = sdk_schema.param_fields(schema)
        for key in value:
            if known and key not in known:
                unknown = f"{name}[{key}]"
                raise unknown_parameter(unknown)
        return {k: coerce(v, known.get(k, ANY), f"{name}[{k}]") for k, v in value.items()}
    if schema.kind == "map":
        return {k: coerce(v, schema.item or ANY, f"{name}[{k}]") for k, v in value.items()}
    if schema.kind == "any":
        return {k: coerce(v, ANY, f"{name}[{k}]") for k, v in value.items()}
    message = f"Invalid {schema.kind}: {value}"
    raise invalid_parameter(message, name)


def _integer(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = None
    if number is None or not -(2**63) <= number < 2**63:
        message = f"Invalid integer: {value}"
        raise invalid_parameter(message, name, code="parameter_invalid_integer")
    return number


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        message = f"Invalid decimal: {value}"
        raise invalid_parameter(message, name) from None


def _boolean(value: Any, name: str) -> bool:
    if value in (True, False):
        return bool(value)
    if value in ("true", "false"):
        return bool(value == "true")
    message = f"Invalid boolean: {value}"
    raise invalid_parameter(message, name)


_SCALARS = {"int": _integer, "float": _number, "bool": _boolean}
