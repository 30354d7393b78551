"""Redaction: client secrets and similar fields are overwritten before anything is stored.

The fields are the ``sensitive`` paths of a collection's entry in the catalogue.
"""

from __future__ import annotations

from typing import Any

REDACTED = "[redacted]"


def redact(value: Any, path: tuple[str, ...]) -> None:
    """Overwrite what is at a path of an object, or of each object in a list, in place."""
    if isinstance(value, list):
        for item in value:
            redact(item, path)
    elif isinstance(value, dict) and path[0] in value:
        head, rest = path[0], path[1:]
        if rest:
            redact(value[head], rest)
        elif value[head] is not None:
            value[head] = REDACTED
