"""What the catalogue says of a collection."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from stripe_sync.catalog.calls import (
    ListCall,
    PreviewCall,
    Reread,
    Row,
    SkipRule,
    SourceField,
    placeholders,
    reference,
)
from stripe_sync.records import ChangeType
from stripe_sync.records.canonical_json import JsonObject

PINNED_API_VERSION = "2026-10-28.endive"
"""The Stripe-Version every payload is rendered in, unless a sync pins another."""

ID_PREFIX = "stripe:"


class Retrieval(StrEnum):
    """How the objects of a collection are obtained."""

    TOP_LEVEL_LIST = "top_level_list"
    """Listed by themselves."""
    NESTED_LIST = "nested_list"
    """Listed for each object of a parent collection."""
    EMBEDDED = "embedded"
    """Found inside objects of other collections."""
    EXPANDED = "expanded"
    """Found inside objects of other collections, once the field is expanded."""
    RETRIEVE_ONLY = "retrieve_only"
    """Retrieved one by one, by ids that other objects name."""
    PREVIEW = "preview"
    """Computed by Stripe for each object of a parent collection."""
    EVENT_ONLY = "event_only"
    """Seen in Stripe events only."""
    CREATE_ONLY = "create_only"
    """Seen in the answer to their creation only."""


class Availability(StrEnum):
    """Whether Stripe still serves a collection."""

    CURRENT = "current"
    LEGACY = "legacy"
    """Only in an older API version, if at all."""


class EventRouting(Row):
    """Which Stripe events speak of a collection, by the kind of change they stand for.

    Which collection a Stripe event speaks of goes by ``data.object.object``, never by these names.

    Attributes:
        created: The object came into being.
        updated: An object that existed before changed.
        deleted: The object is gone from Stripe.
        either: The name does not tell whether the object is new: ``charge.succeeded``.
        ignored: Says nothing of the record: previews, questions.
        legacy: Those of the above that Stripe no longer sends.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every name, in the order of the roles."""
        return self.created + self.updated + self.deleted + self.either + self.ignored


class Mutations(Row):
    """Calls that change objects of a collection, ``"POST /v1/customers/{id}"``.

    ``{id}`` is the object's own id; any other placeholder names a field of the object.
    """

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every call, in the order of the verbs."""
        return self.create + self.update + self.delete + self.actions


class Collection(Row):
    """One row of the catalogue.

    Paths into payloads are dotted keys, ``period.start``; arrays on the way are passed through,
    so that the rest of the path applies to each element.

    Attributes:
        id: ``stripe:customer``; the id used in the streams.
        title: Name in the user interface, ``Customer Balance Transaction``.
        object: The ``object`` string in payloads.
        view: Name of the typed view in schema ``stripe``.
        parent_only: Whether it only serves as a parent of others and is not synced itself, unless a
            sync asks for it.
        id_prefixes: Usual beginnings of ids; empty where ids have none or are chosen by the user.
        key: Paths into the payload that together identify an object; ``("id",)`` mostly.
        fallback_key: Paths that identify it within its owner where API versions leave the id out.
        created_field: Payload field with the creation time, None where there is none.
        retrieval: How objects are obtained.
        availability: Whether Stripe still serves them.
        api_version: Stripe-Version to ask with, None for the sync's own.
        lists: List endpoints; together they give the whole collection.
        fallback_lists: Asked instead where ``lists`` are refused or do not show everything.
        retrieve: Path that returns one object, None where there is none. ``{id}`` is the object's
            own id; any other placeholder names a field of the object.
        retrieve_alternatives: Paths for objects that lack a field named in ``retrieve``.
        expand: Fields to expand on list and retrieve, without ``data.``: only those that Stripe
            otherwise leaves out, never references to other objects.
        sources: Fields of other collections that hold or name these objects.
        preview: The call that computes these objects.
        how: How the collection is obtained, where it isn't listed by itself.
        events: Stripe events that speak of it.
        reread_schedule: Re-reads between the weekly ones, for changes that raise no Stripe event.
        no_change_signal: Why no change is noticed between the weekly re-reads, where none is.
        unlisted: Objects that exist though no list shows them, told by a field of their own.
        sensitive: Payload paths redacted before storing: what logs its holder in or moves money.
        volatile: Payload paths left out of ``payload_hash``: they differ from fetch to fetch.
        mutations: Calls that change objects.
        note: What a reader of the data should know.
    """

    id: str
    title: str
    object: str
    view: str
    parent_only: bool = False
    id_prefixes: tuple[str, ...] = ()
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
    how: str | None = None
    events: EventRouting = Field(default_factory=EventRouting)
    reread_schedule: tuple[Reread, ...] = ()
    no_change_signal: str = ""
    unlisted: tuple[SkipRule, ...] = ()
    sensitive: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    mutations: Mutations = Field(default_factory=Mutations)
    note: str = ""

    @property
    def name(self) -> str:
        """The short name, ``customer`` for ``stripe:customer``."""
        return self.id.removeprefix(ID_PREFIX)

    @property
    def listed_by_time(self) -> bool:
        """Whether it has a list of its own that can be narrowed to what was created lately."""
        return any(call.parent is None and call.created_filter for call in self.lists)

    @property
    def keyed_by_fields(self) -> bool:
        """Whether ``key`` is the key; what is taken from previews is keyed by its place therein."""
        return self.retrieval is not Retrieval.PREVIEW or self.preview is not None

    @property
    def parents(self) -> tuple[str, ...]:
        """Catalogue ids of what its objects are listed below or computed for."""
        named = [call.parent for call in self.lists]
        if self.preview:
            named.append(self.preview.parent)
        elif self.retrieval is Retrieval.PREVIEW:
            named += [source.collection for source in self.sources]
        return tuple(dict.fromkeys(name for name in named if name))

    def change_of(self, event_type: str) -> ChangeType | None:
        """The kind of change that a Stripe event stands for, as far as its type tells.

        Args:
            event_type: Stripe's event type, of an event that carries one of these objects.

        Returns:
            None where the type does not tell, which holds for types not known here as well:
            created for a record never seen, else updated.
        """
        for change in ChangeType:
            if event_type in getattr(self.events, change):
                return change
        return None

    def ignores(self, event_type: str) -> bool:
        """Whether a Stripe event of this type must not touch the record that it carries."""
        return event_type in self.events.ignored

    def parent_id(self, payload: JsonObject) -> str | None:
        """Id of the object that an object is listed with, as far as its own fields tell.

        The placeholders of nested lists are named after the fields that hold the parent's id.
        """
        for call in self.lists:
            if call.parent:
                for name in call.placeholders:
                    if found := reference(payload.get(name)):
                        return found
        return None

    def retrieve_request(self, payload: JsonObject) -> tuple[str, dict[str, str]] | None:
        """How to ask Stripe for the current state of an object.

        Args:
            payload: The object as last seen, which names its id and its owner.

        Returns:
            Path and values of its placeholders; None where no path returns single objects or the
            payload lacks what the paths need.
        """
        for path in (self.retrieve, *self.retrieve_alternatives):
            if path:
                values = {name: reference(payload.get(name)) for name in placeholders(path)}
                filled = {name: value for name, value in values.items() if value}
                if len(filled) == len(values):
                    return path, filled
        return None
