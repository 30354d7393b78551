"""Over the whole catalogue: changes that Stripe events report, of the object or of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from account_driver import Account, copied, event_type, key, newest, stored
from shop import CATALOG, BackfilledShop
from stripe_sync.catalog import ChangeSignal, Collection, ListCall, Retrieval, SourceField
from stripe_sync.catalog.calls import Trigger
from stripe_sync.extract.relations import containers

ROWS = list(CATALOG.values())
OWN = [
    collection
    for collection in ROWS
    if ChangeSignal.OWN_EVENTS in CATALOG.change_signals(collection)
]
EMBEDDED = [
    (collection, call)
    for collection in ROWS
    for call in collection.lists
    if call.embedded and not call.expand and call.parent in CATALOG
]
REFRESHED = [
    (collection, call, trigger)
    for collection in ROWS
    for call in collection.lists
    for trigger in call.refreshed_by
    # What never changes is read when its parent has none yet: test_payout_transactions.py.
    if not call.read_once
]
REFERENCED = [
    (collection, host_id, source)
    for collection in ROWS
    if collection.retrieval is not Retrieval.EXPANDED
    and collection.retrieval is not Retrieval.PREVIEW
    for host_id, sources in containers(CATALOG, collection).items()
    for source in sources
    if host_id in CATALOG
]
PREVIEWED = [
    (collection, trigger)
    for collection in ROWS
    if collection.preview
    for trigger in collection.preview.refreshed_by
    # The deletion of a customer takes its preview along: test_substreams.py.
    if "customer.deleted" not in trigger.events
]
LINES = CATALOG.resolve("upcoming_line_item")


def name_of(value: Any) -> str:
    """The id of a test case."""
    if isinstance(value, Collection):
        return value.name
    if isinstance(value, ListCall):
        return value.path.rsplit("/", 1)[-1]
    if isinstance(value, Trigger):
        return f"{value.events[0]}-{value.parent}"
    return value.field if isinstance(value, SourceField) else str(value)


@pytest.fixture(scope="module")
def account(
    backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """The demo's shop, backfilled; each test changes objects of its own."""
    with backfilled.copy(tmp_path_factory.mktemp("reported")) as shop:
        shop.harness.poll()
        yield Account(shop.harness)
        shop.harness.assert_streams_agree()


@pytest.mark.parametrize("collection", OWN, ids=name_of)
def test_an_object_follows_stripe_events_of_its_own(
    account: Account, collection: Collection
) -> None:
    harness, obj = account.harness, account.synced(collection)
    if kind := event_type(collection, "created", "created_or_updated"):
        obj = account.put(copied(obj, "own"))
        account.send_event(kind, obj)
        harness.poll()
        assert newest(harness, collection, key(collection, obj)) == ("created", "poll", True)
    kind = event_type(collection, "updated", "created_or_updated")
    if kind and collection.retrieval is not Retrieval.EVENT_ONLY:
        obj = account.put({**obj, "marked": "own"})
        account.send_event(kind, obj, previous_attributes={"marked": None})
        harness.poll()
        assert stored(harness, collection, key(collection, obj))["payload"]["marked"] == "own"
        assert newest(harness, collection, key(collection, obj)) == ("updated", "poll", True)
    if kind := event_type(collection, "deleted"):
        account.remove(obj)
        account.send_event(kind, obj)
        harness.poll()
        record = stored(harness, collection, key(collection, obj))
        assert (record["deleted"], record["payload"]["id"]) == (True, obj["id"])
        assert record["payload"].get("marked") == obj.get("marked")
        assert newest(harness, collection, key(collection, obj)) == ("deleted", "poll", True)


@pytest.mark.parametrize(("collection", "call"), EMBEDDED, ids=name_of)
def test_embedded_lists_follow_their_parent(
    account: Account, collection: Collection, call: ListCall
) -> None:
    harness, host = account.harness, CATALOG.parent(str(call.parent))
    field = str(call.embedded)
    template = next(o for o in account.objects(host) if len(o[field]["data"]) > 1)
    parent = account.put(copied(template, "shows"))
    account.send_event(str(event_type(host, "created", "updated")), parent)
    harness.poll()
    edited, gone, *rest = parent[field]["data"]
    for child in (edited, gone, *rest):
        assert stored(harness, collection, key(collection, child))["parent_id"] == parent["id"]

    edited = {**edited, "marked": "edited"}
    fresh = {**edited, "id": f"{edited['id']}_fresh"}
    account.put({**parent, field: {**parent[field], "data": [fresh, edited, *rest]}})
    account.send_event(str(event_type(host, "updated")), parent)
    harness.poll()

    assert stored(harness, collection, key(collection, edited))["payload"]["marked"] == "edited"
    assert newest(harness, collection, key(collection, edited)) == ("updated", "poll", False)
    assert newest(harness, collection, key(collection, fresh)) == ("created", "poll", False)
    assert newest(harness, collection, key(collection, gone)) == ("deleted", "poll", False)


