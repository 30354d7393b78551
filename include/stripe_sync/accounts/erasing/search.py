"""Searches the objects that belong to a customer, in warehouse and lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from stripe_sync.catalog.ownership import Key, load_ownership
from stripe_sync.lake import LakeErasure
from stripe_sync.records import canonical_json
from stripe_sync.records.erasure import is_erased
from stripe_sync.warehouse import Warehouse


class Search:
    """Finds the objects that belong to some objects, in records, change events and lake.

    Earlier states count: a payment method that was detached names its customer no longer.

    Attributes:
        found: Keys of the objects, found so far.
    """

    def __init__(self, warehouse: Warehouse, lake: LakeErasure, sync_id: UUID) -> None:
        self._warehouse = warehouse
        self._lake = lake
        self._sync_id = sync_id
        self._ownership = load_ownership()
        self._with_data: set[Key] = set()
        self.found: set[Key] = set()

    @property
    def objects(self) -> Counter[str]:
        """Number of objects with data, by collection."""
        return Counter(collection_id for collection_id, _ in self._with_data)

    def grow(self) -> bool:
        """Search everything until nothing more is found; whether anything was."""
        before = len(self.found)
        size = -1
        while size < len(self.found):
            size = len(self.found)
            for row in chain.from_iterable(self._rows()):
                self._look_at(row)
        return len(self.found) > before

    def _rows(self) -> Iterator[Iterable[Any]]:
        yield from self._warehouse.erasures.stored_rows(self._sync_id)
        yield from self._lake.rows()

    def _look_at(self, row: Any) -> None:
        """Add the object of a row, and its parts, if it belongs to one that was found."""
        payload, key = canonical_json.loads(row.payload), (row.collection_id, row.upstream_id)
        if is_erased(payload) or not (key in self.found or self._belongs(row, payload)):
            return
        self.found.add(key)
        self._with_data.add(key)
        parts = self._ownership.parts(row.collection_id, payload) - self.found
        self.found |= {part for part in parts if self._is_of_nobody_else(part)}

    def _belongs(self, row: Any, payload: Any) -> bool:
        if not self._ownership.may_belong(row.collection_id):
            return False
        named = self._ownership.named(row.collection_id, payload, row.parent_id)
        if row.changes:
            changes = canonical_json.loads(row.changes)
            named |= self._ownership.named(row.collection_id, changes, None)
        return self._ownership.belongs(named, self.found)

    def _is_of_nobody_else(self, key: Key) -> bool:
        """Whether the stored state of an object names no other customer."""
        stored = self._warehouse.erasures.payload(self._sync_id, key)
        if stored is None:
            return True
        text, parent_id = stored
        named = self._ownership.named(key[0], canonical_json.loads(text), parent_id)
        return not self._ownership.names_others(named, self.found)
