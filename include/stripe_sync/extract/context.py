"""Everything that reading from Stripe needs to know about a sync."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from stripe_sync.catalog import STRIPE_EVENTS, Catalog, Collection, Evidence
from stripe_sync.errors import MalformedObject
from stripe_sync.extract.normalize import Normalizer, StripeEventNormalizer
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Condition, MissingObject, Observation, RecordRow, StoredObject
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.redaction import FieldRules


class StoredRecords(Protocol):
    """The stored records of one sync, as far as they spare requests to Stripe."""

    async def page(
        self,
        collection_id: str,
        after: str,
        limit: int,
        fields: Sequence[str] = (),
        condition: Condition | None = None,
    ) -> list[StoredObject]:
        """The next records that are not deleted, in the order of their keys; no fields are all."""
        ...

    async def count(self, collection_id: str, condition: Condition | None = None) -> int:
        """Number of records that are not deleted and meet a condition."""
        ...

    async def existing(self, collection_id: str, upstream_ids: Sequence[str]) -> set[str]:
        """Those of some keys that have a record, deleted or not."""
        ...

    async def children(
        self, collection_id: str, parent_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """Keys of the records of a collection that are not deleted, by the id of their parent."""
        ...

    async def parents(self, collection_id: str, parent_ids: Sequence[str]) -> set[str]:
        """Those of some parents that a record of a collection belongs to that is not deleted."""
        ...

    async def is_complete(self, collection_id: str) -> bool:
        """Whether every object of a collection, however old, is stored."""
        ...

    async def unreadable(self) -> set[str]:
        """Ids of the collections that the key may not read or that Stripe has retired."""
        ...

    async def named_by(self, evidence: Evidence) -> set[str]:
        """Ids of the objects that some evidence exists for."""
        ...

    async def synced(self) -> dict[str, int | None]:
        """The complete collections, with the Unix seconds of the oldest objects; None for all."""
        ...

    async def unknown(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of some collection and upstream ids without a record and not known to be gone."""
        ...

    async def mark(self, missing: MissingObject, at: datetime, gone: str | None) -> None:
        """Remember why a missing object did not exist at a time; None where it did."""
        ...


@dataclass(frozen=True, slots=True)
class ReadContext:
    """One sync, from the side of those who read from Stripe.

    Attributes:
        requester: Sends the requests.
        catalog: The collections.
        api_version: Stripe-Version of the sync.
        redact: Whether sensitive fields are redacted.
        livemode: Whether the key is a live one.
        stored: The stored records.
        every_parent: Whether parents are asked for children that nothing stored speaks for.
        selected: Whether the sync has a collection, by its id.
        rules: Fields that are left out or hashed; None for none.
    """

    requester: Requester
    catalog: Catalog
    api_version: str
    redact: bool
    livemode: bool
    stored: StoredRecords
    every_parent: bool = False
    selected: Callable[[str], bool] = lambda _: True
    rules: FieldRules | None = None
    _normalizers: dict[str, Normalizer] = field(default_factory=dict)

    def through(self, requester: Requester) -> ReadContext:
        """The same sync, read through another requester."""
        return replace(self, requester=requester)

    def normalizer(self, collection: Collection) -> Normalizer:
        """The normalizer of a collection, created once."""
        if collection.id not in self._normalizers:
            how: Any = {
                "api_version": self.version_of(collection),
                "redact": self.redact,
                "rules": self.rules,
            }
            self._normalizers[collection.id] = (
                StripeEventNormalizer(self.catalog, collection, **how)
                if collection.id == STRIPE_EVENTS
                else Normalizer(collection, **how)
            )
        return self._normalizers[collection.id]

    def observe(self, collection: Collection, obj: JsonObject, **how: Any) -> list[Observation]:
        """The observation of an object; none where it cannot be stored and is set aside.

        Args:
            collection: Its collection.
            obj: The object.
            how: Further arguments of ``Normalizer.normalize``.
        """
        try:
            return [self.normalizer(collection).normalize(obj, **how)]
        except MalformedObject as error:
            self.set_aside(collection, obj, error, observed_at=how["observed_at"])
            return []

    @property
    def redact_stored(self) -> Callable[[RecordRow], RecordRow] | None:
        """What makes a stored record what would be stored now; None if that is the same.

        It may be stored since before fields were left out.
        """
        return None if self.rules is None else self._redact_stored

    def _redact_stored(self, record: RecordRow) -> RecordRow:
        collection = self.catalog.get(record.collection_id)
        return self.normalizer(collection).redact_record(record) if collection else record

    def set_aside(
        self, collection: Collection, obj: Any, reason: object, *, observed_at: datetime
    ) -> None:
        """Set an object aside that cannot be stored."""
        self.requester.set_aside.add(collection.id, obj, str(reason), observed_at=observed_at)

    def version_of(self, collection: Collection) -> str:
        """The Stripe-Version in which a collection is read."""
        return collection.api_version or self.api_version
