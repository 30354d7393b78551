"""The text of ``catalog/fields.json``, and what differs between two versions of it."""

from __future__ import annotations

from stripe_sync.catalog.fields import Field, Fields
from stripe_sync.records import canonical_json


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
