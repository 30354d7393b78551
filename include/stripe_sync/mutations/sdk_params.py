"""Which parameters a request has, as the annotations of Stripe's SDK name them.

They are read from the SDK's services, which name path and parameters of each request, when the
first write is checked: the SDK takes most of a second to import.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any

from typing_extensions import is_typeddict

# Either the type of a method's parameters, or the request that the method makes.
_METHODS = re.compile(
    r'params: (?:Optional\[)?"(?P<params>\w+)"'
    r'|self\._request\(\s*"(?P<verb>\w+)",\s*"(?P<path>/v1/[^"]*)"'
)
_PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class ParamType:
    """What is known of the type of a parameter.

    Attributes:
        is_integer: Whether its only numbers are whole.
        fields: Its keys, where it is an object with known ones.
        items: The type of its elements, where it is an array or has keys of the user's choice.
    """

    is_integer: bool = False
    fields: Mapping[str, ParamType] = field(default_factory=dict)
    items: ParamType | None = None


@cache
def sdk_options() -> frozenset[str]:
    """Names that the SDK takes out of the parameters as settings of its own."""
    # Imported here: the SDK takes long.
    from stripe import RequestOptions

    return frozenset(RequestOptions.__annotations__)


@cache
def params_of(method: str, template: str) -> Mapping[str, ParamType] | None:
    """The parameters of a request.

    Args:
        method: ``post`` or ``delete``.
        template: ``/v1/customers/{id}``.

    Returns:
        None where the SDK does not have the request: Stripe retired it.
    """
    found = _requests().get((method, _shape(template)))
    if found is None:
        return None
    module, name = found
    return _fields(getattr(import_module(module), name)) if name else {}


@cache
def sdk_paths(method: str) -> frozenset[str]:
    """Paths of all requests with a method, ``/v1/customers/{}``; ``get``, ``post``, ``delete``."""
    return frozenset(shape for verb, shape in _requests() if verb == method)


def _shape(path: str) -> str:
    """A path without the names of its placeholders: the SDK names them as it likes."""
    return _PLACEHOLDER.sub("{}", path)


@cache
def _requests() -> Mapping[tuple[str, str], tuple[str, str]]:
    """Module and name of the parameters' type of each request; empty names where it has none."""
    spec = find_spec("stripe")
    folders = (spec and spec.submodule_search_locations) or []
    found = {}
    for file in (file for folder in folders for file in Path(folder).rglob("_*_service.py")):
        source, name = file.read_text(encoding="utf-8"), ""
        for match in _METHODS.finditer(source):
            if match["params"]:
                name = match["params"]
            else:
                found[match["verb"], _shape(match["path"])] = (_module_of(source, name), name)
                name = ""
    return found


def _module_of(source: str, name: str) -> str:
    match = re.search(rf"from (stripe\.params[\w.]*) import \(?\s*{name}\b", source)
    return match[1] if match else ""


@cache
def _fields(params: Any) -> Mapping[str, ParamType]:
    names = {"StripeContext": object, "UntypedStripeObject": dict, "Mapping": Mapping}
    module = vars(import_module(params.__module__))
    hints = typing.get_type_hints(params, globalns=module, localns=names)
    return {name: _type(hint) for name, hint in hints.items() if name not in sdk_options()}


def _type(hint: Any) -> ParamType:
    options = _options(hint)
    keyed = [_fields(each) for each in options if is_typeddict(each)]
    elements = [args[-1] for each in options if (args := typing.get_args(each)) and _holds(each)]
    return ParamType(
        is_integer=int in options and not {float, str} & set(options),
        fields={name: kind for fields in keyed for name, kind in fields.items()},
        items=_type(elements[0]) if elements else None,
    )


def _holds(hint: Any) -> bool:
    return typing.get_origin(hint) in (list, dict)


def _options(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return tuple(part for each in typing.get_args(hint) for part in _options(each))
    return (hint,)
