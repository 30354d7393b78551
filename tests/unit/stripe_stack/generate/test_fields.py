"""The stored fields, and what changes between two versions of the SDK."""

from __future__ import annotations

from pathlib import Path

from stripe_stack.generate.fields import differences, render_fields
from stripe_stack.generate.project import Places
from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import Field, FieldKind, read_fields

TEXT = Field(kind=FieldKind.TEXT)
TO_CUSTOMER = Field(kind=FieldKind.REFERENCE, to=("customer",))


def test_fields_survive_being_stored(tmp_path: Path) -> None:
    fields = {"stripe:thing": {"id": TEXT, "customer": TO_CUSTOMER}, "stripe:other": {"id": TEXT}}
    path = tmp_path / "fields.json"
    path.write_text(render_fields(fields))
    assert read_fields(path) == fields


def test_nothing_is_stored_before_the_first_run(tmp_path: Path) -> None:
    assert read_fields(tmp_path / "fields.json") == {}


def test_differences_list_added_removed_and_changed_fields() -> None:
    old = {"stripe:thing": {"id": TEXT, "gone": TEXT, "customer": TEXT}, "stripe:old": {"id": TEXT}}
    new = {"stripe:thing": {"id": TEXT, "fresh": TEXT, "customer": TO_CUSTOMER}}
    assert differences(old, new) == [
        "added stripe:thing.fresh (text)",
        "changed stripe:thing.customer (text to reference customer)",
        "removed stripe:thing.gone (text)",
        "removed stripe:old.id (text)",
    ]
    assert differences(new, new) == []


def test_every_collection_has_its_fields_stored() -> None:
    stored = read_fields(Places.of_checkout().fields)
    assert list(stored) == list(load_catalog())
    assert all("object" in fields for fields in stored.values())
