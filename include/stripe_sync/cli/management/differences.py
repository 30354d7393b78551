"""The difference that a command shows before it changes something, and its question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stripe_sync.catalog import load_catalog
from stripe_sync.declared.changes import FieldChange
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import canonical_json


def check_answerable(*, as_json: bool, is_answered: bool) -> None:
    """Refuse to ask a question whose reason is not shown.

    Raises:
        ConfigurationError: JSON is to be printed, and nothing answers the question.
    """
    if as_json and not is_answered:
        message = "--json needs --yes or --dry-run: nobody could see what the question is about"
        raise ConfigurationError(message)


def change_row(change: FieldChange, *, is_new: bool) -> tuple[str, str, str]:
    """Field, old and new value of a change, for a table."""
    old = "" if is_new else _value(change.field, change.old)
    return change.field, old, _value(change.field, change.new)


def _value(field: str, value: Any) -> str:
    if field == "collections":
        return short_names(value)
    if value is None or isinstance(value, str):
        return value or ""
    return canonical_json.dumps(value).decode()


def short_names(collection_ids: Sequence[str] | None) -> str:
    """Names of collections without prefix; all of them by their number."""
    if collection_ids is None or len(collection_ids) == len(load_catalog()):
        return "all"
    return ", ".join(name.partition(":")[2] for name in collection_ids)


def backfill_hint(sync: str, collection_ids: tuple[str, ...]) -> str:
    """What is left to be done for collections that need a backfill."""
    names = short_names(collection_ids)
    return f"Not backfilled yet: {names} of sync {sync}. Trigger the DAG stripe_backfill for it."
