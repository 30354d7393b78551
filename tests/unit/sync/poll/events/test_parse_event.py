"""Two Stripe events of one change have the same fingerprint, where one request made both."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.records import ChangeType
from stripe_sync.sync.poll.events.parse_event import (
    fingerprint,
    parse_event,
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
