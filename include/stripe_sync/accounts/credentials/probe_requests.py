"""The requests that show what a key may do: for objects that do not exist, so nothing happens.

Stripe checks the permission first: 403 without it, 404 with it. Reads ask for one object, or for
the children of one. Writes use routes that change an existing object, never one that creates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stripe_sync.catalog import STRIPE_EVENTS, Catalog, Collection, Retrieval
from stripe_sync.catalog.calls import ListCall, PreviewCall, placeholders

NOBODY = "doesNotExist000000000000"
"""The part of an id after its prefix; Stripe's own ids are random."""


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One request; equal ones are sent once.

    Attributes:
        method: ``GET`` or ``POST``.
        template: ``/v1/customers/{id}``.
        path_params: Values for the braces.
        params: Query or body parameters.
        api_version: Stripe-Version, None for the client's own.
    """

    method: str
    template: str
    path_params: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeRequests:
    """Makes the requests for each collection.

    Args:
        catalog: All collections.
        api_version: The sync's Stripe-Version.
    """

    catalog: Catalog
    api_version: str

    def reads(self, collection: Collection) -> tuple[ProbeRequest, ...]:
        """Requests that together show whether all of a collection can be read.

        Returns:
            Empty where Stripe returns nothing of it.
        """
        if collection.retrieval is Retrieval.EVENT_ONLY:
            return self.reads(self.catalog[STRIPE_EVENTS])
        own = tuple(dict.fromkeys(self._own_reads(collection)))
        if collection.retrieval in (Retrieval.EMBEDDED, Retrieval.EXPANDED) or not own:
            holders = {source.collection: None for source in collection.sources}
            others = (self.reads(self.catalog.parent(each)) for each in holders)
            own += tuple(request for requests in others for request in requests)
        return tuple(dict.fromkeys(own))

    def writes(self, collection: Collection) -> tuple[ProbeRequest, ...]:
        """Requests that show whether a collection can be written.

        Returns:
            Empty where only a creation, or a deletion, could show it.
        """
        calls = collection.mutations.update or collection.mutations.actions[:1]
        routes = [call.removeprefix("POST ") for call in calls if call.startswith("POST ")]
        return tuple(self._request("POST", route, collection) for route in routes)

    def _own_reads(self, collection: Collection) -> Iterator[ProbeRequest]:
        lists = collection.lists + collection.fallback_lists
        nested = [call for call in lists if call.placeholders]
        if collection.retrieve and (not nested or placeholders(collection.retrieve) == ("id",)):
            yield self._request("GET", collection.retrieve, collection)
        for call in nested:
            yield self._children(call, collection)
        if collection.preview:
            yield self._preview(collection.preview)

    def _children(self, call: ListCall, collection: Collection) -> ProbeRequest:
        parent = self.catalog.parent(str(call.parent))
        values = dict.fromkeys(call.placeholders, _nobody(parent))
        return ProbeRequest(
            "GET",
            call.path,
            _filled(placeholders(call.path), values),
            _parameters(call.params, values),
            collection.api_version,
        )

    def _preview(self, call: PreviewCall) -> ProbeRequest:
        nobody = _nobody(self.catalog.parent(call.parent))
        names = placeholders(*call.params.values())
        params = _parameters(call.params, dict.fromkeys(names, nobody))
        if call.old_path and call.old_before and self.api_version[:10] < call.old_before:
            return ProbeRequest("GET", call.old_path, (), params)
        return ProbeRequest("POST", call.path, (), params)

    def _request(self, method: str, template: str, collection: Collection) -> ProbeRequest:
        values = {name: self._value(name, collection) for name in placeholders(template)}
        path_params = _filled(placeholders(template), values)
        return ProbeRequest(method, template, path_params, (), collection.api_version)

    def _value(self, name: str, collection: Collection) -> str:
        if name == "id":
            return _nobody(collection)
        try:
            return _nobody(self.catalog.parent(f"stripe:{name}"))
        except KeyError:
            return NOBODY


def _nobody(collection: Collection) -> str:
    """An id of the right form that no object has."""
    return f"{collection.id_prefixes[0] if collection.id_prefixes else ''}{NOBODY}"


def _filled(names: tuple[str, ...], values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, values[name]) for name in names)


def _parameters(
    params: Mapping[str, str], values: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    return tuple((name, text.format(**values)) for name, text in params.items())
