"""Templates of objects, built from the SDK's annotations.

A template is one plausible object and the paths of the fields that differ from object to object:
ids, references and timestamps. Rendering it is cheap, so that seeds can be large.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.retired_objects import RETIRED_OBJECTS
from stripe_sandbox.resources.sdk_schema import Schema

EPOCH = 1_700_000_000
"""The creation time of every template; timestamps are relative to it."""

_DEPTH = 4
_TIMESTAMP = re.compile(
    r"(created|date|updated|start|end|expires|frozen_time|available_on|redeem_by|effective_at"
    r"|.+_at|.+_date|.+_start|.+_end|.+_by|.+_until|next_payment_attempt|billing_cycle_anchor)"
)
_AMOUNT = re.compile(r".*(amount|total|balance|price|fee|net|subtotal|remaining|paid).*")
_TEXTS: Mapping[str, str] = {
    "currency": "usd", "country": "US", "city": "Portland", "line1": "12 Harbor Street",
    "line2": "Unit 4", "postal_code": "97201", "state": "OR", "phone": "+15035550142",
    "last4": "4242", "brand": "visa", "network": "visa", "locale": "en", "iin": "424242",
    "merchant_currency": "usd", "statement_descriptor": "HARBOR SUPPLY", "bank_name": "STRIPE BANK",
    "routing_number": "110000000", "language": "en", "mcc": "5734", "time_zone": "Etc/UTC",
    "ip": "203.0.113.7", "name": "Harbor Supply", "email": "orders@example.com",
    "cardholder_name": "Ada Moreno", "quantity_decimal": "1",
}  # fmt: skip
_NUMBERS: Mapping[str, int] = {
    "quantity": 1, "exp_month": 8, "exp_year": 2031, "interval_count": 1, "attempt_count": 1,
    "duration_in_months": 3, "trial_period_days": 14, "risk_score": 17, "times_redeemed": 0,
    "max_redemptions": 500, "days_until_due": 30, "day": 14, "month": 6, "year": 1988,
}  # fmt: skip
_TRUE_FIELDS = frozenset(
    ("active", "valid", "captured", "paid", "enabled", "open", "approved", "attempted")
)

_METHODS = {"card", "us_bank_account"}
"""An object with both fields has a field per payment method, and one of them has a value."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class ObjectTemplate:
    """One plausible object and the fields that vary.

    Attributes:
        json: The object.
        timestamps: Paths of its timestamps.
        children: Paths of nested objects with an id of their own, and their kinds.
        references: Paths of the ids of other objects, and their schemas.
        pages: Paths of embedded lists.
    """

    json: bytes = b""
    timestamps: list[Path] = field(default_factory=list)
    children: list[tuple[Path, str]] = field(default_factory=list)
    references: list[tuple[Path, Schema]] = field(default_factory=list)
    pages: list[Path] = field(default_factory=list)


def build_template(
    name: str, rng: random.Random | None, always: frozenset[str] = frozenset()
) -> ObjectTemplate:
    """Build a template.

    Args:
        name: The value of the ``object`` field.
        rng: Decides which optional fields have values; None leaves all null, as a creation does.
        always: Fields that always have a value.
    """
    builder = _TemplateBuilder(rng, always)
    if name in RETIRED_OBJECTS:
        doc = builder.retired(RETIRED_OBJECTS[name], ())
    else:
        resource = RESOURCES.get(name)
        elsewhere = resource.expandable_lists if resource is not None else ()
        schemas = {k: v for k, v in sdk_schema.object_fields(name).items() if k not in elsewhere}
        doc = builder.fields(schemas, (), 0)
    builder.template.json = orjson.dumps(doc)
    return builder.template


