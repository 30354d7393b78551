"""Which part of a stream a reader wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Self
from uuid import UUID

from stripe_sync.catalog import Catalog, load_catalog
from stripe_sync.errors import ConfigurationError, SyncNotFound
from stripe_sync.records import ChangeType, ids


class Stream(StrEnum):
    """The two streams."""

    RECORDS = "records"
    """Each object once, at the place of its last change."""
    EVENTS = "events"
    """Each change."""


@dataclass(frozen=True, slots=True)
class StreamSync:
    """A sync and the end of its streams."""

    id: UUID
    name: str
    resource_id: UUID
    last_seq: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What to read; an empty condition holds for everything. Make it with ``of``.

    Attributes:
        stream: Which stream.
        syncs: Names or ids of syncs.
        resource_id: The Stripe account and mode.
        collections: Ids of collections, ``stripe:customer``.
        upstream_id: Stripe's id of one object.
        event_types: ``created``, ``updated``, ``deleted``; of change events only.
    """

    stream: Stream
    syncs: frozenset[str] = frozenset()
    resource_id: UUID | None = None
    collections: frozenset[str] = frozenset()
    upstream_id: str | None = None
    event_types: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        stream: str,
        *,
        syncs: Sequence[str] = (),
        resource_id: str | None = None,
        collections: Sequence[str] = (),
        upstream_id: str | None = None,
        event_types: Sequence[str] = (),
    ) -> Self:
        """A checked selection.

        Args:
            stream: ``records`` or ``events``.
            syncs: Names or ids of syncs.
            resource_id: Id of the Stripe account and mode, as in the streams.
            collections: ``stripe:customer``, ``stripe.customer`` or ``customer``.
            upstream_id: Stripe's id of one object.
            event_types: Kinds of changes.

        Raises:
            ConfigurationError: A value can never be one; ``param`` names it.
        """
        if upstream_id is not None and not ids.is_storable(upstream_id):
            message = "upstream_id: no id of Stripe has such characters"
            raise ConfigurationError(message, param="upstream_id")
        return cls(
            stream=Stream(stream),
            syncs=frozenset(sync.lower() for sync in syncs),
            resource_id=_uuid(resource_id),
            collections=frozenset(_collection(name) for name in collections),
            upstream_id=upstream_id,
            event_types=frozenset(_event_type(name, stream) for name in event_types),
        )

    @property
    def filters_rows(self) -> bool:
        """Whether rows of a chosen sync may be left out."""
        return bool(self.collections or self.upstream_id or self.event_types)

    @property
    def names_syncs(self) -> bool:
        """Whether syncs that are created later are left out."""
        return bool(self.syncs) or self.resource_id is not None

    def matches(self, collection_id: str, upstream_id: str, event_type: str) -> bool:
        """Whether a change of a chosen sync is wanted."""
        return (
            (not self.collections or collection_id in self.collections)
            and self.upstream_id in (None, upstream_id)
            and (not self.event_types or event_type in self.event_types)
        )

    def choose(self, known: Sequence[StreamSync]) -> list[StreamSync]:
        """Those syncs that are wanted.

        Raises:
            SyncNotFound: A wanted one is not there.
        """
        for wanted in self.syncs:
            if not any(wanted in (sync.name, str(sync.id)) for sync in known):
                message = f"there is no sync {wanted!r}"
                raise SyncNotFound(message, param="sync_id")
        return [
            sync
            for sync in known
            if (not self.syncs or {sync.name, str(sync.id)} & self.syncs)
            and self.resource_id in (None, sync.resource_id)
        ]


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        message = "resource_id: this is no UUID"
        raise ConfigurationError(message, param="resource_id") from None


def _collection(name: str) -> str:
    try:
        return _every_collection().resolve(name).id
    except ConfigurationError as error:
        raise ConfigurationError(str(error), param="collection_id") from None


@cache
def _every_collection() -> Catalog:
    """The catalogue with the collections that a sync stores only on request."""
    parents = load_catalog().parent_only.values()
    return load_catalog(include_parents=tuple(parent.name for parent in parents))


def _event_type(name: str, stream: str) -> str:
    if stream != Stream.EVENTS:
        message = "event_type: records have none; read the change events"
        raise ConfigurationError(message, param="event_type")
    if name not in tuple(ChangeType):
        message = f"event_type: it is one of {', '.join(ChangeType)}"
        raise ConfigurationError(message, param="event_type")
    return name
