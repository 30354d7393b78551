from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_sandbox.lists.list_query import ListQuery
from stripe_sandbox.lists.paging import page
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.storage.collection import Collection

MOMENTS = st.lists(st.integers(0, 5), max_size=30)


def charges(moments: list[int]) -> tuple[Collection, list[str]]:
    """A collection with a charge per second given, and their ids as Stripe lists them."""
    collection = Collection(RESOURCES["charge"])
    for number, created in enumerate(moments):
        collection.put({"id": f"ch_{number}", "object": "charge", "created": created, "n": number})
    listed = sorted(range(len(moments)), key=lambda n: (moments[n], n), reverse=True)
    return collection, [f"ch_{n}" for n in listed]


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


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 7))
def test_paging_down_or_up_sees_every_object_once(moments: list[int], limit: int) -> None:
    collection, ids = charges(moments)
    seen: list[str] = []
    more = True
    while more:
        cursor = seen[-1] if seen else None
        objects, more = page(collection, ListQuery(limit=limit, after=cursor))
        seen += [stored.id for stored in objects]
    assert seen == ids
    up = ids[-1:]
    more = bool(ids)
    while more:
        objects, more = page(collection, ListQuery(limit=limit, before=up[0]))
        up = [stored.id for stored in objects] + up
    assert up == ids
