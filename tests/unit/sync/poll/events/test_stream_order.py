"""The order of Stripe events: by seconds, and within one by what can only have come first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from stripe_sync.sync.poll.events.stream_order import in_stream_order
from unit.sync.poll.events.stripe_events import CATALOG, PRODUCT, event, product

CUSTOMER = CATALOG.resolve("customer")
COLLECTIONS = {"product": PRODUCT, "customer": CUSTOMER}


def changes_in_order(events: list[dict[str, Any]], *, exists: bool) -> list[str]:
    existing = {each["id"] for each in events} if exists else set()
    found = in_stream_order(events, COLLECTIONS, existing)
    return [each["type"].split(".")[1] for each in found]


@pytest.mark.parametrize(
    ("exists", "order"),
    [
        (False, "created updated deleted"),
        (True, "deleted created updated"),
        (True, "created deleted created"),
        (True, "deleted created deleted created"),
        (False, "created deleted created deleted"),
        (False, "created deleted deleted"),
        (True, "created deleted created updated"),
    ],
)
def test_creations_and_deletions_of_one_second_take_turns(exists: bool, order: str) -> None:
    """Ids of products are used again."""
    names = order.split()
    for shuffled in set(permutations(names)):
        events = [
            event(f"product.{change}", product(), name=f"evt_{number}")
            for number, change in enumerate(shuffled)
        ]
        assert changes_in_order(events, exists=exists) == names


def test_an_object_whose_id_is_not_used_again_is_created_first_and_deleted_last() -> None:
    customer = {"id": "cus_1", "object": "customer", "created": 1}
    names = ["created", "updated", "deleted"]
    events = [event(f"customer.{name}", customer, name=name) for name in reversed(names)]
    assert changes_in_order(events, exists=False) == names


def test_events_of_the_object_that_was_created_earlier_come_first() -> None:
    events = [
        event("product.created", product(created=2), created=5, name="evt_2"),
        event("product.deleted", product(created=1), created=5, name="evt_1"),
    ]
    assert changes_in_order(events, exists=True) == ["deleted", "created"]


def test_seconds_decide_before_anything_else_and_unknown_objects_have_a_place() -> None:
    events = [
        event("product.created", product(), created=2, name="evt_2"),
        event("thing.happened", {"id": "t_1", "object": "thing"}, created=1, name="evt_1"),
        event("product.deleted", product(), created=0, name="evt_0"),
    ]
    assert changes_in_order(events, exists=True) == ["deleted", "happened", "created"]
