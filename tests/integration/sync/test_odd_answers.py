"""What Stripe returns and cannot be stored is set aside; everything beside it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from odd_stripe import OddStripe, adding, unchanged
from stripe_sync import Credential
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.records import canonical_json
from sync_harness import SyncHarness, unthrottled

NOW = 1_790_000_000
LONG = 12345678901234567890123456789

ODD_CUSTOMERS = {
    "no object": b"null",
    "no id": b'{"object":"customer","client_secret":"cs_hidden"}',
    "an id that is no text": b'{"id":7,"object":"customer"}',
    "an id with NUL": b'{"id":"cus_\\u0000","object":"customer","created":%d}' % NOW,
    "milliseconds": b'{"id":"cus_ms","object":"customer","created":%d000}' % NOW,
    "the year 300000": b'{"id":"cus_year","object":"customer","created":9404000000000}',
    "900 levels": b'{"id":"cus_deep","object":"customer","created":%d,"x":%s%s}'
    % (NOW, b"[" * 900, b"]" * 900),
    "a number beyond numeric": b'{"id":"cus_huge","object":"customer","created":%d,"x":1E+200000}'
    % NOW,
}
KEPT_EXACTLY = {
    "cus_half": b'{"created":%d,"id":"cus_half","name":"half \\ud83d","object":"customer"}' % NOW,
    "cus_long": b'{"created":%d,"id":"cus_long","n":%d,"object":"customer"}' % (NOW, LONG),
    "cus_big": b'{"created":%d,"id":"cus_big","n":1E+400,"object":"customer"}' % NOW,
}

TODAY = to_unix(SystemClock().now())
EVENT = '"object":"event","type":"customer.updated","api_version":null'
CUSTOMER = '{"id":"cus_x","object":"customer"}'
ODD_EVENTS = {
    "no event": "5",
    "no id": f'{{{EVENT},"created":{NOW},"data":{{"object":{CUSTOMER}}}}}',
    "no data": f'{{"id":"evt_1",{EVENT},"created":{NOW}}}',
    "no data.object": f'{{"id":"evt_2",{EVENT},"created":{NOW},"data":{{}}}}',
    "data.object is an id": f'{{"id":"evt_3",{EVENT},"created":{NOW},"data":{{"object":"cus_x"}}}}',
    "no time": f'{{"id":"evt_4",{EVENT},"data":{{"object":{CUSTOMER}}}}}',
    "milliseconds": f'{{"id":"evt_5",{EVENT},"created":{NOW}000,"data":{{"object":{CUSTOMER}}}}}',
    "previous values are a list": f'{{"id":"evt_6",{EVENT},"created":{NOW},"data":{{"object":'
    f'{CUSTOMER},"previous_attributes":[]}}}}',
    "900 levels": f'{{"id":"evt_7",{EVENT},"created":{TODAY},"data":{{"object":'
    f'{{"id":"cus_x","object":"customer","x":{"[" * 900}{"]" * 900}}}}}}}',
}


@pytest.fixture
def odd(harness: SyncHarness) -> Iterator[tuple[OddStripe, SyncHarness]]:
    """A sync behind a proxy that changes answers."""
    with OddStripe(harness.sandbox.base_url).running() as proxy:
        credential = Credential(harness.sandbox.api_key, proxy.url)
        fast = unthrottled(harness, redact=True)
        yield proxy, replace(fast, connections=replace(fast.connections, credential=credential))


def test_odd_objects_are_set_aside_and_the_page_goes_on(
    odd: tuple[OddStripe, SyncHarness],
) -> None:
    proxy, sync = odd
    created = sync.stripe.v1.customers.create({"name": "usual"})
    proxy.change = adding("/v1/customers", *ODD_CUSTOMERS.values(), *KEPT_EXACTLY.values())

    [report] = sync.backfill("customer")

    assert report.status == "done"
    stored = sync.sql("SELECT upstream_id FROM stripe_raw.records WHERE NOT deleted")
    assert {row[0] for row in stored} == {created.id, *KEPT_EXACTLY}
    in_lake = sync.lake.records("customer").set_index("upstream_id")["payload"]
    for name, text in KEPT_EXACTLY.items():
        assert in_lake[name].encode() == text
    shown = dict(sync.sql("SELECT upstream_id, payload FROM stripe_raw.records"))
    assert shown["cus_half"]["name"] == "half \ufffd"
    assert shown["cus_long"]["n"] == LONG

    rows = sync.sql("SELECT collection_id, reason, text, key FROM stripe_sync.set_aside")
    assert len(rows) == len(ODD_CUSTOMERS)
    expected = {canonical_json.dumps(canonical_json.loads(t)) for t in ODD_CUSTOMERS.values()}
    texts = {text.encode() for _, _, text, _ in rows}
    redacted = b'{"object":"customer","client_secret":"[redacted]"}'
    assert texts == expected - {ODD_CUSTOMERS["no id"]} | {redacted}
    files, root = sync.lake.location
    for collection_id, reason, text, key in rows:
        assert (collection_id, bool(reason)) == ("stripe:customer", True)
        path = f"{root}/set_aside/collection=customer/{key}.json"
        assert files.cat_file(path) == text.encode()

    sync.backfill("customer")
    assert len(sync.sql("SELECT key FROM stripe_sync.set_aside")) == len(rows)


def test_odd_stripe_events_are_set_aside_and_later_ones_are_processed(
    odd: tuple[OddStripe, SyncHarness],
) -> None:
    proxy, sync = odd
    sync.backfill("customer")
    proxy.change = adding("/v1/events", *(text.encode() for text in ODD_EVENTS.values()))
    created = sync.stripe.v1.customers.create({"name": "usual"})

    sync.poll(times=2)

    assert [row["event_type"] for row in sync.events(created.id)] == ["created"]
    rows = sync.sql("SELECT upstream_id FROM stripe_sync.set_aside ORDER BY 1 NULLS LAST")
    assert len(rows) == len(ODD_EVENTS)
    watermark = sync.sql("SELECT (cursor->>'watermark')::bigint FROM stripe_sync.poll_state")
    assert watermark[0][0] <= to_unix(SystemClock().now()) + 1


@pytest.mark.parametrize("wrong", [b"{}", b'{"object":"list","data":null,"has_more":false}'])
def test_a_list_answered_with_something_else_is_named_and_nothing_is_lost(
    odd: tuple[OddStripe, SyncHarness], wrong: bytes
) -> None:
    proxy, sync = odd
    created = sync.stripe.v1.customers.create({"name": "usual"})
    answers = iter([wrong] * 3)

    def change(path: str, _query: dict[str, list[str]], body: bytes) -> bytes:
        return next(answers, body) if path == "/v1/customers" else body

    proxy.change = change
    [report] = sync.backfill("customer")
    assert (report.status, report.objects) == ("done", 1)
    assert sync.record(created.id)["payload"]["name"] == "usual"


def test_a_later_version_tries_again_what_was_set_aside(
    odd: tuple[OddStripe, SyncHarness],
) -> None:
    proxy, sync = odd
    created = sync.stripe.v1.customers.create({"name": "usual"})
    proxy.change = adding("/v1/customers", ODD_CUSTOMERS["milliseconds"])
    sync.backfill("customer")
    now = to_unix(SystemClock().now())
    changed = {"id": created.id, "object": "customer", "name": "usual"}
    event = {"id": "evt_late", "object": "event", "type": "customer.updated", "created": now}
    event |= {"api_version": None, "data": {"object": changed}}
    usable = {
        "stripe:customer": {"id": "cus_now", "object": "customer", "created": NOW},
        "stripe:event": event,
    }
    for collection_id, obj in usable.items():
        sync.sql(
            "INSERT INTO stripe_sync.set_aside (sync_id, collection_id, key, reason, text,"
            " observed_at, code_version) SELECT id, %s, 'key', 'odd', %s, now(), 'old' FROM"
            " stripe_sync.syncs RETURNING key",
            collection_id,
            canonical_json.dumps(obj).decode(),
        )
    sync.sql("UPDATE stripe_sync.set_aside SET code_version = 'old' RETURNING key")

    sync.poll()

    assert sync.record("cus_now")["payload"]["created"] == NOW
    assert "evt_late" in [row["stripe_event_id"] for row in sync.events(created.id)]
    left = sync.sql("SELECT upstream_id, code_version FROM stripe_sync.set_aside")
    assert [(name, version != "old") for name, version in left] == [("cus_ms", True)]


ODD_RETRIEVALS = {
    "nothing": b"{}",
    "no id": b'{"object":"customer"}',
    "no text as id": b'{"id":null,"object":"customer"}',
    "a list": b'{"object":"list","data":[],"has_more":false}',
    "a cut list without url": b'{"id":"%s","object":"customer","sources":'
    b'{"object":"list","data":[],"has_more":true,"url":null}}',
}


@pytest.mark.parametrize("answer", ODD_RETRIEVALS.values(), ids=ODD_RETRIEVALS.keys())
def test_an_odd_answer_to_one_request_holds_back_no_other_change(
    odd: tuple[OddStripe, SyncHarness], answer: bytes
) -> None:
    proxy, sync = odd
    sync.poll()  # sets the cutoff: the next creations may be in different seconds
    first = sync.stripe.v1.customers.create({"name": "first"}).id
    body = answer.replace(b"%s", first.encode())
    proxy.change = lambda path, _, usual: body if path == f"/v1/customers/{first}" else usual
    second = sync.stripe.v1.customers.create({"name": "second"}).id
    sync.poll(2)
    assert [each["event_type"] for each in sync.events(second)] == ["created"]
    proxy.change = unchanged
    while not sync.events(first):  # what did not come is asked for again
        sync.poll(3)
    assert [each["event_type"] for each in sync.events(first)] == ["created"]
    assert sync.record(first)["payload"]["name"] == "first"
    sync.assert_streams_agree()


def test_an_id_that_no_url_can_name_is_stored_from_its_stripe_event(
    odd: tuple[OddStripe, SyncHarness],
) -> None:
    _, sync = odd
    product = {"id": "..", "object": "product", "created": TODAY, "name": "dots"}
    sync.sandbox.control.put(product, emit=True)
    created = sync.stripe.v1.customers.create({"name": "usual"}).id
    sync.poll(2)
    assert sync.record("..")["payload"]["name"] == "dots"
    assert sync.record(created)["payload"]["name"] == "usual"
