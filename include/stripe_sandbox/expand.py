"""``expand[]``: ids become objects, and what is left out by default is put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stripe_sandbox import sdk
from stripe_sandbox.entries import EMBEDDED, HIDDEN_BY_RULE, Doc, cut
from stripe_sandbox.errors import ApiError, bad_request
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.rows import Include, Resource
from stripe_sandbox.sdk import Shape
from stripe_sandbox.store import AccountStore

MAX_DEPTH = 4

Tree = dict[str, Any]


def parse(paths: Iterable[str], *kinds: str, in_list: bool) -> Tree:
    """Check expansion paths and turn them into a tree.

    Args:
        paths: As given, such as ``data.customer``.
        kinds: What the endpoint answers with (what the list is made of).
        in_list: Paths have to start with ``data.``.

    Raises:
        ApiError: 400, a path is too deep or names nothing that can be expanded.
    """
    tree: Tree = {}
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH:
            message = f"You cannot expand more than {MAX_DEPTH} levels of a property: {path}"
            raise bad_request(message, param="expand")
        if in_list:
            if parts[0] != "data" or len(parts) == 1:
                raise _refused(path)
            parts = parts[1:]
        if not any(_expandable(kind, sdk.object_fields(kind), parts) for kind in kinds):
            raise _refused(path)
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
    return tree


def apply(doc: Doc, tree: Tree, store: AccountStore, version: str) -> Doc:
    """Expand an object in place, as shown by default, and return it.

    Args:
        doc: The object.
        tree: What to expand.
        store: Where expanded objects are.
        version: Decides which retired kinds can still be seen.
    """
    name = str(doc.get("object", ""))
    _apply(doc, sdk.object_fields(name), tree, store)
    for field, kinds in RESOURCES[name].older.items() if name in RESOURCES else ():
        if field in tree and isinstance(doc.get(field), str):
            seen = [kind for kind in kinds if version[:10] <= RESOURCES[kind].until[:10]]
            doc[field] = store.find(seen, doc[field]) or doc[field]
    return doc


def _refused(path: str) -> ApiError:
    return bad_request(f"This property cannot be expanded ({path}).", param="expand")


def _expandable(object_name: str, shapes: Mapping[str, Shape], parts: list[str]) -> bool:
    name, rest = parts[0], parts[1:]
    row = RESOURCES.get(object_name)
    if row is not None and name in row.includes:
        targets = row.includes[name].objects
        if rest[:1] == ["data"]:
            rest = rest[1:]
        return not rest or any(_expandable(t, sdk.object_fields(t), rest) for t in targets)
    shape = shapes.get(name)
    if shape is None or (row is not None and name in row.private):
        return False
    if row is not None and ".".join(parts) in row.includable:
        return True
    return _leads_on(shape, rest)


def _leads_on(shape: Shape, rest: list[str]) -> bool:
    while shape.kind in ("list", "page") and shape.item is not None:
        if shape.kind == "page" and rest[:1] == ["data"]:
            rest = rest[1:]
        shape = shape.item
    if not rest:
        return shape.kind == "ref"
    if shape.kind == "ref":
        return any(_expandable(t, sdk.object_fields(t), rest) for t in shape.targets)
    if shape.fields_of is None:
        return False
    name = shape.targets[0] if shape.targets else ""
    return _expandable(name, sdk.fields(shape.fields_of), rest)


def _apply(doc: Doc, shapes: Mapping[str, Shape], tree: Tree, store: AccountStore) -> None:
    row = RESOURCES.get(str(doc.get("object", "")))
    for name, below in tree.items():
        if row is not None and (name in row.includes or name in row.includable):
            entry = store[row.object].by_id.get(str(doc.get("id")))
            whole = entry.doc() if entry is not None else doc
            # An object that was put in with the field, or without it, stays as it was given.
            if name in whole:
                doc[name] = cut(whole[name]) if isinstance(whole[name], dict) else whole[name]
            elif name in row.includes:
                doc[name] = _included_list(doc, row.includes[name], store)
        elif row is not None:
            _put_in(doc, row, name, below, store)
        if doc.get(name) is not None:
            doc[name] = _value(doc[name], shapes.get(name), below, store)


def _put_in(doc: Doc, row: Resource, name: str, below: Tree, store: AccountStore) -> None:
    """Put in what is hidden inside of a field."""
    asked = [inner for inner in below if f"{name}.{inner}" in row.includable]
    entry = store[row.object].by_id.get(str(doc.get("id"))) if asked else None
    whole = entry.doc().get(name) if entry is not None else None
    if isinstance(whole, dict) and isinstance(doc.get(name), dict):
        doc[name].update({inner: whole[inner] for inner in asked if inner in whole})


def _value(value: Any, shape: Shape | None, tree: Tree, store: AccountStore) -> Any:
    if isinstance(value, list):
        item = shape.item if shape is not None else None
        return [_value(v, item, tree, store) for v in value]
    if isinstance(value, str) and shape is not None and shape.kind == "ref":
        value = store.find(shape.targets, value) or value
    if not isinstance(value, dict):
        return value
    if value.get("object") == "list":
        item = shape.item if shape is not None else None
        below = tree.get("data", tree)
        value["data"] = [_value(v, item, below, store) for v in value["data"]]
    elif tree:
        _apply(value, _fields(value, shape), tree, store)
    return value


def _fields(value: Doc, shape: Shape | None) -> Mapping[str, Shape]:
    by_name = sdk.object_fields(str(value.get("object", "")))
    if by_name or shape is None or shape.fields_of is None:
        return by_name
    return sdk.fields(shape.fields_of)


def _included_list(doc: Doc, include: Include, store: AccountStore) -> Doc:
    entries = store.owned(include.objects, include.foreign_key, str(doc["id"]))
    mask = HIDDEN_BY_RULE if "subscription" in include.objects else 0
    shown = [entry for entry in reversed(entries) if not entry.hidden & mask]
    return {
        "object": "list",
        "data": [entry.view() for entry in shown[:EMBEDDED]],
        "has_more": len(shown) > EMBEDDED,
        "url": include.url.replace("{id}", str(doc["id"])),
    }
