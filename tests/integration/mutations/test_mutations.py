"""Mutations: Stripe and the streams have a change when the call returns, each change once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from integration.mutations.written import Written
from stripe_sync import (
    ConfigurationError,
    IdempotencyConflict,
    Mutation,
    MutationStatus,
    SyncConflict,
    create_consumer,
    delete_consumer,
    pause_sync,
    prepare_mutation,
    resume_sync,
    run_mutation,
    run_prepared_mutation,
)
from stripe_sync.lake import LakeReader
from sync_harness import SYNC

ODD_TEXTS = ["Zoë ☃ 日本", "a&b=c[d]%20+", " spaces ", "line\nbreak", "'; DROP TABLE x; --", "ÿ\t"]


def test_the_life_of_an_object(written: Written) -> None:
    customer = written.create("stripe:customer", name="Paul", metadata={"planet": "Caladan"})
    assert customer["name"] == "Paul"
    name = customer["id"]
    assert written.history(name) == [("created", "mutation")]
    changed = written.mutate("stripe.customer", "update", {"id": name, "name": "Muad'Dib"})
    assert changed.records[0]["payload"]["name"] == "Muad'Dib"
    assert written.harness.events(name)[-1]["changes"] == {"name": "Paul"}
    gone = written.mutate("customer", "delete", {"id": name})
    assert gone.records[0]["deleted"] is True
    history = [("created", "mutation"), ("updated", "mutation"), ("deleted", "mutation")]
    assert written.history(name) == history
    written.harness.poll(2)
    assert written.history(name) == history
    written.harness.assert_streams_agree()
    written.assert_one_change_for_each_stripe_event()


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_texts_arrive_as_they_are(shared: Written, text: str) -> None:
    customer = shared.create("customer", description=text, metadata={"k ä&": text})
    assert customer["description"] == text
    assert customer["metadata"] == {"k ä&": text}


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_null_and_empty_values_unset_a_field(shared: Written, empty: Any) -> None:
    customer = shared.create("customer", name="Paul", metadata={"a": "1", "b": "2"})
    one = {"id": customer["id"], "name": None, "metadata": {"a": empty}}
    [record] = shared.mutate("customer", "update", one).records
    assert record["payload"]["name"] is None
    assert record["payload"]["metadata"] == {"b": "2"}
    [record] = shared.mutate("customer", "update", {"id": customer["id"], "metadata": {}}).records
    assert record["payload"]["metadata"] == {}


def test_a_key_answers_from_the_store(shared: Written) -> None:
    body = {"name": "Once"}
    first = shared.mutate("customer", "create", body, key="order 7")
    again = shared.mutate("customer", "create", body, key="order 7")
    assert again.records == first.records
    other = shared.mutate("customer", "create", body, key="order 8")
    assert other.records[0]["upstream_id"] != first.records[0]["upstream_id"]
    with pytest.raises(IdempotencyConflict, match="other parameters"):
        shared.mutate("customer", "create", {"name": "Twice"}, key="order 7")
    with pytest.raises(IdempotencyConflict, match="1 records, now there are 2"):
        shared.mutate("customer", "create", body, body, key="order 7")


def test_a_rendered_template_that_changed_is_sent_as_stored(shared: Written) -> None:
    def run(name: str) -> Any:
        mutation = Mutation("customer", "create", [{"name": name}], key="run 1", keep_stored=True)
        return run_mutation(shared.harness.connections, SYNC, mutation)

    assert run("at 10:00").records == run("at 10:05").records


def test_nothing_of_a_wrong_call_is_sent(shared: Written) -> None:
    before = len(shared.stripe_events())
    for records, param in (
        ([], "records"),
        ([{"name": "A"}] * 101, "records"),
        ([{"name": "A"}, {"nmae": "B"}], "records[1].nmae"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            shared.mutate("customer", "create", *records)
        assert caught.value.param == param
    with pytest.raises(ConfigurationError, match="no consumer 'wharehouse'"):
        shared.mutate("customer", "create", {"name": "A"}, await_consumers=["wharehouse"])
    assert len(shared.stripe_events()) == before


def test_stop_and_continue(shared: Written) -> None:
    customer = shared.create("customer", name="A")
    records = [{"id": customer["id"], "name": "B"}, {"id": "cus_none"}, {"id": customer["id"]}]
    stopped = shared.mutate("customer", "update", *records)
    assert [each.status for each in stopped.results] == ["done", "refused", "not_sent"]
    refused = stopped.results[1].error
    assert refused is not None
    assert (refused.code, refused.type) == ("resource_missing", "invalid_request_error")
    assert (refused.request_id or "").startswith("req_")
    went_on = shared.mutate("customer", "update", *records, on_error="continue")
    assert [each.status for each in went_on.results] == ["done", "refused", "done"]


def test_only_a_person_sends_a_refused_one_again(shared: Written) -> None:
    coupon = {"id": "SPRING", "percent_off": 10, "duration": "once"}
    shared.create("coupon", **coupon)

    def run(attempt: int) -> str:
        mutation = Mutation("coupon", "create", [coupon], key="c", attempt=attempt)
        return run_mutation(shared.harness.connections, SYNC, mutation).results[0].status

    assert run(1) == "refused"
    shared.mutate("coupon", "delete", {"id": "SPRING"})
    assert run(1) == "refused"
    assert run(2) == "done"
    assert run(3) == "done"


def test_objects_of_one_call_that_are_written_twice_keep_their_order(shared: Written) -> None:
    customer = shared.create("customer", name="A")
    names = [f"name {number}" for number in range(8)]
    records = [{"id": customer["id"], "name": name} for name in names]
    report = shared.mutate("customer", "update", *records, on_error="continue")
    assert not report.failed
    changes = [each["changes"]["name"] for each in shared.harness.events(customer["id"])[1:]]
    assert changes == ["A", *names[:-1]]


def test_a_hundred_records(shared: Written) -> None:
    records = [{"name": f"Customer {number}"} for number in range(100)]
    report = shared.mutate("customer", "create", *records, on_error="continue")
    assert [each["payload"]["name"] for each in report.records] == [r["name"] for r in records]


def test_awaiting_the_lake(shared: Written) -> None:
    report = shared.mutate("customer", "create", {"name": "A"}, await_consumers=["lake"])
    assert report.late == ()
    stored = [event.upstream_id for event in LakeReader(shared.harness.lake).events("customer")]
    assert stored.count(report.records[0]["upstream_id"]) == 1


@pytest.fixture
def crm(shared: Written) -> Iterator[str]:
    """A consumer that has everything so far, in a warehouse that other tests share."""
    url = shared.harness.connections.warehouse_url
    create_consumer(url, "crm", "pull", deliver_policy="new")
    yield url
    delete_consumer(url, "crm")


def awaiting(shared: Written, seconds: float = 60.0) -> tuple[str, ...]:
    report = shared.mutate(
        *("customer", "create", {"name": "A"}), await_consumers=["crm"], await_timeout=seconds
    )
    assert len(report.records) == 1
    return report.late


def test_a_late_consumer_is_named_and_the_write_stands(shared: Written, crm: str) -> None:
    assert awaiting(shared, 0.2) == ("crm",)


@pytest.mark.parametrize(
    "stop",
    [
        "UPDATE stripe_sync.consumers SET paused_at = now()",
        "UPDATE stripe_sync.consumers SET retry_at = now() + interval '1 hour'",
        "DELETE FROM stripe_sync.consumers",
    ],
)
def test_a_consumer_that_delivers_nothing_is_not_waited_for(
    shared: Written, crm: str, stop: str
) -> None:
    stopper = threading.Timer(0.5, _execute, (shared, stop))
    stopper.start()
    assert awaiting(shared) == ("crm",)
    stopper.join()
    if "DELETE" in stop:
        create_consumer(crm, "crm", "pull")


@pytest.mark.parametrize("filters", [{"collection_id": ["plan"]}, {"sync_id": ["other"]}])
def test_a_consumer_whose_filters_leave_the_change_out_is_not_waited_for(
    shared: Written, crm: str, filters: dict[str, list[str]]
) -> None:
    for name, values in filters.items():
        added = "jsonb_build_object(%s::text, %s)"
        change = f"UPDATE stripe_sync.consumers SET filters = filters || {added}"
        _execute(shared, change, name, Jsonb(values))
    assert awaiting(shared) == ()


def test_an_item_that_waits_for_another_try_is_late(shared: Written, crm: str) -> None:
    """Although the cursor has passed it; a dead letter is late at once."""
    pending = (
        "INSERT INTO stripe_sync.consumer_items (consumer, sync_id, seq, collection_id,"
        " upstream_id, state) SELECT 'crm', sync_id, last_seq + 1, 'stripe:customer', 'cus', %s"
        " FROM stripe_sync.stream_position"
    )
    passes = (
        "INSERT INTO stripe_sync.consumer_cursors (consumer, sync_id, seq)"
        " SELECT 'crm', sync_id, last_seq + 1000 FROM stripe_sync.stream_position"
        " ON CONFLICT (sync_id, consumer) DO UPDATE SET seq = excluded.seq"
    )
    _execute(shared, passes)
    assert awaiting(shared) == ()
    _execute(shared, pending, "retry")
    assert awaiting(shared, 0.2) == ("crm",)
    _execute(shared, "DELETE FROM stripe_sync.consumer_items")
    _execute(shared, pending, "dead")
    assert awaiting(shared) == ("crm",)
    assert awaiting(shared) == ()


def test_requests_are_stored_before_anybody_approves_them(shared: Written) -> None:
    connections = shared.harness.connections
    mutation = Mutation("customer", "create", [{"name": "Approved"}], key="approve me")
    prepared = prepare_mutation(connections, SYNC, mutation)
    assert (prepared.records, prepared.livemode) == (1, False)
    assert not [
        o for o in shared.harness.sandbox.control.objects("customer") if o["name"] == "Approved"
    ]
    report = run_prepared_mutation(connections, SYNC, prepared.key)
    assert report.records[0]["payload"]["name"] == "Approved"
    assert run_prepared_mutation(connections, SYNC, prepared.key).records == report.records
    with pytest.raises(ConfigurationError, match="no such mutation"):
        run_prepared_mutation(connections, SYNC, "unknown")


def test_a_paused_sync_is_not_written_to(written: Written) -> None:
    url = written.harness.connections.warehouse_url
    pause_sync(url, SYNC)
    with pytest.raises(SyncConflict, match="resume it"):
        written.mutate("customer", "create", {"name": "A"})
    resume_sync(url, SYNC)
    assert written.create("customer", name="A")["name"] == "A"


def test_an_outage_leaves_the_outcome_open_and_a_retry_finds_it(written: Written) -> None:
    control = written.harness.sandbox.control
    control.fault("server_error", endpoint="POST /v1/customers", applied=True, next=1)
    report = written.mutate("customer", "create", {"name": "A"}, key="k")
    assert report.results[0].status is MutationStatus.UNKNOWN
    again = written.mutate("customer", "create", {"name": "A"}, key="k")
    assert again.results[0].status is MutationStatus.UNKNOWN  # Stripe repeats its answer
    assert len(control.objects("customer")) == 1
    written.harness.poll(2)
    written.assert_one_change_for_each_stripe_event()


def test_a_connection_that_breaks_after_a_delete(written: Written) -> None:
    customer = written.create("customer", name="A")
    control = written.harness.sandbox.control
    control.fault("truncate", endpoint="DELETE /v1/customers/{*}", next=1)
    report = written.mutate("customer", "delete", {"id": customer["id"]}, key="k")
    assert report.records[0]["deleted"] is True
    written.harness.poll(2)
    assert written.history(customer["id"]) == [("created", "mutation"), ("deleted", "mutation")]


def test_a_declined_card_leaves_its_payment_in_the_streams(written: Written) -> None:
    written.harness.sandbox.control.fault("card_error", endpoint="POST *", code="card_declined")
    payment = {"amount": 100, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}
    for key in ("first", "first", "second"):
        [result] = written.mutate("payment_intent", "create", payment, key=key).results
        assert (result.status, result.error and result.error.type) == ("refused", "card_error")
        record = written.harness.record(str(result.upstream_id))
        assert record["payload"]["status"] == "requires_payment_method"
    written.harness.poll(2)
    assert len(written.harness.sandbox.control.objects("payment_intent")) == 2
    written.assert_one_change_for_each_stripe_event()
    written.harness.assert_streams_agree()


def test_a_delete_of_nothing_that_was_tried_twice_makes_no_record(written: Written) -> None:
    written.harness.sandbox.control.fault("reset", endpoint="DELETE *", next=1)
    [result] = written.mutate("customer", "delete", {"id": "cus_none"}).results
    assert (result.status, result.upstream_id, result.record) == ("done", "cus_none", None)
    assert written.history("cus_none") == []


def test_a_lost_answer_to_a_delete_that_ends_an_object(written: Written) -> None:
    customer = written.create("customer", name="A")
    subscription = written.create("subscription", customer=customer["id"])
    written.harness.poll(2)
    control = written.harness.sandbox.control
    control.fault("truncate", endpoint="DELETE /v1/subscriptions/{*}", next=1)
    report = written.mutate("subscription", "delete", {"id": subscription["id"]}, key="k")
    assert not report.failed
    written.harness.poll(2)
    assert written.harness.record(subscription["id"])["payload"]["status"] == "canceled"
    written.assert_one_change_for_each_stripe_event()
    written.harness.assert_streams_agree()


def test_what_was_stored_of_a_request_goes_with_its_outcome(shared: Written) -> None:
    shared.create("customer", name="Only in the record")
    [[count]] = shared.harness.sql(
        "SELECT count(*) FROM stripe_sync.mutations WHERE body IS NOT NULL AND status <> 'prepared'"
    )
    assert count == 0


def _execute(written: Written, statement: str, *values: Any) -> None:
    written.harness.sql(f"{statement} RETURNING 1", *values)
