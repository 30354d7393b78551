"""The catalogue agrees with the installed SDK: it has every path, parameter and object."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import stripe
from stripe._api_version import _ApiVersion
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe.params._webhook_endpoint_create_params import WebhookEndpointCreateParams

from stripe_sync.catalog import (
    PINNED_API_VERSION,
    Availability,
    Collection,
    ListCall,
    load_catalog,
)

CATALOG = load_catalog()
ROWS = [*CATALOG.values(), *CATALOG.parent_only.values()]
CURRENT = [collection for collection in ROWS if collection.availability is Availability.CURRENT]
LISTS = [
    (collection, call)
    for collection in CURRENT
    for call in collection.lists + collection.fallback_lists
]
LISTED = [collection for collection in CATALOG.top_level() if collection in CURRENT]
PAGING = {"limit", "starting_after", "ending_before"}


def test_pins_the_version_of_the_sdk() -> None:
    assert PINNED_API_VERSION == _ApiVersion.CURRENT


@pytest.mark.parametrize(
    ("collection", "call"), LISTS, ids=lambda value: getattr(value, "path", "")
)
def test_lists_exist_with_these_filters(collection: Collection, call: ListCall) -> None:
    accepted = _list_params("GET", call.path)
    assert set(call.filters) == accepted - PAGING - {"expand"}
    assert call.paged is ("starting_after" in accepted)
    assert "expand" in accepted or not collection.expand


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_retrieve_and_preview_paths_exist(collection: Collection) -> None:
    for path in (collection.retrieve, *collection.retrieve_alternatives):
        if path and collection.name != "discount":  # a singleton that the SDK can only delete
            assert ("GET", _shape(path)) in _requests()
    if collection.preview:
        assert set(collection.preview.params) <= _list_params("POST", collection.preview.path)


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_mutations_exist(collection: Collection) -> None:
    for call in collection.mutations.all:
        verb, path = call.split()
        assert (verb, _shape(path)) in _requests()


@pytest.mark.parametrize("collection", LISTED, ids=lambda collection: collection.name)
def test_every_plain_write_of_the_sdk_is_a_mutation(collection: Collection) -> None:
    base = collection.lists[0].path
    calls = {tuple(call.split()) for call in collection.mutations.all}
    known = {(verb, _shape(path)) for verb, path in calls}
    plain = {("POST", base), ("POST", f"{base}/{{}}"), ("DELETE", f"{base}/{{}}")}
    plain -= {("POST", "/v1/files")}  # contents are not sent
    assert plain & set(_requests()) <= known


@pytest.mark.parametrize("collection", ROWS, ids=lambda collection: collection.name)
def test_stripe_events_exist_unless_legacy(collection: Collection) -> None:
    known = _literals("enabled_events")
    assert {name for name in collection.events.all if name not in known} == set(
        collection.events.legacy
    )


def test_every_stripe_event_named_after_a_collection_has_a_role() -> None:
    roles = {name for collection in CATALOG.values() for name in collection.events.all}
    for collection in CATALOG.values():
        # issuing.card has issuing_card.created, dispute has charge.dispute.created.
        name = re.sub("[._]", "[._]", collection.object)
        pattern = re.compile(rf"((customer|charge)\.)?{name}\.[a-z_]+")
        known = {name for name in _literals("enabled_events") if pattern.fullmatch(name)}
        assert known <= roles, collection.id


@pytest.mark.parametrize("collection", ROWS, ids=lambda collection: collection.name)
def test_api_versions_exist(collection: Collection) -> None:
    known = _literals("api_version")
    assert collection.api_version is None or collection.api_version in known


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_payload_fields_exist(collection: Collection) -> None:
    fields = _fields(collection.object)
    named = {
        path.split(".")[0]
        for path in collection.key + collection.expand + collection.sensitive + collection.volatile
    }
    # The parent is part of a key even where its children have no field for it.
    parents = {name for call in collection.lists for name in call.placeholders}
    assert named <= fields.keys() | parents
    assert collection.created_field == (
        "created" if "created" in fields else collection.created_field
    )
    assert collection.created_field is None or "int" in fields[collection.created_field]


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_expands_only_what_is_otherwise_left_out(collection: Collection) -> None:
    for field in collection.expand:
        annotation = _fields(collection.object)[field]
        assert annotation.startswith("Optional[")
        assert "ExpandableField" not in annotation, "an id would become an object"
        assert "ListObject" not in annotation, "the list might be cut"


@pytest.mark.parametrize(
    ("collection", "call"), LISTS, ids=lambda value: getattr(value, "path", "")
)
def test_embedded_lists_are_lists_of_the_parent(collection: Collection, call: ListCall) -> None:
    if call.embedded:
        assert call.parent is not None
        parent = CATALOG.parent(call.parent)
        assert "ListObject" in _fields(parent.object)[call.embedded], collection.id


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_sources_are_fields_of_their_collections(collection: Collection) -> None:
    for source in collection.sources:
        owner = CATALOG.parent(source.collection)
        assert source.field.split(".")[0] in _fields(owner.object)
        if source.params:
            assert set(source.params) <= set(owner.lists[0].filters)


@pytest.mark.parametrize("collection", CURRENT, ids=lambda collection: collection.name)
def test_secrets_at_the_top_of_an_object_are_redacted(collection: Collection) -> None:
    secrets = {name for name in _fields(collection.object) if name in {"client_secret", "cvc"}}
    assert collection.parent_only or secrets <= set(collection.sensitive)


def _shape(path: str) -> str:
    """A path with its placeholders' names left out: the SDK names them as it likes."""
    return re.sub(r"\{\w+\}", "{}", path)


