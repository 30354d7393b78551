"""A read context over a scripted Stripe, with stored records in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from stripe_sync.catalog import Evidence, load_catalog
from stripe_sync.client import Priority
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Condition, MissingObject, Observation, StoredObject
from unit.client.scripted_stripe import VERSION, Answer, Bench, scripted


def is_evidence(evidence: Evidence, payload: Mapping[str, object]) -> bool:
    """Whether an object shows that its parent may have children."""
    values = [payload.get(name) for name in evidence.fields]
    if evidence.values:
        return all(value in evidence.values for value in values)
    return not values or any(values)


@dataclass
class RecordsInMemory:
    """Stored records of a test.

    Attributes:
        objects: By collection id, in the order of their keys.
        below: Keys by collection id and parent id.
        complete: Ids of the collections that are complete.
        gone: Keys of the missing objects that do not exist.
    """

    objects: dict[str, list[StoredObject]] = field(default_factory=dict)
    below: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)

    async def page(
        self,
        collection_id: str,
        after: str,
        limit: int,
        fields: Sequence[str] = (),
        condition: Condition | None = None,
    ) -> list[StoredObject]:
        rest = [o for o in self.objects.get(collection_id, []) if o.upstream_id > after]
        return rest[:limit]

    async def count(self, collection_id: str, condition: Condition | None = None) -> int:
        return len(self.objects.get(collection_id, []))

    async def existing(self, collection_id: str, upstream_ids: Sequence[str]) -> set[str]:
        stored = {o.upstream_id for o in self.objects.get(collection_id, [])}
        return stored & set(upstream_ids)

    async def children(
        self, collection_id: str, parent_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        return self.below.get(collection_id, {})

    async def parents(self, collection_id: str, parent_ids: Sequence[str]) -> set[str]:
        return self.below.get(collection_id, {}).keys() & set(parent_ids)

    async def is_complete(self, collection_id: str) -> bool:
        return collection_id in self.complete

    async def unreadable(self) -> set[str]:
        return set()

    async def named_by(self, evidence: Evidence) -> set[str]:
        rows = self.objects.get(evidence.collection, [])
        return {str(o.payload[evidence.parent]) for o in rows if is_evidence(evidence, o.payload)}

    async def synced(self) -> dict[str, int | None]:
        return dict.fromkeys(self.complete)

    async def unknown(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        stored = {(name, o.upstream_id) for name, own in self.objects.items() for o in own}
        return set(keys) - stored - self.gone

    async def mark(self, missing: MissingObject, at: datetime, gone: str | None) -> None:
        if gone:
            self.gone.add(missing.key)


@dataclass
class Reads:
    """What a test reads with.

    Attributes:
        bench: The client and the scripted server.
        context: The sync.
        stored: Its stored records.
    """

    bench: Bench
    context: ReadContext
    stored: RecordsInMemory

    @property
    def targets(self) -> list[str]:
        """Paths of the requests, in order."""
        return [urlsplit(request.target).path for request in self.bench.server.requests]


@asynccontextmanager
async def reads(*script: Answer, include_parents: Sequence[str] = ()) -> AsyncIterator[Reads]:
    """A sync whose Stripe answers from a script."""
    async with scripted(*script) as bench:
        stored = RecordsInMemory()
        context = ReadContext(
            Requester(bench.api, bench.clock, Priority.LIVE),
            load_catalog(tuple(include_parents)),
            api_version=VERSION,
            redact=True,
            livemode=True,
            stored=stored,
        )
        yield Reads(bench, context, stored)


def keys(found: Sequence[Sequence[Observation]]) -> list[list[str]]:
    """Keys of observations; those of tombstones have a minus sign."""
    return [[f"-{o.upstream_id}" if o.deleted else o.upstream_id for o in own] for own in found]
