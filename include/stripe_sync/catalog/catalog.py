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
        rows: All rows, hidden ones included.

    Attributes:
        parent_only: Collections that only serve as parents of others and are not synced themselves.

    Raises:
        CatalogError: The rows contradict themselves or each other.
    """

    def __init__(self, rows: Iterable[Collection]) -> None:
        ordered = sorted(rows, key=lambda row: row.title)
        check(ordered)
        self._rows = {row.id: row for row in ordered if not row.parent_only}
        self.parent_only: Mapping[str, Collection] = {
            row.id: row for row in ordered if row.parent_only
        }
        # Previews look like the objects they foretell and must never be taken for them.
        self._by_object = {
            row.object: (row,)
            for row in self._rows.values()
            if row.retrieval is not Retrieval.PREVIEW
        }

    def __getitem__(self, collection_id: str) -> Collection:
        return self._rows[collection_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def resolve(self, name: str) -> Collection:
        """Find a collection by what a user calls it.

        Args:
            name: ``stripe:customer``, ``stripe.customer`` or ``customer``.

        Raises:
            ConfigurationError: There is no such collection; names the closest ones.
        """
        short = name.strip()
        for prefix in (ID_PREFIX, ID_PREFIX.replace(":", ".")):
            short = short.removeprefix(prefix)
        row = self._rows.get(ID_PREFIX + short)
        if row is None:
            raise ConfigurationError(self._unknown(name, short))
        return row

    def parent(self, collection_id: str) -> Collection:
        """The collection that a list, preview or source names, hidden or not.

        Raises:
            KeyError: There is none; never for an id that a row of this catalogue names.
        """
        return self._rows.get(collection_id) or self.parent_only[collection_id]

    def change_signals(self, row: Collection) -> tuple[ChangeSignal, ...]:
        """The ways in which changes of a collection are told."""
        return change_signals(row, self.parent_only)

    def top_level(self) -> tuple[Collection, ...]:
        """The collections that are listed by themselves."""
        rows = self._rows.values()
        return tuple(row for row in rows if row.retrieval is Retrieval.TOP_LEVEL_LIST)

    def route(self, object_name: str) -> tuple[Collection, ...]:
        """The collections that a payload belongs to.

        Args:
            object_name: Its ``object`` field, ``data.object.object`` for a Stripe event.

        Returns:
            Empty for objects that are not synced.
        """
        return self._by_object.get(object_name, ())

    def _unknown(self, name: str, short: str) -> str:
        """Explain that a name is unknown. Titles and views are understood, but not accepted."""
        spellings: dict[str, str] = {}
        for row in self._rows.values():
            spellings |= {row.name: row.name, row.view: row.name, row.title.lower(): row.name}
        close = get_close_matches(short.lower(), spellings, n=6)
        names = list(dict.fromkeys(spellings[match] for match in close))[:3]
        hint = f"did you mean {' or '.join(names)}?" if names else "see the catalogue for all names"
        return f"there is no collection {name!r}: {hint}"


@cache
def load_catalog(include_parents: tuple[str, ...] = ()) -> Catalog:
    """The catalogue that ships with this package, read once.

    Args:
        include_parents: Short names of parent-only collections to sync like all others.

    Raises:
        CatalogError: It contradicts itself; names the row and the cause.
        ConfigurationError: A name is no parent-only collection.
    """
    folder = files("stripe_sync.catalog") / "collections"
    texts = sorted(
        (file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")
    )
    rows = [row for name, text in texts for row in read_rows(name, text)]
    parent_only = {row.name for row in rows if row.parent_only}
    if unknown := sorted(set(include_parents) - parent_only):
        allowed = ", ".join(sorted(parent_only))
        message = f"include_parents may be {allowed}, not {', '.join(unknown)}"
        raise ConfigurationError(message)
    shown = {"parent_only": False}
    return Catalog(
        row.model_copy(update=shown) if row.name in include_parents else row for row in rows
    )


def read_rows(source: str, text: bytes) -> list[Collection]:
    """Read the rows of one file.

    Args:
        source: Name of the file, for errors.
        text: A JSON array of rows.

    Raises:
        CatalogError: The text is no such array; names the row and the cause.
    """
    try:
        items = canonical_json.loads(text)
    except ValueError as error:
        message = f"{source}: {error}"
        raise CatalogError(message) from error
    if not isinstance(items, list):
        message = f"{source}: not an array of rows"
        raise CatalogError(message)
    return [_row(source, index, item) for index, item in enumerate(items)]


def _row(source: str, index: int, item: Any) -> Collection:
    try:
        return Collection.model_validate(item)
    except ValidationError as error:
        name = item.get("id") if isinstance(item, dict) else None
        causes = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
        )
        message = f"{source}: {name or f'row {index}'}: {causes}"
        raise CatalogError(message) from error
