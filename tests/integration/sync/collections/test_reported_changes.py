"""Over the whole catalogue: changes that Stripe events tell of, their own or those of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from account_driver import Account, copied, key, newest, said, stored
from databases import new_database
from shop import CATALOG
from stripe_sandbox.server import running
from stripe_sync.catalog import ChangeSignal, Collection, ListCall, Retrieval, SourceField
from stripe_sync.catalog.calls import Trigger
from stripe_sync.extract.relation_index import holders
from sync_harness import make_harness, unthrottled

ROWS = list(CATALOG.values())
OWN = [row for row in ROWS if ChangeSignal.OWN_EVENTS in CATALOG.change_signals(row)]
EMBEDDED = [
    (row, call)
    for row in ROWS
    for call in row.lists
    if call.embedded and not call.expand and call.parent in CATALOG
]
SPOKEN_OF = [
    (row, call, trigger) for row in ROWS for call in row.lists for trigger in call.refreshed_by
]
NAMED = [
    (row, holder_id, source)
    for row in ROWS
    if row.retrieval is not Retrieval.EXPANDED and row.retrieval is not Retrieval.PREVIEW
    for holder_id, sources in holders(CATALOG, row).items()
    for source in sources
    if holder_id in CATALOG
]
PREVIEWED = [(row, trigger) for row in ROWS if row.preview for trigger in row.preview.refreshed_by]
LINES = CATALOG.resolve("upcoming_line_item")


def name_of(value: Any) -> str:
    """What a test is called by."""
    if isinstance(value, Collection):
        return value.name
    if isinstance(value, ListCall):
        return value.path.rsplit("/", 1)[-1]
    if isinstance(value, Trigger):
        return f"{value.events[0]}-{value.parent}"
    return value.field if isinstance(value, SourceField) else str(value)


@pytest.fixture(scope="module")
def account(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The demo's shop, all of it backfilled; each test changes objects of its own."""
    with running() as sandbox, new_database(postgres_url) as url:
        sandbox.control.demo()
        harness = unthrottled(make_harness(sandbox, url, tmp_path_factory.mktemp("told")))
        harness.backfill()
        harness.poll()
        yield Account(harness)
        harness.assert_streams_agree()


@pytest.mark.parametrize("row", OWN, ids=name_of)
def test_an_object_follows_stripe_events_of_its_own(account: Account, row: Collection) -> None:
    harness, obj = account.harness, account.synced(row)
    if kind := said(row, "created", "either"):
        obj = account.put(copied(obj, "own"))
        account.say(kind, obj)
        harness.poll()
        assert newest(harness, row, key(row, obj)) == ("created", "poll", True)
    kind = said(row, "updated", "either")
    if kind and row.retrieval is not Retrieval.EVENT_ONLY:
        obj = account.put({**obj, "marked": "own"})
        account.say(kind, obj, previous_attributes={"marked": None})
        harness.poll()
        assert stored(harness, row, key(row, obj))["payload"]["marked"] == "own"
        assert newest(harness, row, key(row, obj)) == ("updated", "poll", True)
    if kind := said(row, "deleted"):
        account.remove(obj)
        account.say(kind, obj)
        harness.poll()
        record = stored(harness, row, key(row, obj))
        assert (record["deleted"], record["payload"]["id"]) == (True, obj["id"])
        assert record["payload"].get("marked") == obj.get("marked")
        assert newest(harness, row, key(row, obj)) == ("deleted", "poll", True)


@pytest.mark.parametrize(("row", "call"), EMBEDDED, ids=name_of)
def test_what_an_object_shows_follows_it(account: Account, row: Collection, call: ListCall) -> None:
    harness, holder = account.harness, CATALOG.parent(str(call.parent))
    field = str(call.embedded)
    template = next(o for o in account.objects(holder) if len(o[field]["data"]) > 1)
    parent = account.put(copied(template, "shows"))
    account.say(str(said(holder, "created", "updated")), parent)
    harness.poll()
    edited, gone, *rest = parent[field]["data"]
    for child in (edited, gone, *rest):
        assert stored(harness, row, key(row, child))["parent_id"] == parent["id"]

    edited = {**edited, "marked": "shown"}
    fresh = {**edited, "id": f"{edited['id']}_fresh"}
    account.put({**parent, field: {**parent[field], "data": [fresh, edited, *rest]}})
    account.say(str(said(holder, "updated")), parent)
    harness.poll()

    assert stored(harness, row, key(row, edited))["payload"]["marked"] == "shown"
    assert newest(harness, row, key(row, edited)) == ("updated", "poll", False)
    assert newest(harness, row, key(row, fresh)) == ("created", "poll", False)
    assert newest(harness, row, key(row, gone)) == ("deleted", "poll", False)


@pytest.mark.parametrize(("row", "call", "trigger"), SPOKEN_OF, ids=name_of)
def test_a_list_follows_the_stripe_events_that_speak_of_it(
    account: Account, row: Collection, call: ListCall, trigger: Trigger
) -> None:
    harness, holder = account.harness, CATALOG.parent(str(call.parent))
    child = _child(account, row, call)
    parent_id = account.parent_id(row, child)
    mark = f"{trigger.events[0]} {trigger.parent}"
    account.put({**child, "marked": mark})
    parent = next(o for o in account.objects(holder) if o["id"] == parent_id)
    _say(account, trigger, parent)
    harness.poll()
    assert stored(harness, row, key(row, child))["payload"]["marked"] == mark
    assert newest(harness, row, key(row, child)) == ("updated", "poll", False)


