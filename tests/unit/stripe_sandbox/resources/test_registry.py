from __future__ import annotations

import pytest

from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.nested_lists import NESTED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import NestedList
from stripe_sandbox.resources.retired_objects import RETIRED_OBJECTS
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL


def test_the_table_has_every_collection_with_a_list_of_its_own() -> None:
    assert len(TOP_LEVEL) == 33
    assert len({resource.path for resource in TOP_LEVEL}) == 33


@pytest.mark.parametrize("resource", [pytest.param(r, id=r.object) for r in RESOURCES.values()])
def test_resources_name_fields_of_the_sdk(resource: object) -> None:
    fields = sdk_schema.object_fields(resource.object)
    if not fields:
        assert resource.last_version or resource.object.startswith("usage_record")
        return
    if resource in TOP_LEVEL:
        assert resource.created_field in fields
    for name in (*resource.expandable_fields, *resource.expandable_lists):
        assert name.partition(".")[0] in fields
    if resource.default_filter is not None:
        assert resource.default_filter.field in fields
    for include in resource.expandable_lists.values():
        for kind in include.objects:
            assert include.foreign_key in sdk_schema.object_fields(kind)


@pytest.mark.parametrize("nested_list", [pytest.param(p, id=p.path) for p in NESTED_LISTS])
def test_nested_lists_name_kinds_and_fields_that_exist(nested_list: NestedList) -> None:
    assert nested_list.parent in RESOURCES
    for kind in nested_list.objects:
        known = sdk_schema.object_fields(kind) or RETIRED_OBJECTS[kind]
        assert not nested_list.owner or nested_list.owner in known
    if nested_list.field:
        parent = {
            *sdk_schema.object_fields(nested_list.parent),
            *RESOURCES[nested_list.parent].internal_fields,
        }
        assert nested_list.field in parent
    assert bool(nested_list.owner) or bool(nested_list.field)
