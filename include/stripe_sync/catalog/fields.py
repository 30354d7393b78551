"""Fields of the collections' objects, as in ``fields.json``: the columns of the typed tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

FIELDS_FILE = Path(__file__).with_name("fields.json")


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
        moved_to: Where later API versions have the value: a path such as
            ``parent.subscription_details.subscription``. The first one with a value is taken, if
            the field itself has none. A number is a place in a list, ``*`` all of its members.
        aggregate: How the values that a path with ``*`` leads to become one.
        equals: The value at ``moved_to`` for which a boolean field is true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FieldKind
    to: tuple[str, ...] = ()
    moved_to: tuple[str, ...] = ()
    aggregate: Literal["min", "max", "sum"] | None = None
    equals: str | None = None

    def is_typed(self, name: str) -> bool:
        """Whether a typed table has a column for it; other fields are read from the payload."""
        return self.kind is not FieldKind.JSON or name == "metadata"


Fields = dict[str, dict[str, Field]]
"""Collection id to field name to field, in the order of the catalogue and of the SDK."""

_FIELDS: TypeAdapter[Fields] = TypeAdapter(Fields)


def read_fields(path: Path) -> Fields:
    """The stored fields; none when nothing was generated yet."""
    return _FIELDS.validate_json(path.read_bytes()) if path.exists() else {}


@cache
def load_fields() -> Fields:
    """The fields of all collections; do not change what is returned."""
    return read_fields(FIELDS_FILE)


def nested_fields(fields: Mapping[str, Field]) -> Iterator[str]:
    """Names of the fields that are read from the payload."""
    return (name for name, field in fields.items() if not field.is_typed(name))