@pytest.mark.parametrize(("collection", "call", "trigger"), REFRESHED, ids=name_of)
def test_a_list_follows_the_stripe_events_that_refresh_it(
    account: Account, collection: Collection, call: ListCall, trigger: Trigger
) -> None:
    harness, host = account.harness, CATALOG.parent(str(call.parent))
    child = _child(account, collection, call)
    parent_id = account.parent_id(collection, child)
    mark = f"{trigger.events[0]} {trigger.parent}"
    account.put({**child, "marked": mark})
    parent = next(o for o in account.objects(host) if o["id"] == parent_id)
    _send_trigger(account, trigger, parent)
    harness.poll()
    assert stored(harness, collection, key(collection, child))["payload"]["marked"] == mark
    assert newest(harness, collection, key(collection, child)) == ("updated", "poll", False)


def _child(account: Account, collection: Collection, call: ListCall) -> dict[str, Any]:
    """A stored object that a list returns."""
    host = CATALOG.parent(str(call.parent))
    field = call.path.rsplit("/", 1)[-1]
    for parent in account.objects(host):
        # Some parents have several lists of the same kind.
        data = (parent.get(field) or {}) if field.endswith("line_items") else {}
        for child in data.get("data", ()):
            if stored(account.harness, collection, key(collection, child)):
                found: dict[str, Any] = child
                return found
    return account.synced(collection, host)


def _send_trigger(account: Account, trigger: Trigger, parent: dict[str, Any]) -> None:
    """Send a Stripe event of a trigger, about the parent or about an object with its id."""
    kind = trigger.events[0].replace("*", "updated")
    obj: Any = parent["id"]
    for part in reversed(trigger.parent.split(".")):
        obj = {part: obj}
    given = {trigger.required_field: "something"} if trigger.required_field else {}
    payload = parent if trigger.parent == "id" else {"id": "x_1", "object": "x", **obj, **given}
    changed = (
        {"previous_attributes": {trigger.changed_field: None}} if trigger.changed_field else {}
    )
    account.send_event(kind, payload, **changed)


@pytest.mark.parametrize(("collection", "host_id", "source"), REFERENCED, ids=name_of)
def test_an_object_is_found_when_another_one_first_references_it(
    account: Account, collection: Collection, host_id: str, source: SourceField
) -> None:
    harness, host = account.harness, CATALOG.parent(host_id)
    obj = account.put(copied(account.synced(collection), f"at_{host.name}_{source.field}"))
    whole = collection.retrieval is Retrieval.EMBEDDED and (
        source.only_expanded or not source.expand
    )
    referencing = copied(account.synced(host), f"referencing_{collection.name}_{source.field}")
    _set(referencing, source.field.split("."), obj if whole else obj["id"])
    if source.nonzero_if_any:
        _set(referencing, source.nonzero_if_any.split("."), 1)
    account.put(referencing)
    if kind := event_type(host, "updated", "created_or_updated", "created"):
        account.send_event(kind, referencing)
    else:
        call = next(call for call in host.lists if call.refreshed_by)
        above = CATALOG.parent(str(call.parent))
        owner = referencing[call.placeholders[0]]
        parent = next(o for o in account.objects(above) if o["id"] == owner)
        _send_trigger(account, call.refreshed_by[0], parent)
    harness.poll()
    assert newest(harness, collection, key(collection, obj)) == ("created", "poll", False)


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


@pytest.mark.parametrize(("collection", "trigger"), PREVIEWED, ids=name_of)
def test_previews_follow_the_stripe_events_that_refresh_them(
    account: Account, collection: Collection, trigger: Trigger
) -> None:
    harness = account.harness
    subscriptions = CATALOG.resolve("subscription")
    customer = account.put(
        copied(account.synced(CATALOG.resolve("customer")), f"{collection.name}_{trigger.parent}")
    )
    template = next(
        o
        for o in account.objects(subscriptions)
        if o["status"] == "active" and not o["cancel_at_period_end"]
    )
    subscription = account.put(
        copied(template, f"{collection.name}_{trigger.parent}", customer=customer["id"])
    )
    parent = customer if collection.preview.parent == "stripe:customer" else subscription
    _send_trigger(account, trigger, parent)
    harness.poll()
    lines = f"{parent['id']}:0"
    assert newest(harness, collection, parent["id"]) == ("created", "poll", False)
    assert newest(harness, LINES, lines) == ("created", "poll", False)

    items = subscription["items"]
    dearer = [{**item, "quantity": 77} for item in items["data"]]
    account.put({**subscription, "items": {**items, "data": dearer}})
    _send_trigger(account, trigger, parent)
    harness.poll()
    assert newest(harness, collection, parent["id"]) == ("updated", "poll", False)
    assert stored(harness, LINES, lines)["payload"]["quantity"] == 77

    account.put({**subscription, "status": "canceled"})
    _send_trigger(account, trigger, parent)
    harness.poll()
    assert newest(harness, collection, parent["id"]) == ("deleted", "poll", False)
    assert newest(harness, LINES, lines) == ("deleted", "poll", False)
