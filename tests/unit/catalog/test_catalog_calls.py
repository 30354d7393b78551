"""Predicates on objects, and the parents whose children a Stripe event may have changed."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.catalog.calls import FieldPredicate, Trigger

NAMED = FieldPredicate(field="price.usage_type", values=("licensed",), reason="test")
NOTHING = FieldPredicate(field="latest", values=(None,), reason="test")
ANYTHING = FieldPredicate(field="price.meter", present=True, reason="test")


@pytest.mark.parametrize(
    ("predicate", "obj", "expected"),
    [
        (NAMED, {"price": {"usage_type": "licensed"}}, True),
        (NAMED, {"price": {"usage_type": "metered"}}, False),
        (NAMED, {"price": None}, False),
        (NAMED, {}, False),
        (NOTHING, {"latest": None}, True),
        (NOTHING, {"latest": {}}, True),
        (NOTHING, {}, True),
        (NOTHING, {"latest": "setatt_1"}, False),
        (NOTHING, {"latest": {"id": "setatt_1"}}, False),
        (ANYTHING, {"price": {"meter": "mtr_1"}}, True),
        (ANYTHING, {"price": {"meter": None}}, False),
    ],
)
def test_a_predicate_matches_by_the_value_of_one_field(
    predicate: FieldPredicate, obj: dict[str, Any], expected: bool
) -> None:
    assert predicate.matches(obj) is expected


def event(kind: str, previous: dict[str, Any] | None = None, **obj: Any) -> dict[str, Any]:
    return {"type": kind, "data": {"object": obj, "previous_attributes": previous}}


@pytest.mark.parametrize(
    ("trigger", "stripe_event", "parent"),
    [
        (Trigger(events=("a.*",)), event("a.b", id="x"), "x"),
        (Trigger(events=("a.b",)), event("a.bc", id="x"), None),
        (Trigger(events=("a",), changed_field="balance"), event("a", {"balance": 1}, id="x"), "x"),
        (Trigger(events=("a",), changed_field="balance"), event("a", {"name": 1}, id="x"), None),
        (Trigger(events=("a",), changed_field="balance"), event("a", id="x"), None),
        (Trigger(events=("a",), required_field="note"), event("a", id="x", note=None), None),
        (Trigger(events=("a",), required_field="note"), event("a", id="x", note="n"), "x"),
        (Trigger(events=("a",), parent="p.q"), event("a", p={"q": {"id": "x"}}), "x"),
        (Trigger(events=("a",), parent="p.q"), event("a", p=None), None),
    ],
)
def test_a_trigger_finds_the_parent_whose_children_may_have_changed(
    trigger: Trigger, stripe_event: dict[str, Any], parent: str | None
) -> None:
    assert trigger.parent_of(stripe_event) == parent
