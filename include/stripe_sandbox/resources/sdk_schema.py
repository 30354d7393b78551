"""Schemas of fields and parameters, read from the official SDK's annotations."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stripe import ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

_OPTIONS = frozenset(typing.get_type_hints(RequestOptions, localns={"StripeContext": object}))


@dataclass(frozen=True, slots=True)
class Schema:
    """The type of a field or a parameter.

    Attributes:
        kind: any, str, int, bool, float, decimal, object, list, map, page (an embedded list),
            ref (an id that can be expanded).
        nullable: None is allowed.
        choices: The literal values, when the annotation names them.
        item: The type of the items of a list, a map or a page.
        fields_of: The class with the fields of an object or of an expanded ref.
        targets: Kinds of object that a ref may name.
        clears: A parameter that accepts the empty string to unset the field.
        scalar: A plain type that a parameter accepts instead of an object or a list.
    """

    kind: str
    nullable: bool = False
    choices: tuple[Any, ...] = ()
    item: Schema | None = None
    fields_of: Any = None
    targets: tuple[str, ...] = ()
    clears: bool = False
    scalar: Schema | None = None


_PLAIN: dict[Any, str] = {
    str: "str", int: "int", bool: "bool", float: "float", Decimal: "decimal",
}  # fmt: skip


_CONTAINERS: dict[Any, str] = {
    list: "list", ListObject: "page", dict: "map", UntypedStripeObject: "map",
}  # fmt: skip


class _Names(dict[str, Any]):
    """A namespace that never fails: names that only type checkers know become ``object``."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, object)


@functools.cache
def _namespace(module_name: str) -> dict[str, Any]:
    """The names of a module, with those that it imports for type checkers only."""
    module = importlib.import_module(module_name)
    names: dict[str, Any] = dict(vars(module))
    for node in ast.parse(inspect.getsource(module)).body:
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            continue
        for line in node.body:
            if isinstance(line, ast.ImportFrom) and line.module and ".params" not in line.module:
                source = importlib.import_module(line.module)
                for alias in line.names:
                    names[alias.asname or alias.name] = getattr(source, alias.name)
    return names


def object_class(name: str) -> Any:
    """The SDK's class of an object, by the value of its ``object`` field."""
    if name not in OBJECT_CLASSES:
        return None
    module, attribute = OBJECT_CLASSES[name]
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def fields(cls: Any) -> Mapping[str, Schema]:
    """The fields of an SDK class with their schemas (own annotations only)."""
    own = {k: v for k, v in inspect.get_annotations(cls).items() if k != "OBJECT_NAME"}
    names = _Names({**_namespace(cls.__module__), **vars(cls)})
    holder = types.SimpleNamespace(__annotations__=own)
    hints = typing.get_type_hints(holder, names, names)
    return {name: _schema(hint) for name, hint in hints.items() if name != "deleted"}


@functools.cache
def object_fields(name: str) -> Mapping[str, Schema]:
    """The fields of an object by the value of its ``object`` field; empty for retired ones."""
    cls = object_class(name)
    return fields(cls) if cls else {}


@functools.cache
def params(name: str, operation: str) -> Mapping[str, Schema] | None:
    """The parameters that an operation accepts, with their schemas.

    Args:
        name: The value of the ``object`` field.
        operation: "list", "create", "modify", "list_lines", "create_reversal" and the like.

    Returns:
        None when the SDK does not have the operation.
    """
    found = _params_class(name, operation)
    return None if found is None else _typed_dict(found)


@functools.cache
def required_params(name: str, operation: str) -> frozenset[str]:
    """The required parameters of an operation."""
    found = _params_class(name, operation)
    return frozenset() if found is None else frozenset(found.__required_keys__) - _OPTIONS


def _params_class(name: str, operation: str) -> Any:
    if name not in OBJECT_CLASSES:
        return None
    module, attribute = OBJECT_CLASSES[name]
    package, _, leaf = module.rpartition(".")
    path = package.replace("stripe", "stripe.params", 1) + f".{leaf}_{operation}_params"
    try:
        source = importlib.import_module(path)
    except ModuleNotFoundError:
        return None
    verb = operation.title().replace("_", "")
    return getattr(source, f"{attribute}{verb}Params", None)


@functools.cache
def _typed_dict(cls: Any) -> Mapping[str, Schema]:
    names = _Names(vars(importlib.import_module(cls.__module__)))
    hints = typing.get_type_hints(cls, names, names)
    return {name: _schema(hint) for name, hint in hints.items() if name not in _OPTIONS}


def param_fields(schema: Schema) -> Mapping[str, Schema]:
    """The keys of a nested parameter; empty when it is not one."""
    return _typed_dict(schema.fields_of) if schema.fields_of is not None else {}


def _schema(hint: Any) -> Schema:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in _CONTAINERS:
        return Schema(_CONTAINERS[origin], item=_schema(args[-1]))
    if origin is typing.Literal:
        return Schema(_PLAIN.get(type(args[0]), "any"), choices=args, clears=args == ("",))
    if origin in (typing.Union, types.UnionType):
        return _union(args)
    if inspect.isclass(hint) and (issubclass(hint, StripeObject) or is_typeddict(hint)):
        return Schema("object", fields_of=hint, targets=_target(hint))
    return Schema(_PLAIN.get(hint, "any"))


def _target(cls: type[Any]) -> tuple[str, ...]:
    name = getattr(cls, "OBJECT_NAME", None)
    return (name,) if isinstance(name, str) else ()


def _union(args: tuple[Any, ...]) -> Schema:
    nullable = type(None) in args
    schemas = [_schema(arg) for arg in args if arg is not type(None)]
    clears = any(s.choices == ("",) for s in schemas)
    schemas = [s for s in schemas if s.choices != ("",)] or schemas
    resources = [s for s in schemas if s.kind == "object" and s.targets]
    choices = tuple(c for s in schemas for c in s.choices)
    if resources and any(s.kind == "str" for s in schemas):
        targets = tuple(t for s in resources for t in s.targets)
        return Schema("ref", nullable, fields_of=resources[0].fields_of, targets=targets)
    nested = next((s for s in schemas if s.kind in ("object", "list", "map", "page")), None)
    scalar = next((s for s in schemas if s.kind in _PLAIN.values() and not s.choices), None)
    best = nested or scalar or schemas[0]
    return Schema(
        best.kind,
        nullable,
        choices,
        best.item,
        best.fields_of,
        best.targets,
        clears,
        scalar if nested else None,
    )
