"""The template of a path: ``/v1/customers/{id}`` for ``v1/customers/cus_1``.

Limits count by template. The catalogue's come first, so that a request shares its budget with those
of polling and backfills; then those of Stripe's SDK; then what looks like an id is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from stripe_sync.catalog import Catalog
from stripe_sync.mutations.sdk_params import sdk_paths

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
# The name of a route has small letters; what is quoted in a URL is a value.
_LIKE_AN_ID = re.compile(r"[^a-z_.-]")


def template_of(
    catalog: Catalog, method: str, segments: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The template of a path, and the values of its placeholders.

    Args:
        catalog: All collections.
        method: ``get``, ``post`` or ``delete``.
        segments: The parts of the path, decoded: ``["v1", "customers", "cus_1"]``.
    """
    for templates in (_of_catalog(catalog, method), sdk_paths(method)):
        found = _best(templates, segments)
        if found is not None:
            return _filled(found, segments)
    return _filled(
        [part if not index else _guessed(part) for index, part in enumerate(segments)], segments
    )


@cache
def _of_catalog(catalog: Catalog, method: str) -> tuple[str, ...]:
    collections = [*catalog.values(), *catalog.parent_only.values()]
    reads = [path for each in collections for path in each.paths]
    writes = [path for each in collections for path in _writes(each.mutations.all, method)]
    return tuple(dict.fromkeys(reads + writes if method == "get" else writes + reads))


def _writes(calls: Iterable[str], method: str) -> Iterable[str]:
    pairs = (call.split(" ", 1) for call in calls)
    return (path for verb, path in pairs if verb.lower() == method)


def _best(templates: Iterable[str], segments: Sequence[str]) -> list[str] | None:
    """The template that names most parts of a path, the first one of several."""
    best, most = None, -1
    for template in templates:
        parts = template.strip("/").split("/")
        if len(parts) != len(segments):
            continue
        named = [part for part in parts if not _PLACEHOLDER.fullmatch(part)]
        fits = all(
            part == segment or _PLACEHOLDER.fullmatch(part)
            for part, segment in zip(parts, segments, strict=True)
        )
        if fits and len(named) > most:
            best, most = parts, len(named)
    return best


def _guessed(segment: str) -> str:
    return "{}" if _LIKE_AN_ID.search(segment) else segment


def _filled(parts: Sequence[str], segments: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A template whose placeholders all have names, and their values."""
    values: dict[str, str] = {}
    names: list[str] = []
    for part, segment in zip(parts, segments, strict=True):
        if match := _PLACEHOLDER.fullmatch(part):
            name = match[1] or (f"id_{len(values) + 1}" if values else "id")
            values[name] = segment
            names.append(f"{{{name}}}")
        else:
            names.append(segment)
    return "/" + "/".join(names), values
