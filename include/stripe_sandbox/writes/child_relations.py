"""Keeps parents and their children in step, and finds the event types of children."""

from __future__ import annotations

from stripe_sandbox.resources.nested_lists import NESTED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import NestedList
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, reference_id


def refresh_parent(store: AccountStore, nested_list: NestedList, parent_id: str) -> None:
    """Copy the children as they are now into their parent, if it has a field for them."""
    stored = store[nested_list.parent].by_id.get(parent_id)
    if not nested_list.field or not nested_list.owner or stored is None:
        return
    doc = stored.doc()
    children = store.children_of(nested_list.objects, nested_list.owner, parent_id)
    data = [child.doc() for child in reversed(children)]
    if nested_list.paginated:
        url = nested_list.url(parent_id)
        doc[nested_list.field] = {"object": "list", "data": data, "has_more": False, "url": url}
    else:
        doc[nested_list.field] = {child["id"]: child["status"] for child in reversed(data)}
    store[nested_list.parent].put(doc)


def refresh_relations(store: AccountStore, doc: Doc) -> None:
    """Bring the parent and the children of an object in step after it was stored as it is."""
    for nested_list in NESTED_LISTS:
        if not (nested_list.field and nested_list.owner and nested_list.paginated):
            continue
        if doc["object"] in nested_list.objects and doc.get(nested_list.owner):
            refresh_parent(store, nested_list, str(reference_id(doc[nested_list.owner])))
        if doc["object"] == nested_list.parent:
            for child in (doc.get(nested_list.field) or {}).get("data") or ():
                store[child["object"]].put({nested_list.owner: doc["id"], **child})


def event_types_of(doc: Doc, verb: str) -> tuple[str, ...]:
    """Types of the Stripe events that carry an object, for a verb such as ``created``."""
    resource = RESOURCES[str(doc["object"])]
    own: tuple[str, ...] = getattr(resource.events, verb)
    for nested_list in NESTED_LISTS:
        is_child = resource.object in nested_list.objects and nested_list.owner
        if is_child and doc.get(nested_list.owner) and not own:
            own = getattr(nested_list.events, verb)
    return own
