"""Fields and collections that a sync leaves out are written nowhere; hashed ones only as hashes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from everything_written import places
from stripe_sync import ConfigurationError, backfill, reconcile, reload
from sync_harness import SYNC, SyncHarness, unthrottled

SECRET = "a secret of 16 characters or more"
NAME, MAIL, PHONE, SSN = "Ada Lovelace", "ada@example.com", "+43 1 5551234", "123-45-6789"
OLD_MAIL, OLD_PHONE = "old.ada@example.com", "+43 1 5550000"
LEFT_OUT = (NAME, OLD_PHONE, PHONE, SSN)
HASHED = (MAIL, OLD_MAIL)

COLLECTIONS = ("customer", "payment_method", "charge", "event")


def leaving_out(harness: SyncHarness, *exclude: str, hashed: tuple[str, ...] = ()) -> SyncHarness:
    sync = unthrottled(harness, exclude=exclude, hash_fields=hashed)
    return replace(sync, connections=replace(sync.connections, hash_secret=SECRET))


def careful(harness: SyncHarness) -> SyncHarness:
    """A sync that leaves out what a customer is called and how to call them."""
    return leaving_out(
        harness,
        "customer.name",
        "customer.phone",
        "payment_method.billing_details.*",
        "*.metadata.ssn",
        hashed=("customer.email", "charge.receipt_email"),
    )


def make_customer(harness: SyncHarness, **fields: Any) -> str:
    values: dict[str, Any] = {"name": NAME, "email": MAIL, "phone": PHONE, "metadata": {"ssn": SSN}}
    return harness.stripe.v1.customers.create({**values, **fields}).id


def update(harness: SyncHarness, customer: str, **fields: Any) -> None:
    harness.stripe.v1.customers.update(customer, fields)  # type: ignore[arg-type]


def test_what_is_left_out_is_written_nowhere(harness: SyncHarness) -> None:
    sync = careful(harness)
    customer = make_customer(sync, email=OLD_MAIL, phone=OLD_PHONE)
    sync.backfill(*COLLECTIONS)
    update(sync, customer, phone=PHONE)
    update(sync, customer, email=MAIL)
    details = {"name": NAME, "phone": PHONE, "email": MAIL}
    method = {"id": "pm_1", "object": "payment_method", "type": "card", "created": 1_790_000_000}
    sync.sandbox.control.put(
        {**method, "customer": customer, "billing_details": details}, emit=True
    )
    sync.stripe.v1.charges.create(
        {"amount": 5, "currency": "eur", "customer": customer, "receipt_email": MAIL}
    )
    sync.poll(3)
    backfill(sync.connections, SYNC, list(COLLECTIONS))
    reconcile(sync.connections, SYNC, list(COLLECTIONS))

    assert places(sync, *LEFT_OUT, *HASHED, SECRET) == []
    sync.assert_streams_agree()
    payload = sync.record(customer)["payload"]
    assert payload.keys().isdisjoint({"name", "phone"})
    assert payload["metadata"] == {}
    [charge] = sync.sql(
        "SELECT payload FROM stripe_raw.records WHERE collection_id = %s", "stripe:charge"
    )
    assert charge[0]["receipt_email"] == payload["email"]
    assert sync.record("pm_1")["payload"]["billing_details"] == {}


def test_a_change_of_left_out_fields_only_is_no_change(harness: SyncHarness) -> None:
    sync = careful(harness)
    customer = make_customer(sync)
    sync.backfill("customer", "event")
    update(sync, customer, phone=OLD_PHONE)
    update(sync, customer, metadata={"ssn": "other"})
    sync.poll(2)
    [created] = sync.events(customer)
    assert created["event_type"] == "created"

    update(sync, customer, phone=PHONE, balance=7)
    sync.poll()
    [_, updated] = sync.events(customer)
    assert updated["changes"] == {"balance": 0}
    stripe_events = sync.sql("SELECT count(*) FROM stripe_sync.processed_events")
    assert stripe_events == [(4,)]  # with that of the creation
    sync.assert_streams_agree()


def test_a_change_of_a_hashed_field_shows_the_hash_of_its_old_value(harness: SyncHarness) -> None:
    sync = careful(harness)
    customer = make_customer(sync, email=OLD_MAIL)
    sync.backfill("customer")
    before = sync.record(customer)["payload"]["email"]
    update(sync, customer, email=MAIL)
    sync.poll()
    assert sync.events(customer)[-1]["changes"] == {"email": before}
    assert sync.record(customer)["payload"]["email"] != before
    assert places(sync, *HASHED) == []


@pytest.mark.parametrize("way", ["backfill", "reconcile", "poll"])
def test_what_was_stored_before_is_taken_out_when_it_is_read_again(
    harness: SyncHarness, way: str
) -> None:
    plain = unthrottled(harness)
    customer = make_customer(plain)
    plain.backfill("customer")
    sync = careful(plain)
    if way == "backfill":
        backfill(sync.connections, SYNC, ["customer"])
    elif way == "reconcile":
        reconcile(sync.connections, SYNC, ["customer"])
    else:
        update(sync, customer, balance=7)
        sync.poll()

    record = sync.record(customer)
    assert record["payload"].keys().isdisjoint({"name", "phone"})
    [_, updated] = sync.events(customer)
    assert updated["changes"] == ({"balance": 0} if way == "poll" else {})
    assert MAIL not in str(updated)
    assert NAME not in str(updated)
    sync.assert_streams_agree()
    [_, *more] = sync.events(customer)
    backfill(sync.connections, SYNC, ["customer"])
    assert sync.events(customer)[1:] == more


def test_the_deletion_of_what_was_stored_before_repeats_nothing(harness: SyncHarness) -> None:
    plain = unthrottled(harness)
    customer = make_customer(plain)
    plain.backfill("customer")
    sync = careful(plain)
    sync.stripe.v1.customers.delete(customer)
    sync.poll()
    [_, deleted] = sync.events(customer)
    assert deleted["event_type"] == "deleted"
    assert NAME not in str(deleted)
    assert NAME not in str(sync.record(customer))
    sync.assert_streams_agree()


def test_a_left_out_collection_is_stored_nowhere_not_even_in_others(harness: SyncHarness) -> None:
    sync = leaving_out(harness, "customer", "payment_method.billing_details")
    customer = make_customer(sync)
    sync.backfill("event", "charge", "tax_id")
    update(sync, customer, phone=OLD_PHONE)
    other = make_customer(sync, name="Grace Hopper")
    sync.stripe.v1.tax_ids.create({"type": "eu_vat", "value": "ATU1", "owner": {"type": "self"}})
    sync.poll(2)
    assert places(sync, *LEFT_OUT, *HASHED, "Grace Hopper") == []
    records = sync.sql("SELECT 1 FROM stripe_raw.records WHERE collection_id = 'stripe:customer'")
    assert records == []
    objects = sync.sql(
        "SELECT payload #> '{data,object}' FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:event' AND payload ->> 'type' LIKE 'customer.%%'"
    )
    assert {found["id"] for (found,) in objects} >= {customer, other}
    with pytest.raises(ConfigurationError, match="not one of the collections"):
        sync.backfill("customer")


def test_a_reload_leaves_out_what_the_lake_has_from_before(harness: SyncHarness) -> None:
    plain = unthrottled(harness)
    customer = make_customer(plain)
    plain.backfill("customer", "event")
    update(plain, customer, phone=OLD_PHONE)
    plain.poll()
    for table in ("stripe_raw.records", "stripe_raw.events", "stripe_sync.syncs"):
        plain.sql(f"DELETE FROM {table} RETURNING 1")
    sync = careful(plain)
    reload(sync.connections, SYNC)
    assert [name for name in places(sync, *LEFT_OUT, *HASHED) if name.startswith("stripe")] == []
    assert [event["changes"] for event in sync.events(customer)] == [None, {}]
    sync.assert_streams_agree()
    backfill(sync.connections, SYNC, ["customer"])
    assert len(sync.events(customer)) == 2


def test_what_cannot_be_stored_leaves_no_text(harness: SyncHarness) -> None:
    sync = careful(harness)
    sync.sandbox.control.put(
        {"id": "cus_\0", "object": "customer", "created": 5, "name": NAME, "x": {"name": NAME}}
    )
    sync.backfill("customer")
    [(reason, text)] = sync.sql("SELECT reason, text FROM stripe_sync.set_aside")
    assert reason
    assert text is None
    assert places(sync, NAME) == []


def test_hashing_needs_a_secret(harness: SyncHarness) -> None:
    sync = unthrottled(harness, hash_fields=("customer.email",))
    with pytest.raises(ConfigurationError, match="hash_secret"):
        sync.backfill("customer")
