"""``syncs.yaml``: syncs that are declared in a file, for those who keep them in git."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from stripe_sync.accounts.plans.sync_plan import WantedSync
from stripe_sync.accounts.sync_values import check_name
from stripe_sync.accounts.syncs import columns_of
from stripe_sync.client.scrub_secrets import has_key
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import check_names
from stripe_sync.warehouse import Sync

_KEY_FIELD = re.compile(r"key|secret|password|token|credential", re.IGNORECASE)
_NO_KEYS = "keys do not belong into this file: put the key into the sync's Airflow connection"
_LARGEST = 100_000
"""Values that a file may have, with aliases written out."""

_INT = "tag:yaml.org,2002:int"
_OTHER_TYPES = ("bool", "timestamp", "int", "float")
"""Types whose texts YAML 1.1 reads in other ways: `no`, `2024-06-20`, `010`, `12:30`."""
_MERGE = "tag:yaml.org,2002:merge"

Place = tuple[str | int, ...]
"""Names and numbers that lead to a value."""


class DeclaredSync(BaseModel):
    """A sync in a file.

    What is left out has its default, but for ``mode``, ``enabled`` and ``connected_account``. A
    field that is added to syncs is a row here and in ``sync_plan.COLUMN_OF``.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(description="Lower-case letters, digits, - and _.")
    mode: Literal["live", "test"] | None = Field(
        default=None, description="Mode of its key. Left out: that of the stored sync, else test."
    )
    enabled: bool | None = Field(
        default=None, description="False: paused. Left out: as it is, a new one is active."
    )
    collections: list[str] | None = Field(default=None, description="Left out: all.")
    connection_id: str | None = Field(default=None, description="Left out: stripe_<name>.")
    connected_account: str | None = Field(
        default=None, description="acct_… that the key acts on. Left out: as it is."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings by name.")
    external_id: str | None = Field(default=None, description="Your own id of it.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Your own data.")
    _columns: dict[str, Any] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Check the values, so that nothing of a file is applied if one of them is wrong.

        Raises:
            ConfigurationError: A value is invalid.
        """
        super().model_post_init(context)
        check_name(self.name)
        kept = {"connected_account"} - self.model_fields_set
        values = self.model_dump(exclude={"name", "mode", "enabled", *kept})
        self._columns = columns_of(None, values)  # type: ignore[arg-type]

    def wanted(self) -> WantedSync:
        """The sync as it is wanted."""
        livemode = None if self.mode is None else self.mode == "live"
        return WantedSync(self.name, livemode, self._wanted_columns)

    def _wanted_columns(self, stored: Sync | None) -> dict[str, Any]:
        if self.enabled is False:
            return {**self._columns, "status": "paused"}
        if self.enabled and stored and stored.status == "paused":
            return {**self._columns, "status": "active"}
        return self._columns


def read_sync_file(path: str | Path) -> list[DeclaredSync]:
    """Read and check a file of syncs; asks neither the warehouse nor Stripe.

    Args:
        path: The file: YAML with the list ``syncs``.

    Raises:
        ConfigurationError: It cannot be read, a name is unknown, a value is invalid, or it contains
            a key. The message names file, line and field, and never a value that may be a key.

    Example:
        >>> from stripe_sync import read_sync_file
        >>> [sync.name for sync in read_sync_file(path)]
        ['north', 'south']
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"{file} cannot be read: {reason}"
        raise ConfigurationError(message) from error
    return _SyncFile(file.name, text).syncs()


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


class _SyncFile:
    """The text of a file, with the lines of its values.

    Args:
        name: Its name, for messages.
        text: Its text.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._lines: dict[Place, int] = {}

    def syncs(self) -> list[DeclaredSync]:
        """The declared syncs.

        Raises:
            ConfigurationError: Something is wrong with them.
        """
        self._refuse_keys()
        document = self._load()
        if not isinstance(document, dict) or not isinstance(document.get("syncs"), list):
            raise self._error((), "a list named syncs is needed")
        self._check_names((), document, ["syncs"])
        found = [self._sync(number, value) for number, value in enumerate(document["syncs"])]
        for number, sync in enumerate(found):
            if sync.name in [each.name for each in found[:number]]:
                raise self._error(("syncs", number, "name"), "this sync is declared twice")
        return found

    def _refuse_keys(self) -> None:
        for number, line in enumerate(self._text.splitlines(), start=1):
            if has_key(line):
                message = f"{self._name}, line {number}: this looks like a key; {_NO_KEYS}"
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

    def _sync(self, number: int, value: object) -> DeclaredSync:
        place: Place = ("syncs", number)
        if not isinstance(value, dict):
            raise self._error(place, "a sync is a mapping with name, mode, collections, …")
        self._check_names(place, value, list(DeclaredSync.model_fields))
        try:
            return DeclaredSync.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            text = "it is missing" if first["type"] == "missing" else str(first["msg"])
            raise self._error((*place, *first["loc"]), text) from None
        except ConfigurationError as error:
            param = error.param.split(".") if error.param else ()
            raise self._error((*place, *param), str(error)) from error

    def _check_names(self, place: Place, values: dict[Any, Any], known: list[str]) -> None:
        texts = {str(name): value for name, value in values.items()}
        for name in sorted(texts.keys() - set(known)):
            hint = f"; {_NO_KEYS}" if _KEY_FIELD.search(name) else ""
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
