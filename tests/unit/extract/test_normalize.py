"""From a Stripe object to an observation: key, redaction, times, hash."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.catalog import STRIPE_EVENTS, Collection, load_catalog
from stripe_sync.clock import from_unix
from stripe_sync.errors import StripeSyncError
from stripe_sync.extract.normalize import Normalizer, StripeEventNormalizer
from stripe_sync.records import ChangeType, StripeEvent, canonical_json
from stripe_sync.records.redaction import REDACTED

CATALOG = load_catalog()
AT = datetime(2026, 11, 1, tzinfo=UTC)
VERSION = "2026-10-28.endive"


def widget(**fields: Any) -> Collection:
    """A collection of the test's own."""
    required = {
        "id": "stripe:widget",
        "title": "Widget",
        "object": "widget",
        "view": "widgets",
        "retrieval": "top_level_list",
    }
    return Collection.model_validate({**required, **fields})


def normalizer(*, redact: bool = True, **fields: Any) -> Normalizer:
    return Normalizer(widget(**fields), api_version=VERSION, redact=redact)


def payload(observation: Any) -> Any:
    return canonical_json.loads(observation.payload_json)


def test_the_key_is_the_id() -> None:
    assert normalizer().upstream_id({"id": "wid_1"}) == "wid_1"


def test_a_composite_key_is_joined_by_colons_and_takes_ids_from_objects() -> None:
    made = normalizer(key=["account", "id"])
    assert made.upstream_id({"account": {"id": "acct_1"}, "id": "wid_1"}) == "acct_1:wid_1"


def test_a_composite_key_without_its_first_part_begins_with_the_owner() -> None:
    made = normalizer(key=["account", "id"])
    assert made.upstream_id({"id": "wid_1"}, "acct_1") == "acct_1:wid_1"


def test_the_end_of_an_open_period_may_be_missing_from_a_key() -> None:
    made = normalizer(key=["item", "period.start", "period.end"])
    obj = {"item": "si_1", "period": {"start": 5, "end": None}}
    assert made.upstream_id(obj) == "si_1:5:"


def test_an_object_without_id_has_the_fallback_key_within_its_owner() -> None:
    made = normalizer(fallback_key=["coupon", "start"])
    assert made.upstream_id({"coupon": {"id": "c_1"}, "start": 5}, "cus_1") == "cus_1:c_1:5"


@pytest.mark.parametrize(
    ("fields", "obj", "missing"),
    [
        ({}, {"object": "widget"}, "id"),
        ({"key": ["account", "id"]}, {"id": "wid_1"}, "account"),
        ({"fallback_key": ["coupon", "start"]}, {"start": 5}, "coupon"),
    ],
)
def test_an_object_without_a_part_of_its_key_is_refused(
    fields: dict[str, Any], obj: dict[str, Any], missing: str
) -> None:
    owner = "cus_1" if "fallback_key" in fields else None
    with pytest.raises(StripeSyncError, match=f"stripe:widget: .* without .*{missing}"):
        normalizer(**fields).upstream_id(obj, owner)


def test_sensitive_fields_are_redacted_also_in_lists_and_nested_objects() -> None:
    made = normalizer(sensitive=["secret", "parts.key", "empty"])
    obj = {"id": "w", "secret": "s", "parts": [{"key": "k", "n": 1}, {"n": 2}], "empty": None}
    assert payload(made.normalize(obj, observed_at=AT)) == {
        "id": "w",
        "secret": REDACTED,
        "parts": [{"key": REDACTED, "n": 1}, {"n": 2}],
        "empty": None,
    }


def test_nothing_is_redacted_where_that_is_switched_off() -> None:
    made = normalizer(sensitive=["secret"], redact=False)
    assert payload(made.normalize({"id": "w", "secret": "s"}, observed_at=AT))["secret"] == "s"


@pytest.mark.parametrize(
    ("obj", "changed_at"),
    [
        ({"created": 5}, from_unix(5)),
        ({"created": 5, "updated": 9}, from_unix(9)),
        ({"created": 5, "updated": 3}, from_unix(5)),
        ({"created": None}, AT),
        ({}, AT),
    ],
)
def test_the_time_of_a_change_is_the_newest_time_in_the_object(
    obj: dict[str, Any], changed_at: datetime
) -> None:
    observation = normalizer().normalize({"id": "w", **obj}, observed_at=AT)
    assert observation.upstream_updated_at == changed_at
    assert observation.observed_at == AT


def test_the_time_of_a_reported_change_is_that_of_its_stripe_event() -> None:
    event = StripeEvent("evt_1", "widget.updated", ChangeType.UPDATED, from_unix(7), None, None)
    observation = normalizer().normalize(
        {"id": "w", "created": 5}, observed_at=AT, stripe_event=event
    )
    assert observation.upstream_updated_at == from_unix(7)


def test_the_creation_time_may_have_another_name() -> None:
    assert widget(created_field="date").created({"date": 5, "created": 7}) == 5
    assert widget(created_field=None).created({"created": 7}) is None


def test_the_hash_leaves_out_volatile_fields_and_the_payload_does_not() -> None:
    made = normalizer(volatile=["id", "usage.at"], key=["name"])
    first, second = (
        made.normalize({"name": "n", "id": name, "usage": [{"at": at, "sum": 3}]}, observed_at=AT)
        for name, at in (("tmp_1", 1), ("tmp_2", 2))
    )
    other = made.normalize(
        {"name": "n", "id": "tmp_2", "usage": [{"at": 2, "sum": 4}]}, observed_at=AT
    )
    assert first.payload_hash == second.payload_hash != other.payload_hash
    assert payload(second)["id"] == "tmp_2"


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    first, second = (
        normalizer().normalize(obj, observed_at=AT)
        for obj in ({"id": "w", "a": 1}, {"a": 1, "id": "w"})
    )
    assert first.payload_hash == second.payload_hash


def test_a_child_has_the_parent_in_its_field_or_the_given_one() -> None:
    made = normalizer(
        lists=[{"path": "/v1/owners/{owner}/widgets", "parent": "stripe:owner"}],
        retrieval="nested_list",
    )
    own = made.normalize({"id": "w", "owner": {"id": "own_1"}}, observed_at=AT)
    given = made.normalize({"id": "w"}, observed_at=AT, parent_id="own_2")
    assert (own.parent_id, given.parent_id) == ("own_1", "own_2")


def test_a_tombstone_is_a_deletion_without_payload() -> None:
    made = normalizer().tombstone("wid_1", observed_at=AT, parent_id="own_1")
    assert (made.upstream_id, made.deleted, made.parent_id) == ("wid_1", True, "own_1")
    assert (payload(made), made.payload_hash) == ({}, "")


def test_the_payload_of_a_stripe_event_is_redacted_like_its_own_collection() -> None:
    made = StripeEventNormalizer(CATALOG, CATALOG[STRIPE_EVENTS], api_version=VERSION)
    intent = {"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret"}
    event = {
        "id": "evt_1",
        "object": "event",
        "created": 5,
        "data": {"object": intent, "previous_attributes": {"client_secret": "pi_1_old"}},
    }
    data = payload(made.normalize(event, observed_at=AT))["data"]
    assert data["object"]["client_secret"] == REDACTED
    assert data["previous_attributes"]["client_secret"] == REDACTED
