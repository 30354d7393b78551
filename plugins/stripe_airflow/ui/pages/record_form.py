"""The form that changes a record: its fields, and the parameters that it sends."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import orjson

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.routing import storable
from stripe_airflow.ui.payloads.differences import currency_of, json_text, readable
from stripe_sync import Collection, ConfigurationError, load_catalog, single_values, verbs_of

_LONGEST = 5_000
"""Characters of a value that the form has; longer ones are changed as JSON."""

_MOST_METADATA = 30
_LONG_TEXT = 60
_KEY = re.compile(r"[0-9a-f]{32}")
_LINE_END = re.compile(r"[\r\n]")
"""Browsers change it in names of fields, and leave it out of a field of one line."""
_FIELD, _WAS = "field:", "was:"
_METADATA, _METADATA_WAS = "metadata:", "metadata-was:"


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of the form.

    Attributes:
        name: Stripe's name of the parameter, or a key of the metadata.
        value: What the form shows; empty for null.
        was: What the object had.
        kind: ``text``, ``long`` or ``choice`` (true or false).
        hint: The money or time that a number stands for.
    """

    name: str
    value: str
    was: str
    kind: str = "text"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class UpdateForm:
    """The form of a record.

    Attributes:
        key: Names the form: sent twice, it writes once.
        fields: Parameters with a single value.
        metadata: Keys of the metadata; some only where there are many.
        has_metadata: Whether the object has metadata.
        more_metadata: Number of keys that the form does not have.
        new_key: A key to add to the metadata.
        new_value: Its value.
        json: Further parameters, as JSON.
    """

    key: str = field(default_factory=lambda: uuid4().hex)
    fields: tuple[FormField, ...] = ()
    metadata: tuple[FormField, ...] = ()
    has_metadata: bool = False
    more_metadata: int = 0
    new_key: str = ""
    new_value: str = ""
    json: str = ""


def form_of(collection_id: str, payload: Mapping[str, Any]) -> UpdateForm | None:
    """The form of a record; None where Stripe lets nobody update the objects.

    Args:
        collection_id: ``stripe:customer``.
        payload: The object.
    """
    collection = _collection(collection_id)
    if collection is None or "update" not in verbs_of(collection):
        return None
    currency, in_path = currency_of(payload), _placeholders(collection)
    fields = [
        _field(name, payload[name], currency)
        for name in single_values(collection_id, "update")
        if name in payload and name not in in_path and _is_single(payload[name])
    ]
    metadata = payload.get("metadata")
    has_metadata = isinstance(metadata, dict)
    pairs = [
        (name, value)
        for name, value in sorted((metadata or {}).items() if has_metadata else ())
        if isinstance(value, str) and len(value) <= _LONGEST and not _LINE_END.search(name)
    ][:_MOST_METADATA]
    return UpdateForm(
        fields=tuple(fields),
        metadata=tuple(_field(name, value, None) for name, value in pairs),
        has_metadata=has_metadata,
        more_metadata=len(metadata or ()) - len(pairs) if has_metadata else 0,
    )


def filled_form(form: UpdateForm, values: Mapping[str, str], *, same_key: bool) -> UpdateForm:
    """The form with what somebody entered; the rest as the object has it now.

    Args:
        form: The form of the record.
        values: What was sent.
        same_key: Whether it may be sent once more as the same write.
    """

    def filled(fields: tuple[FormField, ...], prefix: str, was: str) -> tuple[FormField, ...]:
        entered = _changed(values, prefix, was)
        return tuple(
            replace(each, value=entered[each.name] or "") if each.name in entered else each
            for each in fields
        )

    return replace(
        form,
        key=_key(values) if same_key else form.key,
        fields=filled(form.fields, _FIELD, _WAS),
        metadata=filled(form.metadata, _METADATA, _METADATA_WAS),
        new_key=values.get("new-key", ""),
        new_value=values.get("new-value", ""),
        json=values.get("json", ""),
    )


def record_of(
    collection_id: str, payload: Mapping[str, Any], values: Mapping[str, str]
) -> dict[str, Any]:
    """The parameters that a form sends, with the ids that the path needs.

    Only what differs from what the form showed is sent: others may have changed the rest since.

    Args:
        collection_id: ``stripe:customer``.
        payload: The object, for its ids.
        values: What was sent.

    Raises:
        ApiError: Nothing was changed, the JSON is none, or it names another object.
    """
    record: dict[str, Any] = _changed(values, _FIELD, _WAS)
    metadata = _changed(values, _METADATA, _METADATA_WAS)
    if new_key := values.get("new-key", "").strip():
        _check_new(payload, new_key, values.get("new-value", ""))
        metadata[new_key] = values.get("new-value", "")
    elif values.get("new-value"):
        message = "the new value of the metadata has no key: enter one"
        raise ApiError(400, "parameter_missing", message, param="new-key")
    if metadata:
        record["metadata"] = metadata
    further = _json_of(values.get("json", ""))
    if twice := sorted(record.keys() & further):
        message = f"{twice[0]} is changed in its field and in the JSON: change it in one of them"
        raise ApiError(400, "parameter_invalid", message, param="json")
    record |= further
    if not record:
        message = "no field was changed: change one, then send"
        raise ApiError(400, "parameter_missing", message)
    try:
        storable(record)
    except ValueError as error:
        raise ApiError(400, "parameter_invalid", str(error)) from error
    return record | _path_ids(collection_id, payload, record)


