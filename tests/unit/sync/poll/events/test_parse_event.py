"""Two Stripe events of one change have the same fingerprint, where one request made both."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.records import ChangeType
from stripe_sync.sync.poll.events.parse_event import (
    fingerprint,
    parse_event,
    stream_order,
)
from unit.sync.poll.events.stripe_events import CATALOG, PRODUCT, VERSION, at, event, product

REQUEST = {"id": "req_1", "idempotency_key": None}
RENAMED = event("product.updated", product(), previous={"name": "A"}, request=REQUEST)


def test_an_event_is_parsed() -> None:
    parsed = parse_event(RENAMED, PRODUCT)
    assert (parsed.id, parsed.type) == ("evt_1", "product.updated")
    assert (parsed.change, parsed.created) == (ChangeType.UPDATED, at(0))
    assert (parsed.previous_attributes, parsed.api_version) == ({"name": "A"}, VERSION)
    assert parsed.fingerprint == fingerprint(RENAMED)


def test_an_event_type_that_may_stand_for_a_creation_leaves_the_change_open() -> None:
    succeeded = event("charge.succeeded", {"id": "ch_1", "object": "charge"})
    parsed = parse_event(succeeded, CATALOG.resolve("charge"))
    assert (parsed.change, parsed.previous_attributes) == (None, None)


@pytest.mark.parametrize("request_id", [REQUEST, "req_1"], ids=["object", "old version's text"])
def test_a_duplicate_has_the_same_fingerprint(request_id: Any) -> None:
    first = {**RENAMED, "request": request_id}
    assert fingerprint(first) == fingerprint({**first, "id": "evt_2", "pending_webhooks": 3})


@pytest.mark.parametrize(
    "other",
    [
        {"type": "product.created"},
        {"created": RENAMED["created"] + 1},
        {"request": {"id": "req_2"}},
        {"account": "acct_2"},
        {"data": {"object": product(name="B")}},
    ],
)
def test_another_change_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint(RENAMED) != fingerprint({**RENAMED, **other})


@pytest.mark.parametrize("request_id", [None, {}, {"id": None}])
def test_without_a_request_nothing_is_proven(request_id: Any) -> None:
    assert fingerprint({**RENAMED, "request": request_id}) is None


@pytest.mark.parametrize(
    ("exists", "order"),
    [(False, ["created", "updated", "deleted"]), (True, ["deleted", "created", "updated"])],
)
def test_a_deletion_in_the_second_of_a_creation_precedes_it_where_the_object_exists(
    exists: bool, order: list[str]
) -> None:
    """Ids of products are used again; within a second nothing else shows which came first."""
    changes = [event(f"product.{change}", product()) for change in sorted(order)]
    changes.sort(key=lambda each: stream_order(each, PRODUCT, exists=exists))
    assert [each["type"].split(".")[1] for each in changes] == order
