"""The objects of one account and mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from stripe_sandbox.resources.nested_lists import EMBEDDED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.storage.collection import Collection
from stripe_sandbox.storage.stored_object import Doc, StoredObject, by_rank


class AccountStore:
    """The collections of one account in one mode.

    Args:
        account: Its id.
        livemode: Whether this is the live mode's store.

    Attributes:
        previews: Previewed invoices whose lines can still be listed, by their temporary ids.
    """

    def __init__(self, account: str, *, livemode: bool) -> None:
        self.account = account
        self.livemode = livemode
        counter = count(1)
        self.collections = {
            name: Collection(resource, counter) for name, resource in RESOURCES.items()
        }
        self["account"].unlisted_id = account
        self.previews: dict[str, Doc] = {}

    def __getitem__(self, name: str) -> Collection:
        return self.collections[name]

    def find(self, targets: Iterable[str], object_id: str) -> Doc | None:
        """The default view of the object with an id, of one of these kinds; None when unknown."""
        for name in targets:
            collection = self.collections.get(name)
            if collection is None:
                continue
            if object_id in collection.by_id:
                return collection.by_id[object_id].default_view()
            if object_id in collection.deleted_stubs:
                return dict(collection.deleted_stubs[object_id])
            if name in EMBEDDED_LISTS:
                embedded = self.find_embedded(name, object_id)
                if embedded is not None:
                    return embedded
        return None

    def children_of(self, kinds: Iterable[str], owner: str, owner_id: str) -> list[StoredObject]:
        """The objects of these kinds that name an owner, oldest first."""
        found = [self[kind].index(owner, owner_id) for kind in kinds]
        if len(found) == 1:
            return found[0]
        return sorted((stored for objects in found for stored in objects), key=by_rank)

    def find_embedded(self, kind: str, object_id: str) -> Doc | None:
        """The object with an id among those that are stored inside their parents."""
        for nested_list in EMBEDDED_LISTS[kind]:
            for stored in self[nested_list.parent].index(f"{nested_list.field}.data.id", object_id):
                for doc in (stored.doc().get(nested_list.field) or {}).get("data") or []:
                    if doc.get("id") == object_id:
                        return dict(doc)
        return None

    def all_objects(self, kind: str) -> Iterator[Doc]:
        """All objects of a kind: its own collection's, then those inside their parents."""
        collection = self[kind]
        yield from (
            stored.doc() for stored in collection.order if stored.id != collection.unlisted_id
        )
        for nested_list in EMBEDDED_LISTS.get(kind, ()):
            for stored in self[nested_list.parent].order:
                yield from (stored.doc().get(nested_list.field) or {}).get("data") or ()
