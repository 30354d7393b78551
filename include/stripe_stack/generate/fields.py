"""The fields of the collections, as in ``catalog/fields.json``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from stripe_sync.records import canonical_json


class FieldKind(StrEnum):
    """The kind of a field's values, which decides the type of its column."""

    TEXT = "text"
    REFERENCE = "reference"
    """The id of another object, or that object itself where it was expanded."""
    INTEGER = "integer"
    """Counts, and amounts in the minor unit of their currency."""
    DECIMAL = "decimal"
    """Numbers with a fraction, in JSON a number or a string."""
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    """Whole seconds since 1970, UTC."""
    JSON = "json"
    """Lists, maps and structures."""


class Field(BaseModel):
    """One top-level field of a collection's objects.

    Attributes:
        kind: Kind of its values.
        to: Object names of the targets of a reference, ``customer``; empty for other kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FieldKind
    to: tuple[str, ...] = ()


Fields = dict[str, dict[str, Field]]
"""Collection id to field name to field, in the order of the catalogue and of the SDK."""

_FIELDS: TypeAdapter[Fields] = TypeAdapter(Fields)


def read_fields(path: Path) -> Fields:
    """The stored fields; none when nothing was generated yet."""
    return _FIELDS.validate_json(path.read_bytes()) if path.exists() else {}


def render_fields(fields: Fields) -> str:
    """The text of ``fields.json``, one line a field, so that differences read well."""
    blocks = []
    for collection_id, members in fields.items():
        lines = [
            f"    {_text(name)}: {_text(field.model_dump(mode='json', exclude_defaults=True))}"
            for name, field in members.items()
        ]
        blocks.append(f"  {_text(collection_id)}: {{\n" + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def differences(old: Fields, new: Fields) -> list[str]:
    """What was added, removed or changed between two sets of fields, a line each."""
    lines: list[str] = []
    for collection_id in [*new, *(gone for gone in old if gone not in new)]:
        before, after = old.get(collection_id, {}), new.get(collection_id, {})
        names = [*after, *(gone for gone in before if gone not in after)]
        lines += [
            _difference(f"{collection_id}.{name}", before.get(name), after.get(name))
            for name in names
            if before.get(name) != after.get(name)
        ]
    return lines


def _difference(label: str, before: Field | None, after: Field | None) -> str:
    if before is None and after is not None:
        return f"added {label} ({after.kind})"
    if before is not None and after is None:
        return f"removed {label} ({before.kind})"
    return f"changed {label} ({_show(before)} to {_show(after)})"


def _show(field: Field | None) -> str:
    return " ".join([field.kind, *field.to]) if field else ""


def _text(value: object) -> str:
    return canonical_json.dumps(value).decode()
