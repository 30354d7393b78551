"""A collection, as the catalogue describes it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from stripe_sync.catalog.calls import (
    CatalogModel,
    FieldPredicate,
    ListCall,
    PreviewCall,
    Reread,
    SourceField,
    placeholders,
    reference,
)
from stripe_sync.records import ChangeType
from stripe_sync.records.canonical_json import JsonObject

ID_PREFIX = "stripe:"

STRIPE_EVENTS = "stripe:event"
"""The collection of Stripe events, which are records too."""


class Retrieval(StrEnum):
    """How the objects of a collection are read."""

    TOP_LEVEL_LIST = "top_level_list"
    """Listed by themselves."""
    NESTED_LIST = "nested_list"
    """Listed for each object of a parent collection."""
    EMBEDDED = "embedded"
    """Contained in objects of other collections."""
    EXPANDED = "expanded"
    """Contained in objects of other collections, where a field is expanded."""
    RETRIEVE_ONLY = "retrieve_only"
    """Retrieved one by one, by ids in objects of other collections."""
    PREVIEW = "preview"
    """Computed by Stripe for each object of a parent collection."""
    EVENT_ONLY = "event_only"
    """Contained in Stripe events only."""
    CREATE_ONLY = "create_only"
    """Returned only by the request that creates them."""


class Availability(StrEnum):
    """Whether Stripe still serves a collection."""

    CURRENT = "current"
    LEGACY = "legacy"
    """Only in an older API version, if at all."""


class EventRouting(CatalogModel):
    """Types of Stripe events about a collection's objects, by kind of change.

    ``data.object.object`` decides which collection a Stripe event is about, never these types.

    Attributes:
        created: The object is new.
        updated: An existing object changed.
        deleted: The object was deleted.
        created_or_updated: The type does not decide which: ``charge.succeeded``.
        ignored: The record does not change: previews, requests for a decision.
        legacy: Those of the above that Stripe no longer sends.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    created_or_updated: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every type, in the order of the attributes."""
        certain = self.created + self.updated + self.deleted
        return certain + self.created_or_updated + self.ignored


class Mutations(CatalogModel):
    """Requests that change objects of a collection, ``"POST /v1/customers/{id}"``.

    ``{id}`` is the object's own id, any other placeholder the id of the parent, named like the
    field that has it. Of several routes the first one is used whose placeholders are all known, so
    the ones with a parent come first.

    Attributes:
        create: Routes that make an object.
        update: Routes that change one.
        delete: Routes that delete one, or end it as Stripe's DELETE does.
        actions: Other requests about one object; the last part of the path is the name.
    """

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every request, in the order of the attributes."""
        return self.create + self.update + self.delete + self.actions


