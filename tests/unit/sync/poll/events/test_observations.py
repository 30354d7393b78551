"""Emission: which observation an event gets, by what became known of its object."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from stripe_sync.catalog import Collection
from stripe_sync.errors import NotFound, PermissionDenied, StripeUnavailable
from stripe_sync.records import ChangeType, Observation, PendingFetch
from stripe_sync.sync.poll.events.changed_object import ChangedObject
from stripe_sync.sync.poll.events.observations import (
    change_observation,
    is_ahead,
    state_observation,
)
from unit.sync.poll.events.stripe_events import (
    DISCOUNT,
    INVOICE,
    OTHER_VERSION,
    PRODUCT,
    VERSION,
    at,
    event,
    normalizer_of,
    product,
    stored,
)

Doc = dict[str, Any]

ANSWERED_AT = at(4)
FETCHED_AT = at(5)
FETCHED = product(name="fetched")

CREATED = event("product.created", product(name="A"), name="evt_created")
UPDATED = event(
    "product.updated", product(name="B"), previous={"name": "A"}, created=1, name="evt_updated"
)
DELETED = event("product.deleted", product(name="B"), created=2, name="evt_deleted")
CREATED_AGAIN = event("product.created", product(name="C"), created=3, name="evt_again")


def changed_object(
    *events: Doc,
    state: Doc | None = None,
    observed_at: datetime | None = FETCHED_AT,
    collection: Collection = PRODUCT,
    **options: Any,
) -> ChangedObject:
    locator = events[-1]["data"]["object"] if events else {"id": "prod_1"}
    return ChangedObject(
        collection,
        "prod_1",
        locator,
        list(events),
        state=state,
        observed_at=observed_at,
        **options,
    )


def emitted(
    changed: ChangedObject, of: Doc | None = None, answered_at: datetime = ANSWERED_AT
) -> Observation:
    return change_observation(
        changed,
        of or changed.events[-1],
        normalizer_of(changed.collection),
        answered_at=answered_at,
        api_version=VERSION,
    )


def outcome(observation: Observation) -> tuple[str, bool, bool]:
    """Name in the payload, whether deleted, whether only a fallback."""
    return observation.payload["name"], observation.deleted, observation.fallback


def test_every_event_of_a_fetched_object_gets_its_fetched_state() -> None:
    changed = changed_object(CREATED, UPDATED, state=FETCHED)
    for each in changed.events:
        observation = emitted(changed, each)
        assert outcome(observation) == ("fetched", False, False)
        assert observation.observed_at == FETCHED_AT
        assert observation.api_version == VERSION
        assert observation.stripe_event is not None
        assert observation.stripe_event.id == each["id"]


def test_an_event_keeps_its_own_type_time_and_old_values() -> None:
    observation = emitted(changed_object(CREATED, UPDATED, state=FETCHED), UPDATED)
    parsed = observation.stripe_event
    assert parsed is not None
    assert (parsed.change, parsed.created) == (ChangeType.UPDATED, at(1))
    assert parsed.previous_attributes == {"name": "A"}
    assert observation.upstream_updated_at == at(1)


def test_a_change_of_an_object_that_is_gone_has_its_own_payload_and_deletes_nothing() -> None:
    observation = emitted(changed_object(UPDATED))
    assert outcome(observation) == ("B", False, False)
    assert observation.gone
    assert observation.observed_at == FETCHED_AT


def test_an_object_that_is_gone_existed_until_the_event_that_deleted_it() -> None:
    changed = changed_object(CREATED, UPDATED, DELETED)
    assert [outcome(emitted(changed, each)) for each in changed.events] == [
        ("A", False, False),
        ("B", False, False),
        ("B", True, False),
    ]


def test_an_object_with_a_used_id_gets_the_fetched_state_and_the_old_one_its_payload() -> None:
    again = event("product.created", product(name="C", created=300), created=3, name="evt_again")
    changed = changed_object(UPDATED, DELETED, again, state=product(name="fetched", created=300))
    assert [outcome(emitted(changed, each)) for each in changed.events] == [
        ("B", False, False),
        ("B", True, False),
        ("fetched", False, False),
    ]
    assert [emitted(changed, each).gone for each in changed.events] == [True, True, False]


def test_a_deletion_is_one_though_its_id_is_used_again() -> None:
    """The event of the creation is late: the fetched state belongs to the new object."""
    assert outcome(emitted(changed_object(DELETED, state=FETCHED))) == ("B", True, False)


def test_a_deferred_object_with_a_state_gets_it() -> None:
    changed = changed_object(UPDATED, state=FETCHED, deferred=True)
    assert outcome(emitted(changed)) == ("fetched", False, False)


@pytest.mark.parametrize("created", [1, 7])
def test_without_a_fetch_the_event_is_observed_when_stripe_answered(created: int) -> None:
    """Not when it was created, which is a time of another clock."""
    late = event("product.updated", product(name="B"), created=created)
    changed = changed_object(late, observed_at=None, deferred=True)
    assert emitted(changed).observed_at == ANSWERED_AT


@pytest.mark.parametrize(("version", "fallback"), [(VERSION, False), (OTHER_VERSION, True)])
def test_the_payload_of_an_object_that_cannot_be_retrieved_is_its_state(
    version: str, fallback: bool
) -> None:
    alone = event("product.updated", product(name="B"), version=version)
    observation = emitted(changed_object(alone, event_only=True))
    assert outcome(observation) == ("B", False, fallback)
    assert observation.api_version == version


def test_an_object_that_cannot_be_retrieved_is_deleted_by_its_deletion_only() -> None:
    def discount(kind: str, seconds: int) -> Doc:
        payload = {"id": "di_1", "object": "discount", "customer": "cus_1", "name": "x"}
        return event(f"customer.discount.{kind}", payload, created=seconds, name=f"evt_{kind}")

    changed = changed_object(
        discount("created", 0), discount("deleted", 1), collection=DISCOUNT, event_only=True
    )
    assert [emitted(changed, each).deleted for each in changed.events] == [False, True]


def test_secrets_are_redacted_in_the_state_and_in_the_old_values_but_not_in_the_event() -> None:
    def invoice(secret: str) -> Doc:
        return {"id": "in_1", "confirmation_secret": {"client_secret": secret}}

    old = {"confirmation_secret": {"client_secret": "old"}}
    source = event("invoice.updated", invoice("new"), previous=old)
    state = invoice("new")
    observation = emitted(changed_object(source, state=state, collection=INVOICE))
    redacted = {"client_secret": "[redacted]"}
    assert observation.payload["confirmation_secret"] == redacted
    assert observation.stripe_event is not None
    assert observation.stripe_event.previous_attributes == {"confirmation_secret": redacted}
    assert (state, source["data"]["object"], old["confirmation_secret"]) == (
        invoice("new"),
        invoice("new"),
        {"client_secret": "old"},
    )


def test_a_pending_fetch_emits_the_state_without_an_event() -> None:
    observation = state_observation(changed_object(state=FETCHED), normalizer_of(PRODUCT))
    assert observation is not None
    assert outcome(observation) == ("fetched", False, False)
    assert observation.stripe_event is None


@pytest.mark.parametrize(
    ("fields", "options", "ahead"),
    [
        (("metadata",), {"name": "later"}, True),
        (("name",), {"name": "later"}, False),
        ((), {}, False),
        (None, {"name": "later"}, False),
        (("name",), {"name": "later", "active": False}, True),
    ],
    ids=["another field", "the field", "as stored", "any field", "the field and another one"],
)
def test_a_pending_fetch_is_ahead_of_its_events_where_a_field_that_they_show_differs(
    fields: tuple[str, ...] | None, options: Doc, ahead: bool
) -> None:
    normalizer = normalizer_of(PRODUCT)
    state = state_observation(changed_object(state=product(**options)), normalizer)
    assert state is not None
    pending = PendingFetch("stripe:product", "prod_1", {}, at(0), fields)
    assert is_ahead(state, stored(product()), pending, normalizer) is ahead


def test_an_object_that_exists_is_ahead_of_its_stored_deletion() -> None:
    normalizer = normalizer_of(PRODUCT)
    state = state_observation(changed_object(state=product(name="again")), normalizer)
    assert state is not None
    pending = PendingFetch("stripe:product", "prod_1", {}, at(0), ("name",))
    assert is_ahead(state, stored(product(), deleted=True), pending, normalizer)


def test_a_pending_fetch_of_an_object_that_is_gone_leaves_the_deletion_to_its_event() -> None:
    assert state_observation(changed_object(), normalizer_of(PRODUCT)) is None


@pytest.mark.parametrize(
    "changed",
    [
        changed_object(error=StripeUnavailable("down", status=500)),
        changed_object(event_only=True),
    ],
    ids=["failed", "event only"],
)
def test_a_pending_fetch_without_an_answer_emits_nothing(changed: ChangedObject) -> None:
    assert state_observation(changed, normalizer_of(PRODUCT)) is None


@pytest.mark.parametrize(
    ("error", "failed"),
    [(None, False), (PermissionDenied("no"), False), (NotFound("no"), True)],
)
def test_an_object_that_the_key_may_not_read_is_not_tried_again(
    error: Exception | None, failed: bool
) -> None:
    assert changed_object(UPDATED, error=error).failed is failed


def test_a_pending_fetch_has_the_fields_of_the_retrieve_path_and_the_oldest_change() -> None:
    payload = {"id": "di_1", "object": "discount", "customer": "cus_1", "coupon": "C"}
    events = [
        event("customer.discount.created", payload, created=0),
        event("customer.discount.updated", payload, created=9),
    ]
    pending = changed_object(*events, collection=DISCOUNT).pending_fetch()
    assert (pending.collection_id, pending.upstream_id) == ("stripe:discount", "prod_1")
    assert pending.locator == {"customer": "cus_1", "id": "di_1"}
    assert pending.changed_at == at(0)
