"""Settings of postgres consumers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stripe_sync.consumers.sink import SinkSettings
from stripe_sync.consumers.sinks.postgres.columns import COLUMNS
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.selection import Stream

CURSORS = "stripe_sync_cursors"
"""Table with the cursors, in the schema of the rows."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_NAME_FORM = "1 to 63 letters, digits and _, not beginning with a digit"
_MOST_COLUMNS = 200
_MOST_LEVELS = 20


class ColumnType(StrEnum):
    """Types of typed columns."""

    TEXT = "text"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TIMESTAMPTZ = "timestamptz"
    """Of Stripe's times, which are seconds since 1970."""


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(_NAME_FORM)
    return name


class TypedColumn(BaseModel):
    """A column with one field of the object.

    Attributes:
        path: Where the field is: ``billing_details.email``, ``items.data.0.price.id``; a list of
            keys where one has a dot.
        type: Type of the column; it is null where the object lacks the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST_LEVELS)]
    type: ColumnType

    @field_validator("path", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        return tuple(value.split(".")) if isinstance(value, str) else value


class PostgresSettings(SinkSettings):
    """Settings of a postgres consumer. Names are those in the database, capitals kept.

    Attributes:
        schema_name: Schema of its tables; its name is ``schema``.
        table: Table of its rows; None for ``records`` or ``events``, as its stream.
        typed_columns: Columns with single fields of the objects, by name.
    """

    schema_name: str = Field("stripe", alias="schema")
    table: str | None = None
    typed_columns: Annotated[Mapping[str, TypedColumn], Field(max_length=_MOST_COLUMNS)] = Field(
        default_factory=dict
    )

    @field_validator("schema_name", "table")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value == CURSORS:
            message = f"{CURSORS} has the cursors"
            raise ValueError(message)
        return None if value is None else _name(value)

    @field_validator("typed_columns")
    @classmethod
    def _are_names(cls, value: Mapping[str, TypedColumn]) -> Mapping[str, TypedColumn]:
        for name in value:
            _name(name)
        return value

    def check(self, stream: Stream) -> None:
        """See ``SinkSettings``."""
        for name in self.typed_columns:
            if name in COLUMNS[stream]:
                message = f"settings.typed_columns: the table has a column {name} of its own"
                raise ConfigurationError(message, param="settings.typed_columns")
