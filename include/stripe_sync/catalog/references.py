"""Where payloads name objects of other collections, from ``references.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from stripe_sync.catalog.calls import placeholders, reference
from stripe_sync.catalog.catalog import Catalog
from stripe_sync.catalog.model import Collection, Retrieval
from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

MAX_EXPANDED_LEVELS = 1
"""Objects without an endpoint of their own are retrieved through a field at the top of another one:
what errors and other snapshots contain may belong to another account."""

_EACH = "*"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that another one names.

    Attributes:
        collection_id: Its collection.
        upstream_id: Its id.
        field: Dotted path in the payload that names it; ``*`` stands for every element.
        created: Its creation time in Unix seconds, where the payload contains the whole object.
    """

    collection_id: str
    upstream_id: str
    field: str
    created: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Collection id and upstream id."""
        return self.collection_id, self.upstream_id


@dataclass(slots=True)
class _Node:
    """One step of the paths of a collection, with the steps below it."""

    below: dict[str, _Node]
    field: str = ""
    targets: tuple[Collection, ...] = ()
    ambiguous: bool = False  # only prefixes show which kind of object an id belongs to


class References:
    """Finds the objects that payloads name.

    Only objects are found that can be retrieved: by their id, or by expanding the field that names
    them in an object that can be retrieved by its id.

    Args:
        catalog: The collections.
    """

    def __init__(self, catalog: Catalog) -> None:
        by_object = {
            each.object: each for each in catalog.values() if each.is_routed and each.key == ("id",)
        }
        self._roots: dict[str, _Node] = {}
        for host_id, paths in reference_paths().items():
            root = _Node({})
            for path, objects in paths.items():
                targets = tuple(
                    by_object[name]
                    for name in objects
                    if name in by_object and can_retrieve(catalog, host_id, path, by_object[name])
                )
                if host_id in catalog and targets:
                    _insert(root, path, targets, ambiguous=len(objects) > 1)
            if root.below:
                self._roots[host_id] = root

    def fields(self, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Where objects of some collections are named.

        Args:
            targets: Ids of the collections.

        Returns:
            Top-level fields to search, by the id of the collection whose objects have them.
        """
        wanted = set(targets)
        found = {
            host_id: tuple(
                name
                for name, node in root.below.items()
                if any(each.id in wanted for below in _nodes(node) for each in below.targets)
            )
            for host_id, root in self._roots.items()
        }
        return {host_id: names for host_id, names in found.items() if names}

    def find(self, host_id: str, payload: JsonObject) -> list[Reference]:
        """The objects that an object of a collection names, each once."""
        root = self._roots.get(host_id)
        found = {each.key: each for each in _find(root, payload)} if root else {}
        return list(found.values())


def retrieved_by_id(collection: Collection) -> bool:
    """Whether the id of an object is enough to retrieve it."""
    return collection.retrieve is not None and placeholders(collection.retrieve) == ("id",)


def can_retrieve(catalog: Catalog, host_id: str, path: str, target: Collection) -> bool:
    """Whether an object can be retrieved that an object of a collection names at a path.

    Children are not: they are read with their parents, which shows whether they still exist.
    """
    if any(call.parent == host_id for call in target.lists):
        return False
    # What is embedded in an object names it by its kind.
    if target.id == host_id and path.rpartition(".")[2] == target.object:
        return False
    if retrieved_by_id(target):
        return True
    # Objects of these are read whenever an object that contains them is.
    if target.retrieval is not Retrieval.NESTED_LIST or host_id not in catalog:
        return False
    return retrieved_by_id(catalog[host_id]) and len(expanded(path)) <= MAX_EXPANDED_LEVELS


def expanded(path: str) -> list[str]:
    """The parts of a path as Stripe's ``expand`` names them."""
    return [part for part in path.split(".") if part != _EACH]


@cache
def references_of(catalog: Catalog) -> References:
    """The references of a catalogue, computed once: the pollers of a process share one."""
    return References(catalog)


@cache
def reference_paths() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Dotted paths that name objects, by collection id, with the names of these objects.

    An empty name stands for texts that are no id.
    """
    text = (files("stripe_sync.catalog") / "references.json").read_bytes()
    paths: Mapping[str, Mapping[str, Sequence[str]]] = canonical_json.loads(text)
    return paths


def _insert(node: _Node, path: str, targets: tuple[Collection, ...], *, ambiguous: bool) -> None:
    for part in path.split("."):
        node = node.below.setdefault(part, _Node({}))
    node.field, node.targets, node.ambiguous = path, targets, ambiguous


def _nodes(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.below.values():
        yield from _nodes(child)


def _find(node: _Node, value: Any) -> Iterator[Reference]:
    if node.targets:
        yield from _named(node, value)
    if not isinstance(value, dict | list):
        return
    for part, child in node.below.items():
        if part == _EACH:
            for element in value.values() if isinstance(value, dict) else value:
                yield from _find(child, element)
        elif isinstance(value, dict) and value.get(part) is not None:
            yield from _find(child, value[part])


def _named(node: _Node, value: Any) -> Iterator[Reference]:
    name = reference(value)
    if not name:
        return
    whole = isinstance(value, dict)
    if whole and value.get("deleted"):
        return
    for target in node.targets:
        if whole and "object" in value:
            fits = value["object"] == target.object
        else:
            fits = not node.ambiguous or _has_prefix(target, name)
        if fits:
            created = target.created(value) if whole else None
            yield Reference(target.id, name, node.field, created)
            return


def _has_prefix(collection: Collection, name: str) -> bool:
    # No other kind of object is possible where a text is named like one whose ids are chosen.
    return not collection.id_prefixes or name.startswith(collection.id_prefixes)
