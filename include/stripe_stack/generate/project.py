"""The generated files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stripe_stack.generate.annotations import object_fields
from stripe_stack.generate.columns import view_columns
from stripe_stack.generate.fields import render_fields
from stripe_stack.generate.glossary import Glossary, read_glossary
from stripe_stack.generate.models import render_model, render_sources
from stripe_stack.generate.properties import render_properties
from stripe_stack.generate.references import read_references, render_references
from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import Fields, read_fields
from stripe_sync.catalog.model import Collection
from stripe_sync.errors import CatalogError

_LEGACY_FIELDS = Path(__file__).with_name("legacy_fields.json")
_MOVED_FIELDS = Path(__file__).with_name("moved_fields.json")


@dataclass(frozen=True, slots=True)
class Places:
    """Paths that the generator reads and writes.

    Attributes:
        fields: The file with the fields of all collections.
        glossary: The file with the texts of descriptions.
        models: The folder of the generated models, with no other files.
    """

    fields: Path
    glossary: Path
    models: Path

    @property
    def references(self) -> Path:
        """The file with the paths that name other objects, beside the one with the fields."""
        return self.fields.with_name("references.json")

    @classmethod
    def of_checkout(cls) -> Places:
        """The paths in the checkout that this package is run from."""
        root = Path(__file__).resolve().parents[3]
        catalog = root / "include" / "stripe_sync" / "catalog"
        return cls(
            fields=catalog / "fields.json",
            glossary=catalog / "glossary.toml",
            models=root / "dbt" / "models" / "collections",
        )


def read_sdk_fields(collections: Iterable[Collection]) -> Fields:
    """The fields of collections: from the installed SDK, or written by hand for retired ones.

    Fields that Stripe moved elsewhere or dropped in a later API version come last.

    Raises:
        CatalogError: A collection has no fields in either, or a moved field is one of the SDK's.
    """
    legacy = read_fields(_LEGACY_FIELDS)
    moved = read_fields(_MOVED_FIELDS)
    fields: Fields = {}
    for collection in collections:
        found = object_fields(collection.object) or legacy.get(collection.id)
        if found is None:
            msg = (
                f"{collection.id}: the SDK has no object {collection.object!r}; "
                f"list its fields in {_LEGACY_FIELDS.name}"
            )
            raise CatalogError(msg)
        added = moved.get(collection.object, {})
        if doubles := found.keys() & added.keys():
            msg = f"{collection.id}: the SDK has the moved fields {sorted(doubles)} again"
            raise CatalogError(msg)
        fields[collection.id] = {**found, **added}
    return fields


def render(collections: Iterable[Collection], fields: Fields, places: Places) -> dict[Path, str]:
    """The texts of all generated files."""
    glossary = read_glossary(places.glossary)
    collections = list(collections)
    views = {c.object: c.view for c in collections if c.name == c.object}
    every = [*load_catalog().values(), *load_catalog().parent_only.values()]
    texts = {
        places.fields: render_fields(fields),
        places.references: render_references(read_references(every)),
        places.models / "typed_tables.yml": render_sources(collections),
    }
    for collection in collections:
        texts |= _render_view(collection, fields, glossary, views, places.models)
    return texts


def stale(texts: dict[Path, str], places: Places) -> list[Path]:
    """Files that differ, are missing, or should not exist."""
    wrong = [
        path
        for path, text in texts.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    left_over = [path for path in places.models.glob("*") if path not in texts]
    return sorted(wrong + left_over)


def write(texts: dict[Path, str], places: Places) -> list[Path]:
    """Bring the generated files up to date; returns what was written or removed."""
    changed = stale(texts, places)
    for path in changed:
        if path in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _render_view(
    collection: Collection,
    fields: Fields,
    glossary: Glossary,
    views: dict[str, str],
    folder: Path,
) -> dict[Path, str]:
    members = fields[collection.id]
    columns = view_columns(collection, members, glossary, views)
    return {
        folder / f"{collection.view}.sql": render_model(collection, columns, members),
        folder / f"{collection.view}.yml": render_properties(collection, columns, members, views),
    }
