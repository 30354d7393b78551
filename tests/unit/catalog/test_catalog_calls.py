"""Rules of the catalogue about parents: who has no children, whose children changed."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.catalog.calls import SkipRule, Trigger

NAMED = SkipRule(field="price.usage_type", values=("licensed",), why="test")
NOTHING = SkipRule(field="latest", values=(None,), why="test")
ANYTHING = SkipRule(field="price.meter", present=True, why="test")


@pytest.mark.parametrize(
    ("rule", "parent", "skipped"),
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
def test_parents_are_skipped_only_when_their_field_says_so(
    rule: SkipRule, parent: dict[str, Any], skipped: bool
) -> None:
    assert rule.applies(parent) is skipped


def event(kind: str, previous: dict[str, Any] | None = None, **obj: Any) -> dict[str, Any]:
    return {"type": kind, "data": {"object": obj, "previous_attributes": previous}}


@pytest.mark.parametrize(
    ("trigger", "stripe_event", "parent"),
    [
        (Trigger(events=("a.*",)), event("a.b", id="x"), "x"),
        (Trigger(events=("a.b",)), event("a.bc", id="x"), None),
        (Trigger(events=("a",), changed="balance"), event("a", {"balance": 1}, id="x"), "x"),
        (Trigger(events=("a",), changed="balance"), event("a", {"name": 1}, id="x"), None),
        (Trigger(events=("a",), changed="balance"), event("a", id="x"), None),
        (Trigger(events=("a",), given="note"), event("a", id="x", note=None), None),
        (Trigger(events=("a",), given="note"), event("a", id="x", note="n"), "x"),
        (Trigger(events=("a",), parent="p.q"), event("a", p={"q": {"id": "x"}}), "x"),
        (Trigger(events=("a",), parent="p.q"), event("a", p=None), None),
    ],
)
def test_stripe_events_name_the_parent_whose_children_changed(
    trigger: Trigger, stripe_event: dict[str, Any], parent: str | None
) -> None:
    assert trigger.parent_of(stripe_event) == parent
