"""A column of a view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view.

    Attributes:
        name: Its name, unquoted.
        expression: SQL expression before ``as`` in the model.
        data_type: Its type in Postgres.
        description: Its meaning.
    """

    name: str
    expression: str
    data_type: str
    description: str
