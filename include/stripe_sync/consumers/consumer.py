"""A consumer: what a user declares of it, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stripe_sync.consumers.pull.settings import PullSettings
from stripe_sync.consumers.registry import PULL, SINKS, kinds
from stripe_sync.consumers.sink import SinkSettings
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.selection import Selection
from stripe_sync.streams.start import check_start
from stripe_sync.warehouse.consumers.cursors import LAKE, WAREHOUSE

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MOST_METADATA = 50

_Names = Annotated[tuple[str, ...], Field(max_length=1_000)]


class Filters(BaseModel):
    """What a consumer reads of its stream; an empty list is no condition.

    Attributes:
        sync_id: Names or ids of syncs.
        collection_id: ``stripe:customer``, ``stripe.customer`` or ``customer``.
        event_type: ``created``, ``updated``, ``deleted``; of the event stream only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sync_id: _Names = ()
    collection_id: _Names = ()
    event_type: _Names = ()

    @field_validator("*", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class ConsumerSpec(BaseModel):
    """What a user says of a consumer.

    Attributes:
        name: 1 to 63 lower-case letters, digits, ``-`` and ``_``.
        kind: ``pull``, ``webhook``, ``postgres`` or ``kafka``.
        stream: ``records`` (each object once, as it is now) or ``events`` (each change).
        filters: What of it.
        deliver_policy: Where it begins: ``all``, ``new``, ``30m`` (units s, m, h, d), a time with
            its zone, or a cursor. A sync that is created later is read from its beginning.
        connection_id: Airflow connection of its target.
        settings: Settings of its kind.
        metadata: The user's own texts, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: str
    stream: Literal["records", "events"] = "records"
    filters: Filters = Filters()
    deliver_policy: str = "all"
    connection_id: str | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)
    metadata: Mapping[str, str] = Field(default_factory=dict, max_length=_MOST_METADATA)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A checked consumer.

        Raises:
            ConfigurationError: Something is wrong with it; ``param`` names it.
        """
        try:
            spec = cls.model_validate(dict(values))
        except ValidationError as error:
            raise wrong(error, cls) from None
        spec.check()
        try:
            check_start(spec.deliver_policy)
        except ConfigurationError as error:
            raise ConfigurationError(str(error), param="deliver_policy") from None
        for name, value in values.items():
            if not _is_storable(value):
                message = f"{name}: it has a NUL or an unpaired surrogate, which cannot be stored"
                raise ConfigurationError(message, param=name)
        selection = spec.selection()
        # As the warehouse compares them: a sync of another spelling would count as left out.
        names = {
            "collection_id": tuple(sorted(selection.collections)),
            "sync_id": tuple(sorted(selection.syncs)),
        }
        filters = spec.filters.model_copy(update=names)
        # As the warehouse reads them: 1e3 and "1000" are the number 1000.
        settings = spec.sink_settings().model_dump(mode="json", by_alias=True, exclude_unset=True)
        return spec.model_copy(update={"filters": filters, "settings": settings})

    def check(self) -> None:
        """Check what needs more than types.

        Raises:
            ConfigurationError: Something is wrong; ``param`` names it.
        """
        if not _NAME.fullmatch(self.name) or self.name in (WAREHOUSE, LAKE):
            message = (
                f"name: 1 to 63 lower-case letters, digits, - and _; not {WAREHOUSE} or {LAKE},"
                " which are always there"
            )
            raise ConfigurationError(message, param="name")
        if self.kind not in kinds():
            close = get_close_matches(self.kind, kinds(), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            message = f"kind: it is one of {', '.join(kinds())}{hint}"
            raise ConfigurationError(message, param="kind")
        self.sink_settings().check(self.selection().stream)
        if self.connection_id and "://" in self.connection_id:
            message = "connection_id: this is a URL; name an Airflow connection, which has it"
            raise ConfigurationError(message, param="connection_id")
        if self.kind == PULL and self.connection_id:
            message = "connection_id: a pull consumer has no target"
            raise ConfigurationError(message, param="connection_id")
        if self.kind != PULL and SINKS[self.kind].needs_connection and not self.connection_id:
            message = f"connection_id: name the Airflow connection of the {self.kind} target"
            raise ConfigurationError(message, param="connection_id")

    def sink_settings(self) -> SinkSettings:
        """The settings of its kind.

        Raises:
            ConfigurationError: One is wrong; ``param`` names it.
        """
        model = PullSettings if self.kind == PULL else SINKS[self.kind].Settings
        try:
            return model.model_validate(dict(self.settings))
        except ValidationError as error:
            raise wrong(error, model, "settings") from None

    def selection(self) -> Selection:
        """What it reads.

        Raises:
            ConfigurationError: A filter can never hold; ``param`` names it.
        """
        try:
            return Selection.of(
                self.stream,
                syncs=self.filters.sync_id,
                collections=self.filters.collection_id,
                event_types=self.filters.event_type,
            )
        except ConfigurationError as error:
            raise ConfigurationError(str(error), param=f"filters.{error.param}") from None


def _is_storable(value: Any) -> bool:
    """Whether PostgreSQL can store the texts of a value."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, Mapping):
        return all(_is_storable(part) for item in value.items() for part in item)
    if isinstance(value, (list, tuple)):
        return all(map(_is_storable, value))
    return True


def wrong(error: ValidationError, model: type[BaseModel], prefix: str = "") -> ConfigurationError:
    """What is wrong, without the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join([*([prefix] if prefix else []), *(str(part) for part in first["loc"])])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        text = "it is missing"
    elif first["type"] == "extra_forbidden":
        close = get_close_matches(str(first["loc"][-1]), list(model.model_fields), n=1)
        text = f"there is no such setting{f': did you mean {close[0]}?' if close else ''}"
    return ConfigurationError(f"{place}: {text}", param=place)