def _path_ids(
    collection_id: str, payload: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, Any]:
    """The ids that the path of the request needs.

    Raises:
        ApiError: The record names another object.
    """
    collection = _collection(collection_id)
    names = {"id", *(_placeholders(collection) if collection else ())}
    found = {name: payload[name] for name in names if payload.get(name) is not None}
    if others := sorted(name for name in found if record.get(name, found[name]) != found[name]):
        message = f"{others[0]} names another object: the form changes the object of its page"
        raise ApiError(400, "parameter_invalid", message, param="json")
    return found


def check_unchanged(payload: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Refuse to overwrite what somebody else has written since the form was shown.

    Args:
        payload: The object as it is now.
        values: What was sent.

    Raises:
        ApiError: A field that is to be changed has another value than the form began with.
    """
    metadata = payload.get("metadata") or {}
    for prefix, was, stored in ((_FIELD, _WAS, payload), (_METADATA, _METADATA_WAS, metadata)):
        for name, value in _changed(values, prefix, was).items():
            now = _plain(_field(name, stored.get(name), None).was)
            if now not in (_plain(values.get(was + name, "")), value or ""):
                message = (
                    f"{name} was changed meanwhile, to {now[:_LONG_TEXT]!r}: nothing was sent."
                    " Send once more to overwrite it"
                )
                raise ApiError(409, "record_changed", message, param=name)


def _check_new(payload: Mapping[str, Any], key: str, value: str) -> None:
    """Refuse a new key of the metadata that is there, unless this form has just written it.

    Raises:
        ApiError: It has another value.
    """
    metadata = payload.get("metadata") or {}
    if metadata.get(key, value) != value:
        message = f"the metadata has {key} already: change its value there, or in the JSON"
        raise ApiError(400, "parameter_invalid", message, param="new-key")


def mutation_key(values: Mapping[str, str], record: Mapping[str, Any]) -> str:
    """The idempotency key of what a form sends: the same form with the same values writes once."""
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    return f"console {_key(values)} {hashlib.sha256(text).hexdigest()[:32]}"


def _key(values: Mapping[str, str]) -> str:
    key = values.get("key", "")
    if not _KEY.fullmatch(key):
        message = "the form has no key: reload the page"
        raise ApiError(400, "parameter_missing", message, param="key")
    return key


def _collection(collection_id: str) -> Collection | None:
    try:
        return load_catalog().resolve(collection_id)
    except ConfigurationError:
        return None  # a collection that is stored on request only


def _placeholders(collection: Collection) -> set[str]:
    return set(re.findall(r"{(\w+)}", " ".join(collection.mutations.update)))


def _is_single(value: Any) -> bool:
    return value is None or (
        isinstance(value, str | int | float | bool) and len(str(value)) <= _LONGEST
    )


def _field(name: str, value: Any, currency: str | None) -> FormField:
    if value is None:
        return FormField(name, "", "")
    if isinstance(value, bool):
        text = "true" if value else "false"
        return FormField(name, text, text, "choice")
    text = value if isinstance(value, str) else json_text(value)
    kind = "long" if _LINE_END.search(text) or len(text) > _LONG_TEXT else "text"
    return FormField(name, text, text, kind, readable(name, value, currency))


def _changed(values: Mapping[str, str], prefix: str, was: str) -> dict[str, Any]:
    """Values that differ from what the form showed; emptied ones are unset."""
    found = {}
    for name, value in values.items():
        if name.startswith(prefix):
            key, text = name.removeprefix(prefix), _plain(value)
            if text != _plain(values.get(was + key, "")):
                found[key] = text or None
    return found


def _plain(text: str) -> str:
    """A text as it was before the browser changed its line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _json_of(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        found = orjson.loads(text)
    except ValueError as error:
        message = f"the further fields are no JSON: {error}"
        raise ApiError(400, "parameter_invalid", message, param="json") from error
    if not isinstance(found, dict):
        message = 'the further fields must be a JSON object, such as {"phone": "+1"}'
        raise ApiError(400, "parameter_invalid", message, param="json")
    return found
