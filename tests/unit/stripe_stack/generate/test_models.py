"""Columns, models and properties made of fields."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from stripe._object_classes import OBJECT_CLASSES

from stripe_stack.generate.glossary import Glossary, read_glossary
from stripe_stack.generate.project import Places, read_sdk_fields, render, stale, write
from stripe_stack.generate.views.columns import STREAM_COLUMNS, view_columns
from stripe_stack.generate.views.models import render_model
from stripe_stack.generate.views.properties import FOLLOWED, render_properties
from stripe_sync.catalog import Collection, Retrieval, load_catalog
from stripe_sync.catalog.fields import Field, FieldKind, Fields
from stripe_sync.errors import CatalogError

COLLECTIONS = list(load_catalog().values())
PLACES = Places.of_checkout()
VIEWS = {"customer": "customers"}

THING = Collection(
    id="stripe:thing",
    title="Thing",
    object="thing",
    view="things",
    retrieval=Retrieval.TOP_LEVEL_LIST,
    sensitive=("secret",),
)


@pytest.fixture(scope="module")
def glossary() -> Glossary:
    return read_glossary(PLACES.glossary)


@pytest.fixture(scope="module")
def sdk_fields() -> Fields:
    return read_sdk_fields(COLLECTIONS)


def thing_fields(**kinds: FieldKind) -> dict[str, Field]:
    return {name: Field(kind=kind) for name, kind in kinds.items()}


def test_columns_keep_the_order_of_the_fields_and_end_with_the_stream(glossary: Glossary) -> None:
    fields = thing_fields(id=FieldKind.TEXT, created=FieldKind.TIMESTAMP, zip=FieldKind.JSON)
    names = [column.name for column in view_columns(THING, fields, glossary, VIEWS)]
    assert names[:4] == ["id", "created", "created_ts", "zip"]
    assert names[4:] == [column.name for column in STREAM_COLUMNS]


def test_the_last_column_of_a_child_has_the_id_of_its_parent(glossary: Glossary) -> None:
    lists = [
        {"path": "/v1/things"},
        {"path": "/v1/owners/{owner}/things", "parent": "stripe:owner"},
    ]
    below = Collection.model_validate({**THING.model_dump(), "lists": lists})
    columns = view_columns(below, thing_fields(id=FieldKind.TEXT), glossary, VIEWS)
    assert [column.name for column in columns[-2:]] == [STREAM_COLUMNS[-1].name, "_parent_id"]
    assert "`stripe:owner`" in columns[-1].description
    assert "the account itself" in columns[-1].description


def test_two_columns_of_one_name_are_refused(glossary: Glossary) -> None:
    fields = thing_fields(created=FieldKind.TIMESTAMP, created_ts=FieldKind.TEXT)
    with pytest.raises(CatalogError, match="created_ts"):
        view_columns(THING, fields, glossary, VIEWS)


def test_descriptions_contain_units_targets_and_redaction(glossary: Glossary) -> None:
    fields = thing_fields(
        amount=FieldKind.INTEGER,
        currency=FieldKind.TEXT,
        created=FieldKind.TIMESTAMP,
        secret=FieldKind.TEXT,
    ) | {"customer": Field(kind=FieldKind.REFERENCE, to=("customer",))}
    columns = {column.name: column for column in view_columns(THING, fields, glossary, VIEWS)}
    assert columns["amount"].description.endswith("In the minor unit of `currency`.")
    assert "Unix seconds" in columns["created"].description
    assert "`{{ target.schema }}.customers`" in columns["customer"].description
    assert "Redacted" in columns["secret"].description


def test_a_new_field_gets_a_generic_description(glossary: Glossary) -> None:
    fields = thing_fields(melted_at=FieldKind.TIMESTAMP, flux=FieldKind.JSON, hot=FieldKind.BOOLEAN)
    for column in view_columns(THING, fields, glossary, VIEWS):
        assert column.description
        assert "{" not in column.description


def test_reserved_words_are_quoted(glossary: Glossary) -> None:
    fields = thing_fields(end=FieldKind.TIMESTAMP)
    columns = view_columns(THING, fields, glossary, VIEWS)
    model = render_model(THING, columns, fields)
    assert 'typed."end" as "end",\n' in model
    assert "typed.end_ts as end_ts,\n" in model
    assert model.endswith("from {{ source('typed_tables', 'things') }} as typed\n")
    properties = render_properties(THING, columns, fields, VIEWS)
    assert "      - name: end\n        quote: true\n" in properties


def test_a_key_inside_a_structure_is_not_tested_as_a_column(glossary: Glossary) -> None:
    deep = THING.model_copy(update={"key": ("owner.id",)})
    fields = thing_fields(id=FieldKind.TEXT)
    columns = view_columns(deep, fields, glossary, VIEWS)
    assert "unique_in_sync" not in render_properties(deep, columns, fields, VIEWS)
    assert "unique_in_sync" in render_properties(THING, columns, fields, VIEWS)


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.name)
def test_no_description_repeats_the_sdk(
    collection: Collection, glossary: Glossary, sdk_fields: Fields
) -> None:
    said = sdk_sentences(collection.object)
    columns = view_columns(collection, sdk_fields[collection.id], glossary, VIEWS)
    sentences = {part.strip(" .") for column in columns for part in column.description.split(". ")}
    repeated = [s for s in sentences if len(s.split()) > 5 and s.lower() in said]
    assert repeated == []


def test_the_glossary_describes_only_existing_fields(
    glossary: Glossary, sdk_fields: Fields
) -> None:
    known: dict[str, set[str]] = {}
    for collection in COLLECTIONS:
        for name in {collection.name, collection.object}:
            known.setdefault(name, set()).update(sdk_fields[collection.id])
    for name, entries in glossary.collections.items():
        assert set(entries) <= known[name], name


def test_followed_references_lead_to_one_view(sdk_fields: Fields) -> None:
    names = {collection.name for collection in COLLECTIONS}
    for collection, references in FOLLOWED.items():
        for reference in references:
            field = sdk_fields[f"stripe:{collection}"][reference]
            assert field.kind is FieldKind.REFERENCE
            assert len(field.to) == 1
            assert field.to[0] in names


def test_stale_files_are_found_and_brought_up_to_date(tmp_path: Path, sdk_fields: Fields) -> None:
    models, history = tmp_path / "models", tmp_path / "history"
    sources = tmp_path / "package" / "stripe.yml"
    places = Places(
        tmp_path / "fields.json", PLACES.glossary, models, history, PLACES.streams, sources
    )
    texts = render(COLLECTIONS, sdk_fields, places)
    assert set(write(texts, places)) == set(texts)
    assert stale(texts, places) == []

    edited, missing, left_over = (places.models / f"{n}.sql" for n in ("charges", "plans", "old"))
    edited.write_text("select 1")
    missing.unlink()
    left_over.write_text("select 2")
    assert stale(texts, places) == sorted([edited, missing, left_over])
    write(texts, places)
    assert stale(texts, places) == []
    assert not left_over.exists()


def test_a_collection_without_known_fields_is_refused() -> None:
    with pytest.raises(CatalogError, match="stripe:thing"):
        read_sdk_fields([THING])


def sdk_sentences(object_name: str) -> str:
    """All that the SDK's module of an object says, in lower case on one line."""
    if object_name not in OBJECT_CLASSES:
        return ""
    module = import_module(OBJECT_CLASSES[object_name][0])
    strings = [
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return " ".join(" ".join(strings).split()).lower()
