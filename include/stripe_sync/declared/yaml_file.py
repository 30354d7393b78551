"""Files of declarations: YAML with lists, whose errors name file, line and field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from stripe_sync.client.scrub_secrets import has_key
from stripe_sync.declared.names import check_names
from stripe_sync.errors import ConfigurationError

_KEY_FIELD = re.compile(r"key|secret|password|token|credential", re.IGNORECASE)
_NO_KEYS = "keys do not belong into this file: put the key into the %s's Airflow connection"
_LARGEST = 100_000
"""Values that a file may have, with aliases written out."""

_INT = "tag:yaml.org,2002:int"
_OTHER_TYPES = ("bool", "timestamp", "int", "float")
"""Types whose texts YAML 1.1 reads in other ways: `no`, `2024-06-20`, `010`, `12:30`."""
_MERGE = "tag:yaml.org,2002:merge"

Place = tuple[str | int, ...]
"""Names and numbers that lead to a value."""


class Named(Protocol):
    """A declaration; its name is declared once."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


@dataclass(frozen=True, slots=True)
class DeclaredList:
    """A list of a file.

    Attributes:
        what: What an entry is: ``sync``.
        fields: Names that an entry may have.
        parse: Makes and checks a declaration; raises pydantic's ``ValidationError``, or
            ``ConfigurationError`` with the path of the value as ``param``.
    """

    what: str
    fields: Sequence[str]
    parse: Callable[[Mapping[str, Any]], Named]


def read_declared_file(path: str | Path, lists: Mapping[str, DeclaredList]) -> dict[str, list[Any]]:
    """Read and check a file of declarations.

    Args:
        path: The file: YAML with at least one of the lists.
        lists: By name.

    Returns:
        The declarations of each list; an empty one where the file lacks it.

    Raises:
        ConfigurationError: It cannot be read, a name is unknown, a value is invalid, or it contains
            a key. The message names file, line and field, and never a value that may be a key.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"{file} cannot be read: {reason}"
        raise ConfigurationError(message) from error
    return _DeclaredFile(file.name, text, lists).read()


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as people write it: ``no``, ``2026-01-31`` and ``12:30`` are texts, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in rules if each[0].rpartition(":")[2] not in _OTHER_TYPES]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z"),
    list("-+.0123456789"),
)
_Loader.add_constructor(_INT, lambda loader, node: int(loader.construct_scalar(node)))


class _DeclaredFile:
    """The text of a file, with the lines of its values.

    Args:
        name: Its name, for messages.
        text: Its text.
        lists: What it may have.
    """

    def __init__(self, name: str, text: str, lists: Mapping[str, DeclaredList]) -> None:
        self._name = name
        self._text = text
        self._lists = lists
        self._lines: dict[Place, int] = {}

    def read(self) -> dict[str, list[Any]]:
        """The declarations.

        Raises:
            ConfigurationError: Something is wrong with them.
        """
        self._refuse_keys()
        document = self._load()
        if not isinstance(document, dict) or not any(
            isinstance(document.get(name), list) for name in self._lists
        ):
            raise self._error((), f"a list named {' or '.join(self._lists)} is needed")
        self._check_names((), document, list(self._lists))
        return {name: self._entries(name, document.get(name, [])) for name in self._lists}

    def _entries(self, name: str, values: object) -> list[Named]:
        if not isinstance(values, list):
            raise self._error((name,), "this must be a list")
        found = [self._entry(name, number, value) for number, value in enumerate(values)]
        for number, each in enumerate(found):
            if each.name in [other.name for other in found[:number]]:
                message = f"this {self._lists[name].what} is declared twice"
                raise self._error((name, number, "name"), message)
        return found

    @property
    def _no_keys(self) -> str:
        return _NO_KEYS % " or ".join(each.what for each in self._lists.values())

    def _refuse_keys(self) -> None:
        for number, line in enumerate(self._text.splitlines(), start=1):
            if has_key(line):
                message = f"{self._name}, line {number}: this looks like a key; {self._no_keys}"
                raise ConfigurationError(message)

    def _load(self) -> object:
        """The content of the file; the lines of all values are noted.

        Raises:
            ConfigurationError: It is not YAML, or has a name twice.
        """
        try:
            loader = _Loader(self._text)
            node = loader.get_single_node()
            if node is None:
                return None
            self._note_lines((), node, {})
            content: object = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            message = f"{self._name}, line {line}: this is not YAML: {error.problem}"
            raise ConfigurationError(message) from error
        except RecursionError as error:
            message = f"{self._name} is nested too deeply"
            raise ConfigurationError(message) from error
        except yaml.YAMLError as error:
            message = f"{self._name} is not YAML: it has characters that YAML does not allow"
            raise ConfigurationError(message) from error
        return content

    def _note_lines(self, place: Place, node: yaml.Node, sizes: dict[int, int]) -> int:
        """Note the lines of a value and what it contains; its size, with aliases written out.

        Raises:
            ConfigurationError: It contains itself, is too large, or has a name twice.
        """
        self._lines.setdefault(place, node.start_mark.line + 1)
        if id(node) in sizes:  # an alias
            return sizes[id(node)]
        sizes[id(node)] = _LARGEST  # until it is known: it must not contain itself
        size = 1
        for child, value in self._children(place, node):
            size += self._note_lines(child, value, sizes)
            if size >= _LARGEST:
                raise self._error(place, "an alias leads back to itself, or to too many values")
        sizes[id(node)] = size
        return size

    def _children(self, place: Place, node: yaml.Node) -> Iterator[tuple[Place, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            yield from (((*place, number), item) for number, item in enumerate(node.value))
        if not isinstance(node, yaml.MappingNode):
            return
        names = set()
        for key, value in node.value:
            child = (*place, str(key.value))
            self._lines.setdefault(child, key.start_mark.line + 1)
            if child in names and key.tag != _MERGE:
                self._lines[child] = key.start_mark.line + 1
                raise self._error(child, "this name is given twice")
            names.add(child)
            yield child, value

    def _entry(self, name: str, number: int, value: object) -> Named:
        place: Place = (name, number)
        declared = self._lists[name]
        if not isinstance(value, dict):
            known = ", ".join(declared.fields[:3])
            raise self._error(place, f"a {declared.what} is a mapping with {known}, …")
        self._check_names(place, value, declared.fields)
        try:
            return declared.parse(value)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            text = "it is missing" if first["type"] == "missing" else str(first["msg"])
            raise self._error((*place, *first["loc"]), text) from None
        except ConfigurationError as error:
            param = error.param.split(".") if error.param else ()
            raise self._error((*place, *param), str(error)) from error

    def _check_names(self, place: Place, values: dict[Any, Any], known: Sequence[str]) -> None:
        texts = {str(name): value for name, value in values.items()}
        for name in sorted(texts.keys() - set(known)):
            hint = f"; {self._no_keys}" if _KEY_FIELD.search(name) else ""
            try:
                check_names({name: None}, known, what="name", param=None)
            except ConfigurationError as error:
                raise self._error((*place, name), f"{error}{hint}") from error

    def _error(self, place: Place, text: str) -> ConfigurationError:
        """An error with the line and the path of a value, or of what it is in."""
        param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        known = place
        while known and known not in self._lines:
            known = known[:-1]
        where = f"{self._name}, line {self._lines.get(known, 1)}"
        named = f"{param[1:]}: " if param else ""
        return ConfigurationError(f"{where}: {named}{text}", param=param[1:] or None)
