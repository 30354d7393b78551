"""A difference between what is declared and what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One change of a sync or a consumer.

    Attributes:
        field: ``collections``, ``settings.max_age_days``, ``metadata.team``, …
        old: The stored value; None for none.
        new: The wanted value; None for none. Of ``collections`` None is all.
    """

    field: str
    old: Any
    new: Any