@cache
def _requests() -> dict[tuple[str, str], tuple[Path, str | None]]:
    """Requests the SDK's services can make: service file and name of the parameters' type."""
    root = Path(stripe.__file__).parent
    requests = {}
    for file in sorted(root.rglob("_*_service.py")):
        for method in ast.walk(ast.parse(file.read_text())):
            if isinstance(method, ast.FunctionDef):
                for verb, path in _calls(method):
                    requests[verb, _shape(path)] = (file, _params_type(method))
    return requests


def _calls(method: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._request":
            verb, path = node.args[0], node.args[1]
            if isinstance(path, ast.Call) and isinstance(path.func, ast.Attribute):
                path = path.func.value  # "…{customer}".format(customer=…)
            assert isinstance(verb, ast.Constant)
            assert isinstance(path, ast.Constant)
            yield str(verb.value).upper(), str(path.value)


def _params_type(method: ast.FunctionDef) -> str | None:
    for argument in method.args.args:
        if argument.arg == "params" and argument.annotation:
            match = re.search(r"\w+Params", ast.unparse(argument.annotation))
            return match[0] if match else None
    return None


def _list_params(verb: str, path: str) -> set[str]:
    """Names of the parameters that the SDK types for a request."""
    file, name = _requests()[verb, _shape(path)]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            params = getattr(import_module(str(node.module)), str(name))
            return set(params.__annotations__) - set(RequestOptions.__annotations__)
    raise AssertionError(f"{file.name} does not import {name}")


@cache
def _fields(object_name: str) -> dict[str, str]:
    """The fields of an object and their annotations, as the SDK's source has them."""
    module_name, class_name = OBJECT_CLASSES[object_name]
    source = Path(str(import_module(module_name).__file__)).read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return {
                ast.unparse(member.target): ast.unparse(member.annotation)
                for member in node.body
                if isinstance(member, ast.AnnAssign)
            }
    raise AssertionError(f"{module_name} does not define {class_name}")


@cache
def _literals(parameter: str) -> set[str]:
    """The values that the SDK types for a parameter of webhook endpoints."""
    source = inspect.getsource(import_module(WebhookEndpointCreateParams.__module__))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == parameter:
            values = [n.value for n in ast.walk(node.annotation) if isinstance(n, ast.Constant)]
            return {value for text in values for value in re.findall(r"[\w.*-]+", str(text))}
    raise AssertionError(f"there is no parameter {parameter}")