def _child(account: Account, row: Collection, call: ListCall) -> dict[str, Any]:
    """A stored object that a list shows."""
    holder = CATALOG.parent(str(call.parent))
    field = call.path.rsplit("/", 1)[-1]
    for parent in account.objects(holder):
        # Some parents have several lists of the same kind.
        data = (parent.get(field) or {}) if field.endswith("line_items") else {}
        for child in data.get("data", ()):
            if stored(account.harness, row, key(row, child)):
                found: dict[str, Any] = child
                return found
    return account.synced(row, holder)


def _say(account: Account, trigger: Trigger, parent: dict[str, Any]) -> None:
    """The Stripe event that a trigger waits for, carrying the parent or something that names it."""
    kind = trigger.events[0].replace("*", "updated")
    obj: Any = parent["id"]
    for part in reversed(trigger.parent.split(".")):
        obj = {part: obj}
    given = {trigger.given: "something"} if trigger.given else {}
    derived_collections = (
        parent if trigger.parent == "id" else {"id": "x_1", "object": "x", **obj, **given}
    )
    changed = {"previous_attributes": {trigger.changed: None}} if trigger.changed else {}
    account.say(kind, derived_collections, **changed)


@pytest.mark.parametrize(("row", "holder_id", "source"), NAMED, ids=name_of)
def test_an_object_is_found_where_another_one_first_names_it(
    account: Account, row: Collection, holder_id: str, source: SourceField
) -> None:
    harness, holder = account.harness, CATALOG.parent(holder_id)
    obj = account.put(copied(account.synced(row), f"at_{holder.name}_{source.field}"))
    whole = row.retrieval is Retrieval.EMBEDDED and (source.included or not source.expand)
    naming = copied(account.synced(holder), f"naming_{row.name}_{source.field}")
    _set(naming, source.field.split("."), obj if whole else obj["id"])
    if source.given:
        _set(naming, source.given.split("."), 1)
    account.put(naming)
    if kind := said(holder, "updated", "either", "created"):
        account.say(kind, naming)
    else:
        call = next(call for call in holder.lists if call.refreshed_by)
        above = CATALOG.parent(str(call.parent))
        owner = naming[call.placeholders[0]]
        parent = next(o for o in account.objects(above) if o["id"] == owner)
        _say(account, call.refreshed_by[0], parent)
    harness.poll()
    assert newest(harness, row, key(row, obj)) == ("created", "poll", False)


def _set(obj: Any, path: list[str], value: Any) -> None:
    """Set what stands at a path; ``*`` is an element, or a kind of payment method."""
    head, *rest = path
    if not rest:
        obj[head] = value
    elif rest[0] != "*":
        if not isinstance(obj.get(head), dict):
            obj[head] = {}
        _set(obj[head], rest, value)
    elif head == "payment_method_details":
        obj[head] = {"type": "sepa_debit"}
        _set(obj[head], ["sepa_debit", *rest[1:]], value)
    elif rest[1:]:
        obj[head] = obj.get(head) or [{}]
        _set(obj[head][0], rest[1:], value)
    else:
        obj[head] = [value]


@pytest.mark.parametrize(("row", "trigger"), PREVIEWED, ids=name_of)
def test_previews_come_change_and_go_with_the_stripe_events_that_speak_of_them(
    account: Account, row: Collection, trigger: Trigger
) -> None:
    harness = account.harness
    subscriptions = CATALOG.resolve("subscription")
    customer = account.put(
        copied(account.synced(CATALOG.resolve("customer")), f"{row.name}_{trigger.parent}")
    )
    template = next(
        o
        for o in account.objects(subscriptions)
        if o["status"] == "active" and not o["cancel_at_period_end"]
    )
    subscription = account.put(
        copied(template, f"{row.name}_{trigger.parent}", customer=customer["id"])
    )
    parent = customer if row.preview.parent == "stripe:customer" else subscription
    _say(account, trigger, parent)
    harness.poll()
    lines = f"{parent['id']}:0"
    assert newest(harness, row, parent["id"]) == ("created", "poll", False)
    assert newest(harness, LINES, lines) == ("created", "poll", False)

    items = subscription["items"]
    dearer = [{**item, "quantity": 77} for item in items["data"]]
    account.put({**subscription, "items": {**items, "data": dearer}})
    _say(account, trigger, parent)
    harness.poll()
    assert newest(harness, row, parent["id"]) == ("updated", "poll", False)
    assert stored(harness, LINES, lines)["payload"]["quantity"] == 77

    account.put({**subscription, "status": "canceled"})
    _say(account, trigger, parent)
    harness.poll()
    assert newest(harness, row, parent["id"]) == ("deleted", "poll", False)
    assert newest(harness, LINES, lines) == ("deleted", "poll", False)
