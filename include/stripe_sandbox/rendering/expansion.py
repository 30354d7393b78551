"""``expand[]``: replaces ids by objects, and adds fields that are absent by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stripe_sandbox.errors import ApiError, invalid_parameter
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import ExpandableList, Resource
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import (
    EMBEDDED_LIMIT,
    HIDDEN_BY_FILTER,
    Doc,
    truncate_list,
)

MAX_DEPTH = 4

ExpansionTree = dict[str, Any]


def parse(paths: Iterable[str], *kinds: str, in_list: bool) -> ExpansionTree:
    """Check expansion paths and convert them to a tree.

    Args:
        paths: As given, such as ``data.customer``.
        kinds: Kinds of object in the response.
        in_list: The response is a list, so that paths start with ``data.``.

    Raises:
        ApiError: 400, a path is too deep or cannot be expanded.
    """
    tree: ExpansionTree = {}
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH:
            message = f"You cannot expand more than {MAX_DEPTH} levels of a property: {path}"
            raise invalid_parameter(message, "expand")
        if in_list:
            if parts[0] != "data" or len(parts) == 1:
                raise _not_expandable(path)
            parts = parts[1:]
        if not any(_expandable(kind, sdk_schema.object_fields(kind), parts) for kind in kinds):
            raise _not_expandable(path)
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
    return tree


def apply(doc: Doc, tree: ExpansionTree, store: AccountStore, version: str) -> Doc:
    """Expand an object in place, and return it.

    Args:
        doc: The default view of an object.
        tree: The fields to expand.
        store: Has the expanded objects.
        version: Decides which retired kinds can be expanded.
    """
    name = str(doc.get("object", ""))
    _apply(doc, sdk_schema.object_fields(name), tree, store)
    for field, kinds in RESOURCES[name].retired_targets.items() if name in RESOURCES else ():
        if field in tree and isinstance(doc.get(field), str):
            known = [kind for kind in kinds if version[:10] <= RESOURCES[kind].last_version[:10]]
            doc[field] = store.find(known, doc[field]) or doc[field]
    return doc


def _not_expandable(path: str) -> ApiError:
    return invalid_parameter(f"This property cannot be expanded ({path}).", "expand")


def _expandable(object_name: str, schemas: Mapping[str, Schema], parts: list[str]) -> bool:
    name, rest = parts[0], parts[1:]
    resource = RESOURCES.get(object_name)
    if resource is not None and name in resource.expandable_lists:
        targets = resource.expandable_lists[name].objects
        if rest[:1] == ["data"]:
            rest = rest[1:]
        return not rest or any(_expandable(t, sdk_schema.object_fields(t), rest) for t in targets)
    schema = schemas.get(name)
    if schema is None or (resource is not None and name in resource.internal_fields):
        return False
    if resource is not None and ".".join(parts) in resource.expandable_fields:
        return True
    return _expandable_below(schema, rest)


def _expandable_below(schema: Schema, rest: list[str]) -> bool:
    while schema.kind in ("list", "page") and schema.item is not None:
        if schema.kind == "page" and rest[:1] == ["data"]:
            rest = rest[1:]
        schema = schema.item
    if not rest:
        return schema.kind == "ref"
    if schema.kind == "ref":
        return any(_expandable(t, sdk_schema.object_fields(t), rest) for t in schema.targets)
    if schema.fields_of is None:
        return False
    name = schema.targets[0] if schema.targets else ""
    return _expandable(name, sdk_schema.fields(schema.fields_of), rest)


def _apply(
    doc: Doc, schemas: Mapping[str, Schema], tree: ExpansionTree, store: AccountStore
) -> None:
    resource = RESOURCES.get(str(doc.get("object", "")))
    for name, below in tree.items():
        if resource is not None and (
            name in resource.expandable_lists or name in resource.expandable_fields
        ):
            stored = store[resource.object].by_id.get(str(doc.get("id")))
            whole = stored.doc() if stored is not None else doc
            # What a test has put in, with the field or without it, stays as it was.
            if name in whole:
                doc[name] = (
                    truncate_list(whole[name]) if isinstance(whole[name], dict) else whole[name]
                )
            elif name in resource.expandable_lists:
                doc[name] = _expanded_list(doc, resource.expandable_lists[name], store)
        elif resource is not None:
            _add_inner_fields(doc, resource, name, below, store)
        if doc.get(name) is not None:
            doc[name] = _value(doc[name], schemas.get(name), below, store)


def _add_inner_fields(
    doc: Doc, resource: Resource, name: str, below: ExpansionTree, store: AccountStore
) -> None:
    """Add the expanded fields inside another field."""
    asked = [inner for inner in below if f"{name}.{inner}" in resource.expandable_fields]
    stored = store[resource.object].by_id.get(str(doc.get("id"))) if asked else None
    whole = stored.doc().get(name) if stored is not None else None
    if isinstance(whole, dict) and isinstance(doc.get(name), dict):
        doc[name].update({inner: whole[inner] for inner in asked if inner in whole})


def _value(value: Any, schema: Schema | None, tree: ExpansionTree, store: AccountStore) -> Any:
    if isinstance(value, list):
        item = schema.item if schema is not None else None
        return [_value(v, item, tree, store) for v in value]
    if isinstance(value, str) and schema is not None and schema.kind == "ref":
        value = store.find(schema.targets, value) or value
    if not isinstance(value, dict):
        return value
    if value.get("object") == "list":
        item = schema.item if schema is not None else None
        below = tree.get("data", tree)
        value["data"] = [_value(v, item, below, store) for v in value["data"]]
    elif tree:
        _apply(value, _fields(value, schema), tree, store)
    return value


def _fields(value: Doc, schema: Schema | None) -> Mapping[str, Schema]:
    by_name = sdk_schema.object_fields(str(value.get("object", "")))
    if by_name or schema is None or schema.fields_of is None:
        return by_name
    return sdk_schema.fields(schema.fields_of)


def _expanded_list(doc: Doc, spec: ExpandableList, store: AccountStore) -> Doc:
    objects = store.children_of(spec.objects, spec.foreign_key, str(doc["id"]))
    mask = HIDDEN_BY_FILTER if "subscription" in spec.objects else 0
    listed = [stored for stored in reversed(objects) if not stored.hidden & mask]
    return {
        "object": "list",
        "data": [stored.default_view() for stored in listed[:EMBEDDED_LIMIT]],
        "has_more": len(listed) > EMBEDDED_LIMIT,
        "url": spec.url.replace("{id}", str(doc["id"])),
    }
