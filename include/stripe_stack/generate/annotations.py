"""Reads the fields of Stripe's objects from the annotations of the installed SDK."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import StripeObject

from stripe_stack.generate.timestamps import check_timestamp, is_timestamp
from stripe_sync.catalog.fields import Field, FieldKind
from stripe_sync.errors import CatalogError

_SCALARS: Mapping[object, FieldKind] = {
    str: FieldKind.TEXT,
    int: FieldKind.INTEGER,
    float: FieldKind.DECIMAL,
    Decimal: FieldKind.DECIMAL,
    bool: FieldKind.BOOLEAN,
}


def object_fields(object_name: str) -> dict[str, Field] | None:
    """The fields that the SDK declares for an object.

    Args:
        object_name: The ``object`` string in payloads, ``checkout.session``.

    Returns:
        Fields by name, ``id`` first, the others in the SDK's order; None for an object that the
        SDK does not know.

    Raises:
        CatalogError: An annotation has a form that is not understood, or the SDK's words
            contradict the rule for timestamps.
    """
    if object_name not in OBJECT_CLASSES:
        return None
    module_name, class_name = OBJECT_CLASSES[object_name]
    module = import_module(module_name)
    docs = _field_docs(module, class_name)
    names = _imported_objects(module)
    fields = {}
    for name, annotation in _annotations(getattr(module, class_name)):
        label = f"{object_name}.{name}"
        field = _field(label, annotation, names)
        if field.kind is FieldKind.INTEGER:
            check_timestamp(label, name, docs.get(name, ""))
            if is_timestamp(name):
                field = Field(kind=FieldKind.TIMESTAMP)
        fields[name] = field
    return {name: fields[name] for name in sorted(fields, key=lambda name: name != "id")}


def _annotations(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    for base in reversed(cls.__mro__):
        if issubclass(base, StripeObject) and base is not StripeObject:
            for name, annotation in inspect.get_annotations(base).items():
                if not name.startswith("_") and name != "OBJECT_NAME":
                    yield name, annotation


def _field(label: str, annotation: Any, names: Mapping[str, str]) -> Field:
    """Decide by the annotation's parts; forward references are other objects."""
    parts = [part for part in _flat(annotation) if part is not type(None)]
    targets = [_target(part) for part in parts if isinstance(part, (str, ForwardRef))]
    plain = {part for part in parts if not isinstance(part, (str, ForwardRef))}
    if targets and plain == {str}:
        return Field(kind=FieldKind.REFERENCE, to=tuple(names.get(t, t) for t in targets))
    if targets and not plain:
        objects = [names.get(target) for target in targets]
        if all(name is not None and _has_id(name) for name in objects):
            return Field(kind=FieldKind.REFERENCE, to=tuple(name for name in objects if name))
        return Field(kind=FieldKind.JSON)
    kinds = {_kind(label, part) for part in plain}
    if len(kinds) != 1 or targets:
        msg = f"{label}: unknown type {annotation!r}"
        raise CatalogError(msg)
    return Field(kind=kinds.pop())


def _has_id(object_name: str) -> bool:
    """Whether objects of this name have an id; a balance, for instance, has none."""
    module_name, class_name = OBJECT_CLASSES[object_name]
    cls = getattr(import_module(module_name), class_name)
    return any(name == "id" for name, _ in _annotations(cls))


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of unions and the values' types of literals, at any depth."""
    if get_origin(annotation) is Union:
        for member in get_args(annotation):
            yield from _flat(member)
    elif get_origin(annotation) is Literal:
        yield from (type(value) for value in get_args(annotation))
    else:
        yield annotation


def _kind(label: str, part: Any) -> FieldKind:
    if part in _SCALARS:
        return _SCALARS[part]
    base = get_origin(part) or part
    if base is Any or (isinstance(base, type) and issubclass(base, (list, dict, StripeObject))):
        return FieldKind.JSON
    msg = f"{label}: no rule for the annotation {part!r}"
    raise CatalogError(msg)


def _target(part: str | ForwardRef) -> str:
    return part.__forward_arg__ if isinstance(part, ForwardRef) else part


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _imported_objects(module: ModuleType) -> dict[str, str]:
    """Names of the classes that a module defines or imports, with their object names."""
    objects = {place: name for name, place in OBJECT_CLASSES.items()}
    found = {
        class_name: name
        for (module_name, class_name), name in objects.items()
        if module_name == module.__name__
    }
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if place := objects.get((node.module, alias.name)):
                    found[alias.asname or alias.name] = place
    return found


def _field_docs(module: ModuleType, class_name: str) -> dict[str, str]:
    """The SDK's description of each field: the string below its annotation."""
    docs = {}
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for field, below in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    docs[field.target.id] = _string(below)
    return docs


def _string(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return ""