class _TemplateBuilder:
    def __init__(self, rng: random.Random | None, always: frozenset[str]) -> None:
        self.rng = rng
        self.always = always
        self.template = ObjectTemplate()

    def retired(self, node: Any, path: Path) -> Any:
        if isinstance(node, dict):
            return {k: self.retired(v, (*path, k)) for k, v in node.items()}
        if isinstance(node, int) and node >= EPOCH:
            self.template.timestamps.append(path)
        return node

    def fields(self, schemas: Mapping[str, Schema], path: Path, depth: int) -> dict[str, Any]:
        kind = self._discriminator(schemas)
        skipped = self._other_kinds(schemas, kind)
        doc: dict[str, Any] = {}
        for name, schema in schemas.items():
            if name in skipped and schema.kind == "object":
                continue
            if name == "type" and kind:
                doc[name] = kind
            else:
                named = name == kind or (depth == 0 and name in self.always)
                doc[name] = self.value(name, schema, (*path, name), depth, named=named)
        return doc

    def _other_kinds(self, schemas: Mapping[str, Schema], kind: str | None) -> set[Any]:
        """Fields that are absent because the object is of another kind."""
        if kind is None:
            return set()
        choices = set(schemas["type"].choices) if "type" in schemas else set()
        return (choices or {k for k, s in schemas.items() if s.kind == "object"}) - {kind}

    def _discriminator(self, schemas: Mapping[str, Schema]) -> str | None:
        """The value of ``type``, when it decides which of the other fields are present."""
        choices = [str(c) for c in schemas["type"].choices] if "type" in schemas else []
        present = [c for c in choices if c in schemas and schemas[c].kind == "object"]
        if not present:
            return "card" if schemas.keys() >= _METHODS else None
        return "card" if "card" in present else present[0]

    def value(
        self, name: str, schema: Schema, path: Path, depth: int, *, named: bool = False
    ) -> Any:
        if schema.nullable and not named and not self._filled(name, schema, depth):
            return None
        if schema.kind == "ref":
            self.template.references.append((path, schema))
            return None
        if schema.kind in ("object", "list", "map", "page"):
            return self._holder(name, schema, path, depth)
        if schema.choices:
            return schema.choices[self.rng.randrange(len(schema.choices)) if self.rng else 0]
        return self._plain(name, schema.kind, path)

    def _holder(self, name: str, schema: Schema, path: Path, depth: int) -> Any:
        if schema.kind == "object":
            return self._object(schema, path, depth)
        if schema.kind == "list":
            return self._list(name, schema, path, depth)
        return self._page(schema, path, depth) if schema.kind == "page" else {}

    def _filled(self, name: str, schema: Schema, depth: int) -> bool:
        if name == "metadata":
            return True
        if self.rng is None or depth >= _DEPTH:
            return False
        if schema.kind == "str" and not schema.choices and name not in _TEXTS:
            return self.rng.random() < 0.15  # noqa: PLR2004 - texts without a meaning look odd
        return self.rng.random() < (0.75 if schema.kind != "object" else 0.9 - 0.2 * depth)

    def _object(self, schema: Schema, path: Path, depth: int) -> Any:
        assert schema.fields_of is not None  # noqa: S101 - by construction of schemas
        if depth >= 2 * _DEPTH:
            return {}
        doc = self.fields(sdk_schema.fields(schema.fields_of), path, depth + 1)
        if schema.targets and "id" in doc:
            self.template.children.append((path, schema.targets[0]))
        return doc

    def _list(self, name: str, schema: Schema, path: Path, depth: int) -> list[Any]:
        item = schema.item
        if self.rng is None or depth >= _DEPTH or item is None or self.rng.random() < 0.4:  # noqa: PLR2004
            return []
        return [self.value(name.removesuffix("s"), item, (*path, 0), depth + 1)]

    def _page(self, schema: Schema, path: Path, depth: int) -> dict[str, Any]:
        self.template.pages.append(path)
        data: list[Any] = []
        item = schema.item
        if self.rng is not None and depth == 0 and item is not None and item.kind == "object":
            count = 1 + self.rng.randrange(2)
            data = [self._object(item, (*path, "data", at), 1) for at in range(count)]
        return {"object": "list", "data": data, "has_more": False, "url": ""}

    def _plain(self, name: str, kind: str, path: Path) -> Any:
        if kind == "bool":
            return name in _TRUE_FIELDS
        if kind == "decimal":
            return "0" if self.rng is None else "1250"
        if kind == "float":
            return 0.0 if self.rng is None else 12.5
        if kind == "int":
            return self._integer(name, path)
        if kind == "str":
            return self._text(name, path)
        return None

    def _integer(self, name: str, path: Path) -> int:
        if _TIMESTAMP.fullmatch(name):
            self.template.timestamps.append(path)
            later = name.endswith(("end", "_by", "expires", "due_date", "expires_at"))
            return EPOCH + (30 * 86_400 if later else 0)
        if name in _NUMBERS:
            return _NUMBERS[name]
        if self.rng is not None and _AMOUNT.fullmatch(name):
            return self.rng.randrange(500, 20_000, 25)
        return 0

    def _text(self, name: str, path: Path) -> str | None:
        if self.rng is not None and name in RESOURCES:
            self.template.references.append((path, Schema("ref", targets=(name,))))
            return None
        if name in _TEXTS:
            return _TEXTS[name]
        if name.endswith(("url", "_pdf")):
            return f"https://files.example.com/{name.replace('_', '-')}"
        if name.endswith("currency"):
            return "usd"
        if name.endswith("country"):
            return "US"
        return name.replace("_", " ")
