"""The generated files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from stripe_stack.generate.annotations import object_fields
from stripe_stack.generate.fields import render_fields
from stripe_stack.generate.glossary import read_glossary
from stripe_stack.generate.references import read_references, render_references
from stripe_stack.generate.views.column import Column
from stripe_stack.generate.views.columns import view_columns
from stripe_stack.generate.views.history import (
    history_columns,
    history_view,
    render_history,
    render_history_properties,
)
from stripe_stack.generate.views.models import render_model, render_sources
from stripe_stack.generate.views.properties import render_properties
from stripe_stack.generate.views.source_package import render_source_package
from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import Field, Fields, read_fields
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
        history: The same for the views with all versions.
        streams: The properties of the other views, which are written by hand.
        sources: The file with the sources of the dbt package for other projects.
    """

    fields: Path
    glossary: Path
    models: Path
    history: Path
    streams: Path
    sources: Path

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
            history=root / "dbt" / "models" / "history",
            streams=root / "dbt" / "models" / "streams" / "streams.yml",
            sources=root / "dbt" / "packages" / "stripe_sources" / "models" / "stripe.yml",
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
    every_view = [
        (each, view_columns(each, fields[each.id], glossary, views)) for each in collections
    ]
    for collection, columns in every_view:
        texts |= _render_views(collection, columns, fields[collection.id], views, places)
    streams = yaml.safe_load(places.streams.read_text(encoding="utf-8"))
    texts[places.sources] = render_source_package(every_view, streams)
    return texts


def stale(texts: dict[Path, str], places: Places) -> list[Path]:
    """Files that differ, are missing, or should not exist."""
    wrong = [
        path
        for path, text in texts.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    found = [*places.models.glob("*"), *places.history.glob("*")]
    left_over = [path for path in found if path not in texts]
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


def _render_views(
    collection: Collection,
    columns: Sequence[Column],
    fields: Mapping[str, Field],
    views: dict[str, str],
    places: Places,
) -> dict[Path, str]:
    """The models of a collection: its records, and all their versions."""
    versions = history_columns(collection, columns, fields)
    records, history = collection.view, history_view(collection)
    return {
        places.models / f"{records}.sql": render_model(collection, columns, fields),
        places.models / f"{records}.yml": render_properties(collection, columns, fields, views),
        places.history / f"{history}.sql": render_history(collection, versions, fields),
        places.history / f"{history}.yml": render_history_properties(collection, versions),
    }
