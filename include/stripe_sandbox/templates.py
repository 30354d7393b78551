"""Templates of objects, made from the SDK's annotations.

A template is one plausible object plus the places in it that differ from object to object:
ids, references and moments. Filling it in is cheap, so that a seed of many objects is too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripe_sandbox import sdk
from stripe_sandbox.legacy import LEGACY
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.sdk import Shape

EPOCH = 1_700_000_000
"""The creation time of every template; moments are shifted from here."""

_DEPTH = 4
_MOMENT = re.compile(
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
_YES = frozenset(
    ("active", "valid", "captured", "paid", "enabled", "open", "approved", "attempted")
)

_METHODS = {"card", "us_bank_account"}
"""Where both stand side by side, every payment method has a field and one of them is there."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Template:
    """One plausible object and the places that vary.

    Attributes:
        json: The object.
        moments: Where its timestamps are.
        children: Where nested objects have an id of their own, and of what kind they are.
        references: Where ids of other objects are, and of which kinds.
        pages: Where embedded lists are.
    """

    json: bytes = b""
    moments: list[Path] = field(default_factory=list)
    children: list[tuple[Path, str]] = field(default_factory=list)
    references: list[tuple[Path, Shape]] = field(default_factory=list)
    pages: list[Path] = field(default_factory=list)


def build(name: str, rng: random.Random | None, always: frozenset[str] = frozenset()) -> Template:
    """Make a template.

    Args:
        name: The value of the ``object`` field.
        rng: Decides what optional fields hold; None leaves all of them null, as a creation does.
        always: Fields that hold something in any case.
    """
    maker = _Maker(rng, always)
    if name in LEGACY:
        doc = maker.legacy(LEGACY[name], ())
    else:
        row = RESOURCES.get(name)
        elsewhere = row.includes if row is not None else ()
        shapes = {k: v for k, v in sdk.object_fields(name).items() if k not in elsewhere}
        doc = maker.fields(shapes, (), 0)
    maker.template.json = orjson.dumps(doc)
    return maker.template


class _Maker:
    def __init__(self, rng: random.Random | None, always: frozenset[str]) -> None:
        self.rng = rng
        self.always = always
        self.template = Template()

    def legacy(self, node: Any, path: Path) -> Any:
        if isinstance(node, dict):
            return {k: self.legacy(v, (*path, k)) for k, v in node.items()}
        if isinstance(node, int) and node >= EPOCH:
            self.template.moments.append(path)
        return node

    def fields(self, shapes: Mapping[str, Shape], path: Path, depth: int) -> dict[str, Any]:
        kind = self._discriminator(shapes)
        skipped = self._other_kinds(shapes, kind)
        doc: dict[str, Any] = {}
        for name, shape in shapes.items():
            if name in skipped and shape.kind == "object":
                continue
            if name == "type" and kind:
                doc[name] = kind
            else:
                named = name == kind or (depth == 0 and name in self.always)
                doc[name] = self.value(name, shape, (*path, name), depth, named=named)
        return doc

    def _other_kinds(self, shapes: Mapping[str, Shape], kind: str | None) -> set[Any]:
        """Fields that are absent because the object is of another kind."""
        if kind is None:
            return set()
        choices = set(shapes["type"].choices) if "type" in shapes else set()
        return (choices or {k for k, s in shapes.items() if s.kind == "object"}) - {kind}

    def _discriminator(self, shapes: Mapping[str, Shape]) -> str | None:
        """The chosen value of ``type``, when it says which of the other fields is there."""
        choices = [str(c) for c in shapes["type"].choices] if "type" in shapes else []
        present = [c for c in choices if c in shapes and shapes[c].kind == "object"]
        if not present:
            return "card" if shapes.keys() >= _METHODS else None
        return "card" if "card" in present else present[0]

    def value(self, name: str, shape: Shape, path: Path, depth: int, *, named: bool = False) -> Any:
        if shape.nullable and not named and not self._filled(name, shape, depth):
            return None
        if shape.kind == "ref":
            self.template.references.append((path, shape))
            return None
        if shape.kind in ("object", "list", "map", "page"):
            return self._holder(name, shape, path, depth)
        if shape.choices:
            return shape.choices[self.rng.randrange(len(shape.choices)) if self.rng else 0]
        return self._plain(name, shape.kind, path)

    def _holder(self, name: str, shape: Shape, path: Path, depth: int) -> Any:
        if shape.kind == "object":
            return self._object(shape, path, depth)
        if shape.kind == "list":
            return self._list(name, shape, path, depth)
        return self._page(shape, path, depth) if shape.kind == "page" else {}

    def _filled(self, name: str, shape: Shape, depth: int) -> bool:
        if name == "metadata":
            return True
        if self.rng is None or depth >= _DEPTH:
            return False
        if shape.kind == "str" and not shape.choices and name not in _TEXTS:
            return self.rng.random() < 0.15  # noqa: PLR2004 - texts without a meaning look odd
        return self.rng.random() < (0.75 if shape.kind != "object" else 0.9 - 0.2 * depth)

    def _object(self, shape: Shape, path: Path, depth: int) -> Any:
        assert shape.fields_of is not None  # noqa: S101 - by construction of shapes
        if depth >= 2 * _DEPTH:
            return {}
        doc = self.fields(sdk.fields(shape.fields_of), path, depth + 1)
        if shape.targets and "id" in doc:
            self.template.children.append((path, shape.targets[0]))
        return doc

    def _list(self, name: str, shape: Shape, path: Path, depth: int) -> list[Any]:
        item = shape.item
        if self.rng is None or depth >= _DEPTH or item is None or self.rng.random() < 0.4:  # noqa: PLR2004
            return []
        return [self.value(name.removesuffix("s"), item, (*path, 0), depth + 1)]

    def _page(self, shape: Shape, path: Path, depth: int) -> dict[str, Any]:
        self.template.pages.append(path)
        data: list[Any] = []
        item = shape.item
        if self.rng is not None and depth == 0 and item is not None and item.kind == "object":
            count = 1 + self.rng.randrange(2)
            data = [self._object(item, (*path, "data", at), 1) for at in range(count)]
        return {"object": "list", "data": data, "has_more": False, "url": ""}

    def _plain(self, name: str, kind: str, path: Path) -> Any:
        if kind == "bool":
            return name in _YES
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
        if _MOMENT.fullmatch(name):
            self.template.moments.append(path)
            later = name.endswith(("end", "_by", "expires", "due_date", "expires_at"))
            return EPOCH + (30 * 86_400 if later else 0)
        if name in _NUMBERS:
            return _NUMBERS[name]
        if self.rng is not None and _AMOUNT.fullmatch(name):
            return self.rng.randrange(500, 20_000, 25)
        return 0

    def _text(self, name: str, path: Path) -> str | None:
        if self.rng is not None and name in RESOURCES:
            self.template.references.append((path, Shape("ref", targets=(name,))))
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
