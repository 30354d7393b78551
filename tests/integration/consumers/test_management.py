"""Consumers are declared, changed, paused, replayed and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from integration.streams.conftest import Streams
from stripe_sync import (
    ConfigurationError,
    ConsumerConflict,
    ConsumerNotFound,
    SyncNotFound,
    create_consumer,
    dead_letters,
    delete_consumer,
    describe_consumers,
    get_consumer,
    pause_consumer,
    redeliver_dead_letters,
    replay_consumer,
    resume_consumer,
    update_consumer,
)
from stripe_sync.streams.cursor import StreamCursor
from warehouse_rows import execute, rows


def cursors(streams: Streams) -> dict[str, int]:
    found = rows(
        streams.url,
        "SELECT s.name, c.seq FROM stripe_sync.consumer_cursors AS c"
        " JOIN stripe_sync.syncs AS s ON s.id = c.sync_id WHERE consumer = 'crm'",
    )
    return dict(found)


def test_a_new_consumer_begins_where_its_policy_says(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    streams.customers(1, sync="south")
    made = create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    assert (made.status, made.lag_items, made.lag_seconds) == ("active", 0, 0.0)
    assert cursors(streams) == {"north": 3, "south": 1}
    streams.customers(4)
    found = get_consumer(streams.url, str(made.id))
    assert (found.name, found.lag_items) == ("crm", 1)
    assert found.lag_seconds > 0


def test_lag_counts_only_the_syncs_that_it_reads(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    streams.customers(1, 2, sync="south")
    south = streams.id("south")
    for name, wanted in (("one", "south"), ("two", str(south))):
        made = create_consumer(streams.url, name, "pull", filters={"sync_id": [wanted]})
        assert made.lag_items == 2
    assert create_consumer(streams.url, "all", "pull").lag_items == 5
    assert [each.name for each in describe_consumers(streams.url)] == ["all", "one", "two"]


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"name": "Crm"}, "name"),
        ({"name": "lake"}, "name"),
        ({"kind": "ftp"}, "kind"),
        ({"kind": "postgres"}, "connection_id"),
        ({"connection_id": "x"}, "connection_id"),
        ({"kind": "kafka", "connection_id": "kafka://u:secret@h"}, "connection_id"),
        ({"stream": "rows"}, "stream"),
        ({"settings": {"ack_wait": 1}}, "settings.ack_wait"),
        ({"settings": {"ack_wait_ms": "soon"}}, "settings.ack_wait_ms"),
        ({"filters": {"collection": ["customer"]}}, "filters.collection"),
        ({"filters": {"collection_id": ["custmer"]}}, "filters.collection_id"),
        ({"filters": {"event_type": ["created"]}}, "filters.event_type"),
        ({"filters": {"sync_id": ["east"]}}, "filters.sync_id"),
        ({"deliver_policy": "yesterday"}, "deliver_policy"),
        ({"deliver_policy": "2026-01-01T00:00:00"}, "deliver_policy"),
        ({"metadata": {"team": 7}}, "metadata.team"),
    ],
)
def test_wrong_declarations_are_named(streams: Streams, values: dict[str, Any], param: str) -> None:
    declared = {"name": "crm", "kind": "pull"} | values
    with pytest.raises(ConfigurationError) as raised:
        create_consumer(streams.url, declared.pop("name"), declared.pop("kind"), **declared)
    assert raised.value.param == param
    assert describe_consumers(streams.url) == []


def test_settings_are_stored_as_the_warehouse_reads_them(streams: Streams) -> None:
    settings = {"max_ack_pending": 1e3, "ack_wait_ms": "500"}
    created = create_consumer(streams.url, "crm", "pull", settings=settings)
    assert repr(created.settings) == "{'ack_wait_ms': 500, 'max_ack_pending': 1000}"
    assert describe_consumers(streams.url) == [created]


def test_names_are_taken_once(streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull")
    with pytest.raises(ConsumerConflict):
        create_consumer(streams.url, "crm", "pull", stream="events")
    delete_consumer(streams.url, "crm")
    with pytest.raises(ConsumerNotFound):
        get_consumer(streams.url, "crm")
    assert create_consumer(streams.url, "crm", "pull", stream="events").stream == "events"


def test_what_may_change_of_a_consumer(streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull", metadata={"team": "sales"})
    changed = update_consumer(
        streams.url, "crm", settings={"max_deliver": 5}, filters={"collection_id": ["plan"]}
    )
    assert changed.settings == {"max_deliver": 5}
    assert changed.metadata == {"team": "sales"}
    assert changed.filters["collection_id"] == ["stripe:plan"]
    for wrong in ({"kind": "kafka"}, {"stream": "events"}, {"settings": {"max_deliver": "x"}}):
        with pytest.raises(ConfigurationError):
            update_consumer(streams.url, "crm", **wrong)
    with pytest.raises(SyncNotFound):
        create_consumer(streams.url, "other", "pull", filters={"sync_id": ["east"]})
    with pytest.raises(SyncNotFound):
        update_consumer(streams.url, "crm", filters={"sync_id": ["east"]})


def test_a_sync_may_be_named_in_any_spelling(streams: Streams) -> None:
    streams.customers(1, 2)
    spelled = str(streams.id("north")).upper()
    created = create_consumer(streams.url, "crm", "pull", filters={"sync_id": spelled})
    assert (created.filters["sync_id"], created.lag_items) == ([spelled.lower()], 2)
    behind = streams.warehouse.consumer_cursors.behind(
        streams.id("north"), ["crm"], [2], "stripe:customer"
    )
    assert behind == {"crm": True}


def test_pause_resume_and_replay(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    assert pause_consumer(streams.url, "crm").status == "paused"
    assert resume_consumer(streams.url, "crm").status == "active"
    assert replay_consumer(streams.url, "crm", "all").lag_items == 3
    assert cursors(streams) == {}
    assert replay_consumer(streams.url, "crm", "new").lag_items == 0
    assert cursors(streams) == {"north": 3}
    ahead = str(StreamCursor({streams.id("north"): 4}))
    with pytest.raises(ConfigurationError, match="ahead of sync") as raised:
        replay_consumer(streams.url, "crm", ahead)
    assert (raised.value.param, cursors(streams)) == ("from", {"north": 3})
    # Found, and deleted before it was changed.
    streams.warehouse.consumers.replay("gone", {streams.id("north"): 1})


def test_dead_letters_are_listed_page_by_page_and_delivered_again(streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull")
    execute(
        streams.url,
        "INSERT INTO stripe_sync.consumer_items (consumer, sync_id, seq, collection_id,"
        " upstream_id, state, deliveries, last_error) SELECT 'crm', %s, seq, 'stripe:customer',"
        " 'cus_' || seq, 'dead', 3, 'no' FROM generate_series(1, 5) AS seq",
        streams.id("north"),
    )
    assert get_consumer(streams.url, "crm").dead == 5
    page = dead_letters(streams.url, "crm", limit=3)
    assert [each.seq for each in page] == [1, 2, 3]
    assert page[0].error == "no"
    after = page[-1].sync_id, page[-1].seq
    assert [each.seq for each in dead_letters(streams.url, "crm", after=after)] == [4, 5]
    assert redeliver_dead_letters(streams.url, "crm", [2]) == 1
    assert redeliver_dead_letters(streams.url, "crm") == 4
    found = get_consumer(streams.url, "crm")
    assert (found.dead, found.pending) == (0, 5)


def test_a_pull_consumer_that_waits_for_acks_says_so(streams: Streams) -> None:
    made = create_consumer(streams.url, "crm", "pull", settings={"max_ack_pending": 2})
    assert made.warning is None
    execute(
        streams.url,
        "INSERT INTO stripe_sync.consumer_items (consumer, sync_id, seq, collection_id,"
        " upstream_id, state) SELECT 'crm', %s, seq, 'stripe:customer', 'cus_' || seq, 'in_flight'"
        " FROM generate_series(1, 2) AS seq",
        streams.id("north"),
    )
    warning = get_consumer(streams.url, "crm").warning
    assert warning == "2 items wait for their acks: nothing more is delivered"


def test_a_deleted_sync_takes_its_cursors_along(streams: Streams) -> None:
    streams.customers(1, 2)
    create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    execute(streams.url, "DELETE FROM stripe_sync.syncs WHERE name = 'north'")
    assert cursors(streams) == {}
    assert get_consumer(streams.url, "crm").lag_items == 0


def test_texts_that_cannot_be_stored_are_refused_by_name(streams: Streams) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("metadata", {"metadata": {"a": "\0"}}),
        ("metadata", {"metadata": {"\ud800": "x"}}),
        ("filters", {"filters": {"sync_id": ["a\0"]}}),
    ]
    for param, values in wrong:
        with pytest.raises(ConfigurationError, match="NUL") as refused:
            create_consumer(streams.url, "crm", "pull", **values)
        assert refused.value.param == param
    url = {"url": "https://example.com"}
    with pytest.raises(ConfigurationError, match="connection_id: it has a NUL"):
        create_consumer(streams.url, "crm", "webhook", settings=url, connection_id="a\0")
    for name in ("crm\0", "\ud800", ""):
        with pytest.raises(ConsumerNotFound):
            get_consumer(streams.url, name)


def test_a_place_to_begin_is_explained_and_the_remedy_works(streams: Streams) -> None:
    with pytest.raises(ConfigurationError, match="a duration such as 30m") as refused:
        create_consumer(streams.url, "crm", "pull", deliver_policy="yesterday")
    assert refused.value.param == "deliver_policy"
    for text in ("2026-01-01", "2026-01-01T10:30", "20260101"):
        with pytest.raises(ConfigurationError, match="write ") as refused:
            create_consumer(streams.url, "crm", "pull", deliver_policy=text)
        remedy = str(refused.value).partition("write ")[2].split()[0]
        made = create_consumer(streams.url, "crm", "pull", deliver_policy=remedy)
        assert made.deliver_policy == remedy
        delete_consumer(streams.url, "crm")


def test_a_target_that_is_tried_again_is_not_waited_for(streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    streams.customers(1)
    cursors = streams.warehouse.consumer_cursors
    values = (streams.id("north"), ["crm"], [1], "stripe:customer")
    assert cursors.behind(*values) == {"crm": True}
    # The time of the next try has come, and its target has not answered yet.
    execute(
        streams.url, "UPDATE stripe_sync.consumers SET retry_at = now() - interval '10 seconds'"
    )
    assert cursors.behind(*values) == {"crm": False}
    resume_consumer(streams.url, "crm")
    assert cursors.behind(*values) == {"crm": True}


@pytest.mark.parametrize(("waiting", "behind"), [(1, {}), (2, {"crm": True})])
def test_only_what_is_waited_for_counts(
    streams: Streams, waiting: int, behind: dict[str, bool]
) -> None:
    streams.customers(1, 2)
    create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    execute(
        streams.url,
        "INSERT INTO stripe_sync.consumer_items (consumer, sync_id, seq, collection_id,"
        f" upstream_id, state) SELECT 'crm', id, {waiting}, 'stripe:customer', 'cus_{waiting}',"
        " 'retry' FROM stripe_sync.syncs WHERE name = 'north'",
    )
    values = (streams.id("north"), ["crm"], [2], "stripe:customer")
    cursors = streams.warehouse.consumer_cursors
    assert cursors.behind(*values) == behind
    assert cursors.behind(*values, all_before=True) == {"crm": True}


def test_a_consumer_that_nobody_delivers_to_is_not_waited_for(streams: Streams) -> None:
    create_consumer(streams.url, "hook", "kafka", connection_id="x", deliver_policy="new")
    streams.customers(1)
    values = (streams.id("north"), ["hook"], [1], "stripe:customer")
    assert streams.warehouse.consumer_cursors.behind(*values) == {"hook": True}
    execute(
        streams.url, "UPDATE stripe_sync.consumers SET created_at = now() - interval '2 minutes'"
    )
    assert streams.warehouse.consumer_cursors.behind(*values) == {"hook": False}
    pause_consumer(streams.url, "hook")
    # Who delivers has had nothing to do with it in the pause.
    assert resume_consumer(streams.url, "hook").warning is None
    assert streams.warehouse.consumer_cursors.behind(*values) == {"hook": True}


def test_settings_that_do_not_go_with_the_stream_are_refused(streams: Streams) -> None:
    clash = {"typed_columns": {"event_type": {"path": "type", "type": "text"}}}
    create_consumer(streams.url, "one", "postgres", connection_id="x", settings=clash)
    for kind, settings in (("postgres", clash), ("kafka", {"tombstones": True})):
        with pytest.raises(ConfigurationError) as refused:
            create_consumer(
                *(streams.url, "two", kind),
                stream="events",
                connection_id="x",
                settings=settings,
            )
        assert refused.value.param == f"settings.{next(iter(settings))}"
