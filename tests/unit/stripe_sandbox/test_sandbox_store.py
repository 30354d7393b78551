from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_sandbox.eventlog import previous_attributes
from stripe_sandbox.generate import Batch
from stripe_sandbox.listing import ListQuery, page
from stripe_sandbox.resources import RESOURCES, TOP_LEVEL
from stripe_sandbox.slots import make_id
from stripe_sandbox.store import AccountStore, Collection

MOMENTS = st.lists(st.integers(0, 5), max_size=30)


def charges(moments: list[int]) -> tuple[Collection, list[str]]:
    """A collection with a charge per second given, and their ids as Stripe lists them."""
    collection = Collection(RESOURCES["charge"])
    for number, created in enumerate(moments):
        collection.put({"id": f"ch_{number}", "object": "charge", "created": created, "n": number})
    listed = sorted(range(len(moments)), key=lambda n: (moments[n], n), reverse=True)
    return collection, [f"ch_{n}" for n in listed]


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 7))
def test_paging_down_or_up_sees_every_object_once(moments: list[int], limit: int) -> None:
    collection, ids = charges(moments)
    seen: list[str] = []
    more = True
    while more:
        cursor = seen[-1] if seen else None
        entries, more = page(collection, ListQuery(limit=limit, after=cursor))
        seen += [entry.id for entry in entries]
    assert seen == ids
    up = ids[-1:]
    more = bool(ids)
    while more:
        entries, more = page(collection, ListQuery(limit=limit, before=up[0]))
        up = [entry.id for entry in entries] + up
    assert up == ids


@given(MOMENTS, st.data())
def test_indexes_agree_with_the_objects_after_any_writes(
    moments: list[int], data: st.DataObject
) -> None:
    collection, ids = charges(moments)
    collection.index("customer", "a")
    for object_id in data.draw(st.lists(st.sampled_from(ids), max_size=20)) if ids else []:
        if object_id not in collection.by_id:
            continue
        if data.draw(st.booleans()):
            collection.remove(object_id)
        else:
            created, customer = data.draw(st.integers(0, 5)), data.draw(st.sampled_from("ab"))
            doc = {"id": object_id, "object": "charge", "created": created, "customer": customer}
            collection.put(doc)
    for customer in ("a", "b", None):
        wanted = [e.id for e in collection.order if e.doc().get("customer") == customer]
        assert [e.id for e in collection.index("customer", customer)] == wanted
    assert sorted(collection.by_id) == sorted(e.id for e in collection.order)
    assert [e.rank for e in collection.order] == sorted(e.rank for e in collection.order)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=6,
)
DOCS = st.dictionaries(st.sampled_from("pqrs"), VALUES)


@given(DOCS, DOCS)
def test_previous_attributes_name_what_changed_and_only_that(old: dict, new: dict) -> None:
    changed = previous_attributes(old, new)
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        same = before == after and type(before) is type(after)
        if same:
            assert key not in changed
        elif not (isinstance(before, dict) and isinstance(after, dict)):
            assert changed[key] == before


def test_seeded_objects_are_kept_as_numbers_and_rendered_alike() -> None:
    for row in TOP_LEVEL:
        store = AccountStore("acct_1", livemode=True)
        batch = Batch(row.object, store, seed=3)
        assert batch.fill(store[row.object], [10, 20, 30]) == range(3)
        assert batch.fill(store[row.object], [40]) == range(3, 4)
        entry = store[row.object].by_id[make_id(row.object, 3, 1)]
        doc = entry.doc()
        assert (doc["id"], doc[row.timestamp], entry.created) == (entry.id, 20, 20)
        assert doc.get("livemode", True) is True
        rewritten = store[row.object].put(doc)
        assert (rewritten.raw, rewritten.shown) == (entry.raw, entry.shown)
        assert rewritten.hidden == entry.hidden
        assert b"@@" not in entry.raw
