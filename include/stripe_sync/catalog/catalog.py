"""The catalogue: every collection that can be synced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from stripe_sync.catalog.change_signals import ChangeSignal, change_signals
from stripe_sync.catalog.checks import check
from stripe_sync.catalog.model import ID_PREFIX, Collection, Retrieval
from stripe_sync.errors import CatalogError, ConfigurationError
from stripe_sync.records import canonical_json


class Catalog(Mapping[str, Collection]):
    """Collections by id (``stripe:customer``), in the order of their titles.

    Args:
        collections: All collections, parent-only ones included.

    Attributes:
        parent_only: Collections that are read only to find the children of their objects.

    Raises:
        CatalogError: A collection contradicts itself or another one.
    """

    def __init__(self, collections: Iterable[Collection]) -> None:
        ordered = sorted(collections, key=lambda collection: collection.title)
        check(ordered)
        self._collections = {each.id: each for each in ordered if not each.parent_only}
        self.parent_only: Mapping[str, Collection] = {
            each.id: each for each in ordered if each.parent_only
        }
        self._by_object = {
            each.object: (each,) for each in self._collections.values() if each.is_routed
        }

    def __hash__(self) -> int:
        """Each is itself only: what is computed for a catalogue is kept by it."""
        return id(self)

    def __getitem__(self, collection_id: str) -> Collection:
        return self._collections[collection_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def resolve(self, name: str) -> Collection:
        """Find a collection by name.

        Args:
            name: ``stripe:customer``, ``stripe.customer`` or ``customer``.

        Raises:
            ConfigurationError: There is no such collection; names the closest ones.
        """
        short = name.strip()
        for prefix in (ID_PREFIX, ID_PREFIX.replace(":", ".")):
            short = short.removeprefix(prefix)
        collection = self._collections.get(ID_PREFIX + short)
        if collection is None:
            raise ConfigurationError(self._unknown(name, short), param="collections")
        return collection

    def parent(self, collection_id: str) -> Collection:
        """The collection that a list, preview or source refers to, parent-only or not.

        Raises:
            KeyError: There is none; never for an id in an entry of this catalogue.
        """
        return self._collections.get(collection_id) or self.parent_only[collection_id]

    def change_signals(self, collection: Collection) -> tuple[ChangeSignal, ...]:
        """How changes of a collection are noticed."""
        return change_signals(collection, self.parent_only)

    def top_level(self) -> tuple[Collection, ...]:
        """The collections that are listed by themselves."""
        collections = self._collections.values()
        return tuple(each for each in collections if each.retrieval is Retrieval.TOP_LEVEL_LIST)

    def route(self, object_name: str) -> tuple[Collection, ...]:
        """The collections that a payload belongs to.

        Args:
            object_name: Its ``object`` field, ``data.object.object`` for a Stripe event.

        Returns:
            Empty for objects that are not synced.
        """
        return self._by_object.get(object_name, ())

    def _unknown(self, name: str, short: str) -> str:
        """The message for an unknown name; suggests names by title and view, too."""
        spellings: dict[str, str] = {}
        for each in self._collections.values():
            spellings |= dict.fromkeys((each.name, each.view, each.title.lower()), each.name)
        close = get_close_matches(short.lower(), spellings, n=6)
        names = list(dict.fromkeys(spellings[match] for match in close))[:3]
        hint = f"did you mean {' or '.join(names)}?" if names else "see the catalogue for all names"
        return f"there is no collection {name!r}: {hint}"


@cache
def load_catalog(include_parents: tuple[str, ...] = ()) -> Catalog:
    """The catalogue that ships with this package, read once.

    Args:
        include_parents: Short names of parent-only collections to store like all others.

    Raises:
        CatalogError: It contradicts itself; the message has collection and cause.
        ConfigurationError: A name is no parent-only collection.
    """
    folder = files("stripe_sync.catalog") / "collections"
    texts = sorted(
        (file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")
    )
    collections = [each for name, text in texts for each in read_collections(name, text)]
    parent_only = {each.name for each in collections if each.parent_only}
    if unknown := sorted(set(include_parents) - parent_only):
        allowed = ", ".join(sorted(parent_only))
        message = f"include_parents may be {allowed}, not {', '.join(unknown)}"
        raise ConfigurationError(message)
    return Catalog(
        each.model_copy(update={"parent_only": False}) if each.name in include_parents else each
        for each in collections
    )


def read_collections(source: str, text: bytes) -> list[Collection]:
    """Read the entries of one file.

    Args:
        source: Name of the file, for errors.
        text: A JSON array of entries.

    Raises:
        CatalogError: The text is no such array; the message has entry and cause.
    """
    try:
        items = canonical_json.loads(text)
    except ValueError as error:
        message = f"{source}: {error}"
        raise CatalogError(message) from error
    if not isinstance(items, list):
        message = f"{source}: not an array of collections"
        raise CatalogError(message)
    subject = {"subject": source.removesuffix(".json")}
    found = [_collection(source, index, item) for index, item in enumerate(items)]
    return [collection.model_copy(update=subject) for collection in found]


def _collection(source: str, index: int, item: Any) -> Collection:
    try:
        return Collection.model_validate(item)
    except ValidationError as error:
        name = item.get("id") if isinstance(item, dict) else None
        causes = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
        )
        message = f"{source}: {name or f'entry {index}'}: {causes}"
        raise CatalogError(message) from error
