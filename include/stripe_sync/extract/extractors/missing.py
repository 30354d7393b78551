"""Objects that others name and that are not stored: no list returns inline prices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection as Keys
from collections.abc import Iterable, Sequence

from stripe_sync.catalog.references import expanded, references_of, retrieved_by_id
from stripe_sync.errors import (
    InvalidRequest,
    MalformedObject,
    NotFound,
    StripeError,
    UnusableAnswer,
)
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.extractors.source_objects import values_at
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.records import MissingObject, Observation
from stripe_sync.records.canonical_json import JsonObject

log = logging.getLogger(__name__)

LIVE_RETRIEVALS = 16
"""Most missing objects that are retrieved with one batch of changes. Where more are missing,
polling is catching up and their own Stripe events bring most; a reconcile retrieves the others."""

_SYNCED_SECONDS = 30.0
"""How long the list of complete collections is used."""


class MissingReader:
    """Retrieves missing objects.

    Args:
        context: The sync.
    """

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    async def retrieve(self, missing: MissingObject) -> Observation | str:
        """The object, or why there is none: Stripe does not have it, or never returns it.

        Raises:
            StripeError: Stripe did not answer, or the key may not read it: a later try may succeed.
        """
        collection = self._context.catalog[missing.collection_id]
        requester = self._context.requester
        observed_at = requester.clock.now()
        try:
            obj = await self._get(missing)
            if obj is None:
                return "Stripe does not return it"
            if obj.get("object") != collection.object or obj.get("deleted"):
                return "it is deleted" if obj.get("deleted") else f"it is a {obj.get('object')}"
            await complete_lists(requester, [obj], collection.api_version, expand=collection.expand)
            normalizer = self._context.normalizer(collection)
            observation = normalizer.normalize(obj, observed_at=observed_at)
        except (InvalidRequest, NotFound) as error:
            return str(error)
        except MalformedObject as error:
            raise UnusableAnswer(str(error)) from error
        if observation.upstream_id != missing.upstream_id:
            return f"Stripe returns {observation.upstream_id} for it"
        return observation

    async def _get(self, missing: MissingObject) -> JsonObject | None:
        """The object by its id, or as part of the object that names it."""
        catalog, requester = self._context.catalog, self._context.requester
        collection, host = catalog[missing.collection_id], catalog.get(missing.named_by)
        if retrieved_by_id(collection):
            request = collection.retrieve_request({"id": missing.upstream_id})
            params = {"expand": list(collection.expand)} if collection.expand else None
            if request is None:
                return None
            return await requester.get(*request, params, api_version=collection.api_version)
        request = host.retrieve_request({"id": missing.named_by_id}) if host else None
        if host is None or request is None:
            return None
        params = {"expand": [".".join(expanded(missing.field))]}
        naming = await requester.get(*request, params, api_version=host.api_version)
        found: Iterable[JsonObject] = (
            value
            for value in values_at(naming, missing.field.split("."))
            if isinstance(value, dict) and value.get("id") == missing.upstream_id
        )
        return next(iter(found), None)


class NamedObjects:
    """Retrieves the missing objects that changed objects name.

    Args:
        context: The sync.
    """

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._reader = MissingReader(context)
        self._references = references_of(context.catalog)
        self._synced: tuple[float, dict[str, int | None]] | None = None

    async def find(
        self, objects: Sequence[tuple[str, JsonObject]], known: Keys[tuple[str, str]]
    ) -> list[Observation]:
        """The missing objects; those that cannot be read now are left to a reconcile.

        Args:
            objects: Changed objects, each with the id of its collection.
            known: Collection and upstream ids of objects that are stored together with these.
        """
        synced = await self._synced_collections() if objects else {}
        named: dict[tuple[str, str], MissingObject] = {}
        for host_id, obj in objects:
            for each in self._references.find(host_id, obj):
                if each.key not in known and self._is_wanted(each.collection_id, synced):
                    host_key = str(obj.get("id"))
                    named[each.key] = MissingObject(*each.key, host_id, host_key, each.field)
        if not named:
            return []
        unknown = await self._context.stored.unknown(list(named))
        if len(unknown) > LIVE_RETRIEVALS:
            return []
        found = await asyncio.gather(*(self._retrieve(named[key]) for key in sorted(unknown)))
        return [observation for observation in found if observation]

    async def _synced_collections(self) -> dict[str, int | None]:
        now = self._context.requester.clock.monotonic()
        if self._synced is None or now - self._synced[0] > _SYNCED_SECONDS:
            self._synced = now, await self._context.stored.synced()
        return self._synced[1]

    def _is_wanted(self, collection_id: str, synced: dict[str, int | None]) -> bool:
        """Whether its objects are stored, whatever their age, and no re-read brings them soon."""
        if not self._context.selected(collection_id):
            return False
        schedule = self._context.catalog[collection_id].reread_schedule
        return synced.get(collection_id, 0) is None and not any(each.days for each in schedule)

    async def _retrieve(self, missing: MissingObject) -> Observation | None:
        try:
            found = await self._reader.retrieve(missing)
        except StripeError as error:
            log.info("%s %s is left to a reconcile: %s", *missing.key, error)
            return None
        now = self._context.requester.clock.now()
        gone = found if isinstance(found, str) else None
        await self._context.stored.mark(missing, now, gone)
        return None if isinstance(found, str) else found
