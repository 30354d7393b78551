from __future__ import annotations

import ast
from pathlib import Path

import pytest

from stripe_sandbox import sdk, versions
from stripe_sandbox.errors import ApiError
from stripe_sandbox.legacy import LEGACY
from stripe_sandbox.places import PLACES
from stripe_sandbox.resources import RESOURCES, TOP_LEVEL
from stripe_sandbox.routes import Router
from stripe_sandbox.rows import LAST_LEGACY, PIN, Place
from stripe_sandbox.server import listen

PACKAGE = Path(versions.__file__).parent


def test_the_table_has_every_collection_with_a_list_of_its_own() -> None:
    assert len(TOP_LEVEL) == 33
    assert len({row.path for row in TOP_LEVEL}) == 33


@pytest.mark.parametrize("row", [pytest.param(r, id=r.object) for r in RESOURCES.values()])
def test_rows_name_fields_that_the_sdk_knows(row: object) -> None:
    fields = sdk.object_fields(row.object)
    if not fields:
        assert row.until or row.object.startswith("usage_record")
        return
    if row in TOP_LEVEL:
        assert row.timestamp in fields
    for name in (*row.includable, *row.includes):
        assert name.partition(".")[0] in fields
    if row.listed is not None:
        assert row.listed.field in fields
    for include in row.includes.values():
        for kind in include.objects:
            assert include.foreign_key in sdk.object_fields(kind)


@pytest.mark.parametrize("place", [pytest.param(p, id=p.path) for p in PLACES])
def test_lists_under_a_parent_name_kinds_and_fields_that_exist(place: Place) -> None:
    assert place.parent in RESOURCES
    for kind in place.objects:
        known = sdk.object_fields(kind) or LEGACY[kind]
        assert not place.owner or place.owner in known
    if place.field:
        parent = {*sdk.object_fields(place.parent), *RESOURCES[place.parent].private}
        assert place.field in parent
    assert bool(place.owner) or bool(place.field)


def test_every_route_leads_to_its_resource() -> None:
    router = Router()
    for row in TOP_LEVEL:
        assert router.match("GET", row.path, LAST_LEGACY).route.resource is row
        if "r" in row.ops:
            found = router.match("GET", f"{row.path}/x%2Fy", LAST_LEGACY)
            assert (found.label, found.ids) == (f"GET {row.retrieve_path}", ("x%2Fy",))


def test_versions_are_dates_with_a_name_since_acacia() -> None:
    for good in ("2011-01-01", "2020-08-27", "2024-06-20", "2024-09-30.acacia", PIN):
        assert versions.check(good) == good
    for bad in ("", "2024-06-20.acacia", "2024-09-30", "2027-01-01.fir", "2024-6-20", "latest"):
        with pytest.raises(ApiError):
            versions.check(bad)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_only_loopback_addresses_are_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        listen(0, host)


def test_the_sandbox_knows_nothing_of_the_product() -> None:
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [name for name in names if name.split(".")[0] in ("stripe_sync", "airflow")]