class Permissions(CatalogModel):
    """Permissions of restricted keys, as Stripe's documentation names them: ``customer_read``.

    What a key may do is measured; these names only tell people what to grant. The name in Stripe's
    403 goes before them.

    Attributes:
        read: Together they return the whole collection.
        write: Together they allow all ``mutations``.
        note: Why ``read`` or ``write`` is empty, or what is special about them.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    note: str = ""


class Collection(CatalogModel):
    """One collection.

    Paths into payloads are dotted keys, ``period.start``; within an array the rest of the path
    applies to each element.

    Attributes:
        id: ``stripe:customer``; the id used in the streams.
        title: Name in the user interface, ``Customer Balance Transaction``.
        object: The ``object`` string in payloads.
        view: Name of the typed view in schema ``stripe``.
        subject: What it is about, the name of the file with its entry: ``payment_methods``.
        beyond_spec: Whether it is more than the 62 collections that were specified.
        parent_only: Whether it is read only to find the children of its objects, and not stored
            unless a sync includes it.
        objects_of: Catalogue id of the collection that its objects belong to as well, where this
            one is about their parent: which of them a payout consists of. None where they are its
            own.
        id_prefixes: Usual prefixes of ids; empty where ids have none or are chosen by the user.
        reusable_ids: Whether an id may be used again after its object was deleted: users choose it.
        key: Paths into the payload that together identify an object; ``("id",)`` mostly.
        fallback_key: Paths that identify it within the object that contains it, in API versions
            without its id.
        created_field: Payload field with the creation time, None where there is none.
        retrieval: How objects are read.
        availability: Whether Stripe still serves them.
        api_version: Stripe-Version to read them in, None for the sync's own.
        lists: List endpoints; together they return the whole collection.
        fallback_lists: Read instead where ``lists`` are refused or incomplete.
        retrieve: Path that returns one object, None where there is none. ``{id}`` is the object's
            own id, any other placeholder the value of a field.
        retrieve_alternatives: Paths for objects without a field that ``retrieve`` needs.
        expand: Fields to expand on list and retrieve, without ``data.``: only those that Stripe
            otherwise leaves out, never references to other objects.
        sources: Fields of other collections that contain or reference these objects.
        preview: The request that computes these objects.
        retrieval_note: How the collection is read, in more detail than ``retrieval``.
        events: Stripe events about its objects.
        reread_schedule: Re-reads between the weekly ones, for changes that raise no Stripe event.
        no_change_signal: Why no change is noticed between the weekly re-reads, where none is.
        unlisted: Objects that exist although no list returns them.
        sensitive: Payload paths redacted before storing: values that log in or move money.
        volatile: Payload paths left out of ``payload_hash``: they differ from request to request.
        mutations: Requests that change objects.
        permissions: What a restricted key needs.
        note: What a user of the data should know.
    """

    id: str
    title: str
    object: str
    view: str
    subject: str = ""
    beyond_spec: bool = False
    parent_only: bool = False
    objects_of: str | None = None
    id_prefixes: tuple[str, ...] = ()
    reusable_ids: bool = False
    key: tuple[str, ...] = ("id",)
    fallback_key: tuple[str, ...] = ()
    created_field: str | None = "created"
    retrieval: Retrieval
    availability: Availability = Availability.CURRENT
    api_version: str | None = None
    lists: tuple[ListCall, ...] = ()
    fallback_lists: tuple[ListCall, ...] = ()
    retrieve: str | None = None
    retrieve_alternatives: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    sources: tuple[SourceField, ...] = ()
    preview: PreviewCall | None = None
    retrieval_note: str = ""
    events: EventRouting = Field(default_factory=EventRouting)
    reread_schedule: tuple[Reread, ...] = ()
    no_change_signal: str = ""
    unlisted: tuple[FieldPredicate, ...] = ()
    sensitive: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    mutations: Mutations = Field(default_factory=Mutations)
    permissions: Permissions = Field(default_factory=Permissions)
    note: str = ""

    @property
    def name(self) -> str:
        """The short name, ``customer`` for ``stripe:customer``."""
        return self.id.removeprefix(ID_PREFIX)

    @property
    def is_routed(self) -> bool:
        """Whether an object belongs to it wherever it appears, because of its ``object`` string.

        A preview has that of the invoice that it may become, but is no invoice.
        """
        return self.retrieval is not Retrieval.PREVIEW and self.objects_of is None

    @property
    def listed_by_time(self) -> bool:
        """Whether it has a top-level list with a ``created`` filter."""
        return any(call.parent is None and call.created_filter for call in self.lists)

    @property
    def keyed_by_fields(self) -> bool:
        """Whether ``key`` is the key; the key of a preview's line is its place in the preview."""
        return self.retrieval is not Retrieval.PREVIEW or self.preview is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the requests that return its objects."""
        previews = [self.preview.path] if self.preview else []
        single = [path for path in (self.retrieve, *self.retrieve_alternatives) if path]
        return (*(call.path for call in self.lists), *previews, *single)

    @property
    def parents(self) -> tuple[str, ...]:
        """Catalogue ids of the collections whose objects its objects are listed or computed for."""
        named = [call.parent for call in self.lists]
        if self.preview:
            named.append(self.preview.parent)
        elif self.retrieval is Retrieval.PREVIEW:
            named += [source.collection for source in self.sources]
        return tuple(dict.fromkeys(name for name in named if name))

    def change_of(self, event_type: str) -> ChangeType | None:
        """The kind of change of a Stripe event.

        Args:
            event_type: Type of a Stripe event about one of these objects.

        Returns:
            None where the type, for example an unknown one, does not decide: the change is then
            created for a record that is not stored, updated otherwise.
        """
        for change in ChangeType:
            if event_type in getattr(self.events, change):
                return change
        return None

    def ignores(self, event_type: str) -> bool:
        """Whether a Stripe event of this type must not change the record that it is about."""
        return event_type in self.events.ignored

    def created(self, payload: JsonObject) -> int | None:
        """When Stripe created an object, in Unix seconds; None where it has no such field."""
        value = payload.get(self.created_field) if self.created_field else None
        return value if type(value) is int else None

    def object_created(self, payload: JsonObject) -> int | None:
        """Unix seconds of an object's creation, where its id may be used again; else None."""
        return self.created(payload) if self.reusable_ids else None

    def parent_id(self, payload: JsonObject) -> str | None:
        """Id of an object's parent, None where the object has no field for it.

        The placeholders of nested lists are named after the fields with the parent's id.
        """
        for call in self.lists:
            if call.parent:
                for name in call.placeholders:
                    if found := reference(payload.get(name)):
                        return found
        return None

    def retrieve_request(self, payload: JsonObject) -> tuple[str, dict[str, str]] | None:
        """The request for the current state of an object.

        Args:
            payload: Any state of the object, with its id and that of its owner.

        Returns:
            Path and values of its placeholders; None where no path returns single objects or the
            payload lacks a field that the paths need.
        """
        for path in (self.retrieve, *self.retrieve_alternatives):
            if path:
                values = {name: reference(payload.get(name)) for name in placeholders(path)}
                filled = {name: value for name, value in values.items() if value}
                if len(filled) == len(values):
                    return path, filled
        return None
