"""The form of a consumer: what each kind needs, and what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from pydantic import ValidationError
from starlette.datastructures import FormData

from stripe_airflow.api.consumers.models import ConsumerUpdate, NewConsumer
from stripe_sync import ConfigurationError, ConsumerConflict, ConsumerInfo

_FILTERS = ("sync_id", "collection_id", "event_type")
_PARTS = {
    "filters": "what it reads was",
    "settings": "its settings were",
    "connection_id": "its connection was",
}
"""What the form changes, as a sentence begins that says so."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a kind that has a field of its own.

    Attributes:
        name: Its name among the settings.
        title: Label of the field.
        hint: What it means, with its default.
        type: ``text``, ``number`` or ``checkbox``.
        required: Whether it must be filled in.
    """

    name: str
    title: str
    hint: str
    type: str = "text"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of consumer.

    Attributes:
        name: ``pull``, ``webhook``, ``postgres`` or ``kafka``.
        text: What it does.
        connection: What its Airflow connection is; empty: it needs none.
        settings: Settings with a field of their own; the others are given as JSON.
    """

    name: str
    text: str
    connection: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class FormValues:
    """What the form of a consumer shows.

    Attributes:
        connection_id: Airflow connection of its target.
        settings: Values of the fields of its kind, by name.
        more: Its other settings, as JSON; empty for none.
        filters: Lists ``sync_id``, ``collection_id`` and ``event_type``.
        was: What is stored, as JSON: sent back, it tells what somebody else has changed since.
    """

    connection_id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    more: str = ""
    filters: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: dict.fromkeys(_FILTERS, ())
    )
    was: str = ""

    @classmethod
    def of(cls, consumer: ConsumerInfo, kind: Kind) -> Self:
        """The form with what is stored."""
        in_fields = {
            setting.name: value
            for setting in kind.settings
            if isinstance(value := consumer.settings.get(setting.name), _TYPES[setting.type])
        }
        more = {name: v for name, v in consumer.settings.items() if name not in in_fields}
        return cls(
            connection_id=consumer.connection_id or "",
            settings=in_fields,
            more=orjson.dumps(more, option=orjson.OPT_INDENT_2).decode() if more else "",
            filters={name: consumer.filters.get(name) or () for name in _FILTERS},
            was=orjson.dumps(_stored(consumer)).decode(),
        )


_TYPES = {"text": str, "number": int, "checkbox": bool}

KINDS = (
    Kind(
        "pull",
        "Your program fetches batches over HTTP and acknowledges them. At least once; in order for"
        " each object.",
        "",
        (
            Setting(
                "ack_wait_ms",
                "Time to acknowledge, in milliseconds",
                "Then an item is delivered again. Empty: 30,000.",
                "number",
            ),
            Setting(
                "max_deliver",
                "Deliveries before it is a dead letter",
                "Empty: never.",
                "number",
            ),
        ),
    ),
    Kind(
        "webhook",
        "Each item is posted to your URL, signed. At least once; in order for each object.",
        "",
        (
            Setting(
                "url",
                "URL",
                "https://host/path. All who see the consumer can read it.",
                required=True,
            ),
            Setting(
                "allow_http", "Allow http://", "It shows the items to the network.", "checkbox"
            ),
            Setting("concurrency", "Requests at once, at most", "Empty: 16.", "number"),
        ),
    ),
    Kind(
        "postgres",
        "Rows in a table of your database, and the cursor in the same transaction. Exactly once.",
        "Of type postgres: the database with the table.",
        (
            Setting("schema", "Schema", "Empty: stripe."),
            Setting("table", "Table", "Empty: records or events, as its stream."),
        ),
    ),
    Kind(
        "kafka",
        "A message for each item, keyed by its object. At least once; in order for each key.",
        "Of type kafka: the brokers, in bootstrap.servers of its extra.",
        (Setting("topic", "Topic", "{collection} stands for customer, invoice, …"),),
    ),
)


