"""Which fields and collections a sync leaves out or hashes, from the patterns of its settings.

A pattern is the name of a collection and a path: ``customer.email``, ``customer.address.*``,
``charge.payment_method_details.card.last4``. ``*`` instead of the collection stands for all
objects: ``*.metadata.ssn``. Within a path ``*`` stands for every key; arrays take no step. The name
of a collection alone stands for the whole collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stripe_sync.catalog import STRIPE_EVENTS, Catalog, Collection
from stripe_sync.catalog.calls import placeholders
from stripe_sync.catalog.model import ID_PREFIX
from stripe_sync.errors import ConfigurationError
from stripe_sync.records.redaction import EACH, IDENTITY, FieldAction, FieldRules, Step

SECRET_CHARACTERS = 16
"""Shortest secret: hashes of e-mail addresses with a guessable one can be reversed."""

_EVENT_FIELDS = ("api_version", "data.object", "type")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern.

    Attributes:
        collection: The collection; None for all.
        path: Steps of the path; none for the whole collection.
    """

    collection: Collection | None
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        """The pattern as settings have it."""
        return ".".join([self.collection.name if self.collection else EACH, *self.path])


def parse_pattern(catalog: Catalog, text: str) -> Pattern:
    """Parse a pattern.

    Raises:
        ConfigurationError: It names no collection, or a field that reading needs.
    """
    short = text.strip().removeprefix(ID_PREFIX).removeprefix(ID_PREFIX.replace(":", "."))
    parts = tuple(short.split("."))
    if "" in parts:
        message = f"{text!r} is no path such as customer.email"
        raise ConfigurationError(message)
    if parts[0] == EACH:
        if len(parts) == 1:
            message = f"{text!r} would leave out everything: name a collection or a field"
            raise ConfigurationError(message)
        collection, path = None, parts[1:]
        affected: Iterable[Collection] = (*catalog.values(), *catalog.parent_only.values())
    else:
        collection, path = _split(catalog, parts)
        affected = (collection,)
    for each in affected:
        _check(text, each, path)
    return Pattern(collection, path)


def make_rules(
    catalog: Catalog, exclude: Sequence[str], hash_fields: Sequence[str], secret: str | None
) -> FieldRules | None:
    """The rules of a sync; None where nothing is left out or hashed.

    Args:
        catalog: The collections.
        exclude: Patterns of what is left out.
        hash_fields: Patterns of what is hashed.
        secret: Key of the hashes.

    Raises:
        ConfigurationError: A pattern is invalid, or the secret is missing or too short.
    """
    if not exclude and not hash_fields:
        return None
    if hash_fields and len(secret or "") < SECRET_CHARACTERS:
        message = (
            f"hash_fields needs a secret of at least {SECRET_CHARACTERS} characters: put one into"
            " the extra hash_secret of the Stripe connection, and never change it"
        )
        raise ConfigurationError(message, param="hash_secret")
    paths: dict[str, Step] = {}
    every: Step | None = None
    given = ((exclude, FieldAction.EXCLUDE), (hash_fields, FieldAction.HASH))
    for text, action in ((text, action) for texts, action in given for text in texts):
        pattern = parse_pattern(catalog, text)
        step = Step.of(pattern.path or (EACH,), action)
        if pattern.collection is None:
            every = step.merged(every)
        else:
            name = _name(catalog, pattern.collection)
            paths[name] = step.merged(paths.get(name))
    collections = (*catalog.values(), *catalog.parent_only.values())
    kept: dict[str, frozenset[str]] = {}
    for each in collections:
        kept[each.object] = kept.get(each.object, IDENTITY) | {path[0] for path in _needed(each)}
    return FieldRules(paths, every, kept, (secret or "").encode())


def _name(catalog: Catalog, collection: Collection) -> str:
    """The kind of its objects; the id of the collection where objects of another one have it."""
    routed = catalog.route(collection.object) or (collection,)
    return collection.object if collection in routed else collection.id


def _split(catalog: Catalog, parts: tuple[str, ...]) -> tuple[Collection, tuple[str, ...]]:
    """The collection that a pattern begins with, and the rest; names of collections have dots."""
    known = {each.name: each for each in (*catalog.values(), *catalog.parent_only.values())}
    for length in range(len(parts), 0, -1):
        if found := known.get(".".join(parts[:length])):
            return found, parts[length:]
    return catalog.resolve(parts[0]), parts[1:]  # raises with the closest names


def _needed(collection: Collection) -> set[tuple[str, ...]]:
    """Paths of the fields without which objects of a collection cannot be read and stored."""
    calls = (name for call in collection.lists for name in call.placeholders)
    retrieved = (path for path in (collection.retrieve, *collection.retrieve_alternatives) if path)
    own = (*IDENTITY, *collection.key, *collection.fallback_key, collection.created_field or "id")
    more = _EVENT_FIELDS if collection.id == STRIPE_EVENTS else ()
    return {tuple(path.split(".")) for path in (*own, *calls, *placeholders(*retrieved), *more)}


def _check(text: str, collection: Collection, path: tuple[str, ...]) -> None:
    """Refuse a path that leads to a field that reading needs.

    ``*`` at the end of the first step is no such path: it means all other fields.

    Raises:
        ConfigurationError: It does.
    """
    if path in {(), (EACH,)}:
        return
    for needed in sorted(_needed(collection)):
        pairs = zip(path, needed, strict=False)
        if len(path) <= len(needed) and all(part in {EACH, other} for part, other in pairs):
            message = (
                f"{text!r} would leave out {'.'.join(needed)} of {collection.name}, which is needed"
                " to read or to identify its objects"
            )
            raise ConfigurationError(message)
