"""Stripe's own redaction sends no Stripe event: fields just read ``[redacted]``, old events too."""

from __future__ import annotations

import pytest

from everything_written import places
from stripe_sync import erase_customer, reconcile
from stripe_sync.records.canonical_json import copied
from sync_harness import SYNC, SyncHarness, unthrottled

NAME, OLD_NAME, MAIL = "Ada Lovelace", "Ada Byron", "ada@example.com"
REDACTED = "[redacted]"


@pytest.fixture
def redacted(harness: SyncHarness) -> tuple[SyncHarness, str]:
    """A customer who was stored, changed, and then redacted by Stripe."""
    sync = unthrottled(harness)
    customer = sync.stripe.v1.customers.create(
        {"name": OLD_NAME, "email": MAIL, "metadata": {"of": MAIL}}
    ).id
    sync.backfill("customer", "event")
    sync.stripe.v1.customers.update(customer, {"name": NAME})
    sync.poll()
    fields = {"name": REDACTED, "email": REDACTED, "metadata": {"of": REDACTED}}
    sync.sandbox.control.mutate("customer", customer, fields)
    for event in sync.sandbox.control.objects("event"):
        changed = copied(event)
        changed["data"]["object"] |= fields
        if "previous_attributes" in changed["data"]:
            changed["data"]["previous_attributes"] = {"name": REDACTED}
        sync.sandbox.control.append_events([changed])
    return sync, customer


def test_events_that_were_redacted_in_place_are_not_processed_again(
    redacted: tuple[SyncHarness, str],
) -> None:
    sync, customer = redacted
    before = sync.events(customer)
    sync.poll(3)
    assert sync.events(customer) == before
    assert sync.record(customer)["payload"]["name"] == NAME


def test_a_reconcile_finds_it_and_an_erasure_removes_the_old_values(
    redacted: tuple[SyncHarness, str],
) -> None:
    sync, customer = redacted
    reports = {each.collection: each for each in reconcile(sync.connections, SYNC, ["customer"])}
    assert reports["customer"].repaired == 1
    payload = sync.record(customer)["payload"]
    assert (payload["name"], payload["metadata"]) == (REDACTED, {"of": REDACTED})
    assert sync.events(customer)[-1]["changes"]["name"] == NAME
    assert places(sync, NAME, OLD_NAME, MAIL) != []

    where = sync.connections
    erase_customer(where.warehouse_url, where.lake_url, SYNC, customer)

    assert places(sync, NAME, OLD_NAME, MAIL) == []
    reconcile(sync.connections, SYNC, ["customer", "event"])
    sync.poll()
    left = {"erased": True, "id": customer, "object": "customer"}
    assert sync.record(customer)["payload"] == left
    sync.assert_streams_agree()