def kind_named(name: str) -> Kind:
    """A kind by its name.

    Raises:
        ConfigurationError: There is none.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    message = f"kind: it is one of {', '.join(kind.name for kind in KINDS)}"
    raise ConfigurationError(message, param="kind")


def new_consumer(sent: FormData) -> NewConsumer:
    """The form as the body of ``POST /v1/consumers``.

    Raises:
        ConfigurationError: A value is wrong.
    """
    kind = kind_named(_text(sent, "kind"))
    start = _text(sent, "start") or "all"
    values = {
        "name": _text(sent, "name"),
        "kind": kind.name,
        "stream": _text(sent, "stream") or "records",
        "filters": _filters(sent),
        "deliver_policy": _text(sent, "other") if start == "other" else start,
        "connection_id": _text(sent, "connection_id") or None,
        "settings": _settings(kind, sent),
    }
    try:
        return NewConsumer.model_validate(values)
    except ValidationError as error:
        raise _in_words(error) from None


def changed_consumer(consumer: ConsumerInfo, sent: FormData) -> ConsumerUpdate:
    """The form as the body of ``PATCH /v1/consumers/{consumer_id}``: what was changed in it.

    Args:
        consumer: The consumer as it is now.
        sent: The form.

    Raises:
        ConfigurationError: A value is wrong.
        ConsumerConflict: Somebody else has changed the same since the form was shown.
    """
    kind, stored = kind_named(consumer.kind), _stored(consumer)
    was = _was(sent) or stored
    values: dict[str, Any] = {"filters": _filters(sent), "settings": _settings(kind, sent)}
    if kind.connection:
        values["connection_id"] = _text(sent, "connection_id") or None
    changed = {name: value for name, value in values.items() if value != was.get(name)}
    for name, value in changed.items():
        if stored[name] not in (was.get(name), value):
            message = (
                f"{_PARTS[name]} changed meanwhile by somebody else: nothing was saved."
                " Reload the page, then change it again"
            )
            raise ConsumerConflict(message, param=name)
    try:
        return ConsumerUpdate.model_validate(changed)
    except ValidationError as error:
        raise _in_words(error) from None


def _stored(consumer: ConsumerInfo) -> dict[str, Any]:
    """What the form changes, as it is stored."""
    return {
        "filters": {name: sorted(consumer.filters.get(name) or ()) for name in _FILTERS},
        "settings": consumer.settings,
        "connection_id": consumer.connection_id,
    }


def _was(sent: FormData) -> dict[str, Any] | None:
    """What was stored when the form was shown; None where it does not say."""
    try:
        found = orjson.loads(_text(sent, "was") or "null")
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else None


def _filters(sent: FormData) -> dict[str, list[str]]:
    return {name: sorted(str(each) for each in sent.getlist(name)) for name in _FILTERS}


def _in_words(error: ValidationError) -> ConfigurationError:
    first = error.errors()[0]
    param = str(first["loc"][0])
    if param == "name":
        return ConfigurationError("name: 1 to 63 lower-case letters, digits, - and _", param=param)
    message = f"{param}: {first['msg'].removeprefix('Value error, ')}"
    return ConfigurationError(message, param=param)


def _settings(kind: Kind, sent: FormData) -> dict[str, Any]:
    settings = _more_settings(_text(sent, "more"))
    for setting in kind.settings:
        text = _text(sent, f"setting_{setting.name}")
        if not text:
            continue
        if setting.name in settings:
            message = f"{setting.name} is given twice: in its field and among the other settings"
            raise ConfigurationError(message, param="more")
        settings[setting.name] = _value(setting, text)
    return settings


def _value(setting: Setting, text: str) -> Any:
    if setting.type == "checkbox":
        return True
    if setting.type != "number":
        return text
    try:
        return int(text)
    except ValueError:
        message = f"{setting.title}: this is no whole number"
        raise ConfigurationError(message, param=setting.name) from None


def _more_settings(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        message = 'other settings: they are a JSON object, such as {"timeout_seconds": 5}'
        raise ConfigurationError(message, param="more")
    return found


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value.strip() if isinstance(value, str) else ""
