"""What the catalogue says of a collection."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

PINNED_API_VERSION = "2026-10-28.endive"
"""The Stripe-Version every payload is rendered in, unless a sync pins another."""


class Obtained(StrEnum):
    """How the objects of a collection are obtained."""

    TOP_LEVEL_LIST = "top_level_list"
    NESTED_LIST = "nested_list"
    EMBEDDED = "embedded"
    EXPANDED = "expanded"
    RETRIEVE_ONLY = "retrieve_only"
    PREVIEW = "preview"
    EVENT_ONLY = "event_only"
    CREATE_ONLY = "create_only"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListCall(_Row):
    """One list endpoint of a collection.

    Attributes:
        path: Path with parents in braces, ``/v1/customers/{customer}/tax_ids``.
        parent: Catalogue id of the parent collection, None for a top-level list.
        params: Parameters always sent, e.g. ``{"status": "all"}``.
        variants: Parameter sets that are asked for one after the other and united, where no single
            one returns everything, e.g. ``[{"active": "true"}, {"active": "false"}]``.
        required: Parameters without which Stripe answers 400; filled from the parent.
        filters: Names of the filters that the endpoint accepts.
        created_filter: Whether ``created[gte]``… is among them.
        paged: Whether ``limit`` and the cursors are accepted.
    """

    path: str
    parent: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    variants: tuple[dict[str, str], ...] = ()
    required: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    created_filter: bool = False
    paged: bool = True


class EventRouting(_Row):
    """Which Stripe events speak of a collection, by the kind of change they stand for.

    Routing itself goes by ``data.object.object``; these names tell created, deleted and the rest
    (updated) apart, and which ones must not touch a record.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()


class Mutations(_Row):
    """Calls that change objects of a collection: ``"POST /v1/customers"`` and the like."""

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class Collection(_Row):
    """One row of the catalogue.

    Attributes:
        id: ``stripe:customer``; the id used in the streams.
        title: Name in the specification, ``Customer Balance Transaction``.
        object: The ``object`` string in payloads.
        view: Name of the typed view in schema ``stripe``.
        id_prefixes: Usual beginnings of ids; empty where ids are chosen by the user.
        key: Paths into the payload that together identify an object; ``("id",)`` mostly.
        created_field: Payload field with the creation time, None where there is none.
        obtained: How objects are obtained.
        lists: List endpoints, best first; empty where there is none.
        retrieve: Path that returns one object, None where there is none.
        expand: Fields to expand on list and retrieve, without ``data.``; only includable ones,
            so that list and retrieve render the same shape.
        how: One sentence: how the collection is obtained where it isn't listed.
        sources: Payload fields of other collections that hold or name these objects.
        events: Stripe-event routing.
        api_version: Stripe-Version to ask with, None for the sync's own.
        availability: ``current``, ``legacy`` (needs ``api_version``).
        sensitive: Payload paths redacted before storing.
        volatile: Payload paths left out of ``payload_hash``: they differ from fetch to fetch.
        mutations: Calls that change objects.
        note: What a reader of the data should know, in one or two sentences.
    """

    id: str
    title: str
    object: str
    view: str
    id_prefixes: tuple[str, ...] = ()
    key: tuple[str, ...] = ("id",)
    created_field: str | None = "created"
    obtained: Obtained
    lists: tuple[ListCall, ...] = ()
    retrieve: str | None = None
    expand: tuple[str, ...] = ()
    how: str | None = None
    sources: tuple[str, ...] = ()
    events: EventRouting = Field(default_factory=EventRouting)
    api_version: str | None = None
    availability: str = "current"
    sensitive: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    mutations: Mutations = Field(default_factory=Mutations)
    note: str = ""

    @property
    def name(self) -> str:
        """The short name, ``customer`` for ``stripe:customer``."""
        return self.id.removeprefix("stripe:")
