"""Where objects name other objects, read from the annotations of the installed SDK."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stripe_sandbox.resources.sdk_schema import Schema, fields, object_fields
from stripe_sync.catalog.model import Collection
from stripe_sync.records import canonical_json

References = dict[str, dict[str, tuple[str, ...]]]
"""Collection id to dotted path to the object names that the path may name."""

_OTHER = ""
"""Stands for values that are no id of an object: of a plain text, only prefixes can say."""

OLD_FIELDS: Mapping[str, Mapping[str, str]] = {
    "stripe:charge": {"invoice": "invoice", "order": "order"},
    "stripe:invoice": {
        "charge": "charge",
        "lines.data.*.plan": "plan",
        "lines.data.*.price": "price",
        "payment_intent": "payment_intent",
        "quote": "quote",
        "subscription": "subscription",
    },
    "stripe:invoiceitem": {
        "plan": "plan",
        "price": "price",
        "subscription": "subscription",
    },
    "stripe:line_item": {"plan": "plan", "price": "price"},
    "stripe:payment_intent": {"charges.data.*": "charge", "invoice": "invoice"},
    "stripe:promotion_code": {"coupon": "coupon"},
    "stripe:subscription": {"plan": "plan"},
    "stripe:subscription_schedule": {
        "phases.*.coupon": "coupon",
        "phases.*.items.*.plan": "plan",
    },
}
"""Paths in older API versions that the SDK no longer declares."""


def read_references(collections: Iterable[Collection]) -> References:
    """All paths into the payloads of collections that name objects of collections.

    A path names an object by its id or contains it. Paths that may also name objects outside of
    the catalogue list those too, and plain texts that are named like an object an empty name: only
    the prefix of the id shows then which object it is.

    Args:
        collections: The collections, parent-only ones included.
    """
    collections = list(collections)
    known = {each.object for each in collections}
    found: References = {}
    for each in collections:
        paths: dict[str, set[str]] = {}
        for name, schema in object_fields(each.object).items():
            for parts, targets in _walk(schema, (name,), frozenset({each.object})):
                paths.setdefault(".".join(parts), set()).update(targets)
        for path, target in OLD_FIELDS.get(each.id, {}).items():
            paths.setdefault(path, set()).add(target)
        kept = {path: _named(paths[path], known) for path in sorted(paths) if paths[path] & known}
        if kept:
            found[each.id] = kept
    return dict(sorted(found.items()))


def render_references(references: References) -> str:
    """The text of ``references.json``, one line a path."""
    blocks = []
    for collection_id, paths in references.items():
        lines = [f"    {_text(path)}: {_text(targets)}" for path, targets in paths.items()]
        blocks.append(f"  {_text(collection_id)}: {{\n" + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _named(targets: set[str], known: set[str]) -> tuple[str, ...]:
    return tuple(sorted(targets & {*known, _OTHER} if _OTHER in targets else targets))


def _walk(
    schema: Schema | None, path: tuple[str, ...], inside: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Paths at and below a field; an object that contains itself is entered once."""
    if schema is None:
        return
    if schema.kind == "ref":
        yield path, schema.targets
    elif schema.kind == "str" and not schema.choices:
        # A line has the texts "subscription" and "invoice_item".
        yield path, (_OTHER, path[-1], path[-1].replace("_", ""))
    elif schema.kind in {"list", "map"}:
        yield from _walk(schema.item, (*path, "*"), inside)
    elif schema.kind == "page":
        yield from _walk(schema.item, (*path, "data", "*"), inside)
    elif schema.kind == "object":
        if schema.targets:
            yield path, schema.targets
            if inside & {*schema.targets}:
                return
            inside |= {*schema.targets}
        for name, field in fields(schema.fields_of).items():
            yield from _walk(field, (*path, name), inside)


def _text(value: object) -> str:
    return canonical_json.dumps(value).decode()
