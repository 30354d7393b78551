"""When a Stripe event's payload may stand for a fetch: each condition alone; what is deferred."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from stripe_sync.catalog import Collection
from stripe_sync.client import PacingLimits
from stripe_sync.records import RecordRow
from stripe_sync.sync.poll.events import burst
from stripe_sync.sync.poll.events.burst import EventState
from unit.sync.poll.events.stripe_events import (
    CUSTOMER,
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

ANSWERED_AT = at(1)
BEFORE = stored(product(name="Spice"))
RENAMED = event("product.updated", product(name="Melange"), previous={"name": "Spice"})


def event_state(
    events: list[Doc],
    record: RecordRow | None,
    *,
    collection: Collection = PRODUCT,
    answered_at: datetime = ANSWERED_AT,
) -> EventState | None:
    return burst.event_state(
        collection,
        events,
        record,
        normalizer=normalizer_of(collection),
        api_version=VERSION,
        answered_at=answered_at,
        stripe_ahead=timedelta(0),
    )


def test_a_payload_that_continues_the_stored_state_stands_for_a_fetch() -> None:
    assert event_state([RENAMED], BEFORE) == EventState(product(name="Melange"))


def test_the_payload_of_a_new_object_stands_for_a_fetch() -> None:
    created = event("product.created", product())
    assert event_state([created], None) == EventState(product())


def test_several_events_continue_the_stored_state_together() -> None:
    events = [
        event("product.updated", product(name="B"), previous={"name": "Spice"}),
        event(
            "product.updated",
            product(name="C", metadata={"k": "2"}),
            previous={"name": "B", "metadata": {"k": None}},
            created=1,
        ),
    ]
    found = event_state(events, BEFORE, answered_at=at(2))
    assert found == EventState(product(name="C", metadata={"k": "2"}))


def test_a_value_that_changed_there_and_back_is_no_difference() -> None:
    events = [
        event("product.updated", product(name="B"), previous={"name": "Spice"}),
        event("product.updated", product(name="Spice"), previous={"name": "B"}, created=1),
    ]
    assert event_state(events, BEFORE, answered_at=at(2)) is not None


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([{**RENAMED, "api_version": OTHER_VERSION}], id="rendered in another version"),
        pytest.param(
            [{**RENAMED, "created": RENAMED["created"] - 1, "api_version": OTHER_VERSION}, RENAMED],
            id="an earlier event is rendered in another version",
        ),
        pytest.param(
            [
                event(
                    "product.updated",
                    product(name="Melange", prices={"object": "list", "has_more": True}),
                    previous={"name": "Spice", "prices": None},
                )
            ],
            id="a list is cut",
        ),
        pytest.param(
            [
                event("product.deleted", product(name="Spice"), created=-1),
                event("product.updated", product(name="Melange"), previous={"name": "Spice"}),
            ],
            id="an event is a deletion",
        ),
        pytest.param(
            [
                event("product.updated", product(name="B"), previous={"name": "Spice"}),
                event("product.updated", product(name="C"), previous={"name": "B"}),
            ],
            id="two events within a second",
        ),
    ],
)
def test_events_that_prove_nothing(events: list[Doc]) -> None:
    assert event_state(events, BEFORE) is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(stored(product(), observed=0), id="observed when the event was created"),
        pytest.param(stored(product(), updated=0), id="changed when the event was created"),
        pytest.param(stored(product(), deleted=True), id="deleted"),
        pytest.param(stored(product(name="Else")), id="another old value than reported"),
        pytest.param(stored(product(description="x")), id="a difference that is not reported"),
    ],
)
def test_stored_states_that_the_payload_does_not_continue(record: RecordRow) -> None:
    assert event_state([RENAMED], record) is None


def test_a_reported_change_that_the_payload_lacks_is_no_proof() -> None:
    both = event(
        "product.updated", product(name="Melange"), previous={"name": "Spice", "active": True}
    )
    assert event_state([both], stored(product(name="Spice", active=False))) is None


def test_a_change_of_type_is_a_change() -> None:
    changed = event("product.updated", product(active=1), previous={"active": True})
    assert event_state([changed], stored(product(active=True))) is not None


def test_an_answer_from_before_the_stored_state_is_no_proof() -> None:
    """Stripe's clock is ahead: by its time the event is newer, by this machine's it is not."""
    record = stored(product(), observed=5)
    ahead = {**RENAMED, "created": RENAMED["created"] + 60}
    assert event_state([ahead], record, answered_at=at(5)) is None
    assert event_state([ahead], record, answered_at=at(6)) is not None


def test_fields_that_only_an_expanded_fetch_returns_are_kept_as_stored() -> None:
    payload = {"id": "cus_1", "object": "customer", "name": "Paul"}
    renamed = event("customer.updated", payload, previous={"name": "Duncan"})
    fetched_only = {"tax": {"ip_address": None}, "invoice_credit_balance": {"usd": 5}}
    record = stored({**payload, "name": "Duncan", **fetched_only}, collection=CUSTOMER)
    found = event_state([renamed], record, collection=CUSTOMER)
    assert found == EventState({**payload, **fetched_only}, frozenset(CUSTOMER.expand))
    assert event_state([event("customer.created", payload)], None, collection=CUSTOMER) is None


def test_redacted_and_volatile_fields_are_compared_as_they_are_stored() -> None:
    def invoice(number: int, secret: str, url: str) -> Doc:
        secrets = {"confirmation_secret": {"client_secret": secret}}
        return {"id": "in_1", "object": "invoice", "n": number, "invoice_pdf": url, **secrets}

    record = stored(invoice(1, "[redacted]", "https://old"), collection=INVOICE)
    previous = {"n": 1, "confirmation_secret": {"client_secret": "old"}}
    changed = event("invoice.updated", invoice(2, "new", "https://new"), previous=previous)
    found = event_state([changed], record, collection=INVOICE)
    assert found == EventState(invoice(2, "[redacted]", "https://new"))


def test_the_event_is_left_as_it_is() -> None:
    before = event("product.updated", product(name="Melange"), previous={"name": "Spice"})
    event_state([RENAMED], BEFORE)
    assert before == RENAMED


LIMITS = PacingLimits(total=100, backfill=50, per_endpoint=25)


@pytest.mark.parametrize(
    ("fetches", "fits"),
    [([], True), ([15], True), ([16], False), ([15, 15, 15, 15], True), ([15] * 5, False)],
)
def test_the_burst_threshold_is_what_the_rate_limits_allow(fetches: list[int], fits: bool) -> None:
    assert burst.fits_budget(fetches, LIMITS) is fits


def patched_state(*events: Doc, record: RecordRow | None = BEFORE) -> EventState | None:
    return burst.patched_state(
        PRODUCT,
        events,
        record,
        normalizer=normalizer_of(PRODUCT),
        answered_at=at(60),
        stripe_ahead=timedelta(0),
    )


def other(payload: Doc, previous: Doc | None, **options: Any) -> Doc:
    """An event whose payload has other fields, as another API version renders it."""
    return event(
        "product.updated",
        {**payload, "sku": 1},
        previous=previous,
        version=OTHER_VERSION,
        **options,
    )


def test_a_plain_value_is_taken_from_an_event_in_another_version() -> None:
    found = patched_state(other(product(name="Melange", metadata={"a": "1"}), {"name": "Spice"}))
    assert found == EventState(product(name="Melange"), frozenset({"sku", "metadata"}))


def test_nested_keys_are_set_and_removed() -> None:
    record = stored(product(metadata={"a": "1", "gone": "x"}))
    changed = other(
        product(metadata={"a": "2", "new": "3"}), {"metadata": {"a": "1", "gone": "x", "new": None}}
    )
    assert patched_state(changed, record=record) == EventState(
        product(metadata={"a": "2", "new": "3"}), frozenset({"sku"})
    )


@pytest.mark.parametrize(
    ("events", "record"),
    [
        ([other(product(name="B"), {"name": "another"})], BEFORE),
        ([other(product(name="B"), {"name": 1})], BEFORE),
        ([other(product(images=["a"]), {"images": []})], stored(product(images=[]))),
        ([other(product(package={"h": 1}), {"package": None})], stored(product(package=None))),
        ([other(product(name="B"), None)], BEFORE),
        ([other(product(name="B"), {"name": "Spice"})], None),
        ([other(product(name="B"), {"name": "Spice"})], stored(product(), deleted=True)),
        ([other(product(name="B"), {"name": "Spice"})], stored(product(), updated=30)),
        ([event("product.deleted", product())], BEFORE),
    ],
    ids=[
        "another old value",
        "another type",
        "an array",
        "an object",
        "no old values",
        "not stored",
        "deleted",
        "older than stored",
        "deletion",
    ],
)
def test_values_that_are_not_proven_are_fetched(
    events: list[Doc], record: RecordRow | None
) -> None:
    assert patched_state(*events, record=record) is None
