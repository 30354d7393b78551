"""Creations, updates, deletions and actions, with the Stripe events they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sandbox import forms, sdk, side_effects
from stripe_sandbox.entries import Doc, plain_id
from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.generate import blank
from stripe_sandbox.rows import Action, Resource
from stripe_sandbox.sdk import Shape
from stripe_sandbox.slots import prefix_of
from stripe_sandbox.state import Mode, State

_EXPAND: Mapping[str, Shape] = {"expand": Shape("list", item=Shape("str"))}
_CONNECTED = ("account.external_account.", "capability.", "person.")
_FINAL = frozenset(("canceled", "incomplete_expired"))


@dataclass(frozen=True, slots=True)
class Write:
    """Who writes: the request as the Stripe events will name it."""

    state: State
    mode: Mode
    request_id: str | None = None
    idempotency_key: str | None = None

    def log(self, kind: str, doc: Doc, old: Doc | None = None) -> None:
        """Write a Stripe event about an object, as shown by default."""
        connected = doc.get("account") if kind.startswith(_CONNECTED) else None
        self.mode.log.write(
            kind,
            doc,
            old=old,
            request_id=self.request_id,
            idempotency_key=self.idempotency_key,
            account=plain_id(connected),
        )

    def now(self) -> int:
        """The creation second of what is written now."""
        return int(self.state.clock.now())


def shapes(resource: Resource, operation: str) -> Mapping[str, Shape]:
    """The parameters of a write."""
    known = sdk.params(resource.object, operation) or {}
    return {**known, **forms.named(resource.accepts), **_EXPAND}


def create(write: Write, resource: Resource, given: dict[str, Any]) -> str:
    """Make an object. Returns its id.

    Raises:
        ApiError: 400, a required parameter is missing or the id is taken.
    """
    forms.require(given, sdk.required(resource.object, "create"))
    collection = write.mode.store[resource.object]
    object_id = str(given.pop("id", None) or write.state.new_id(prefix_of(resource.object)))
    if object_id in collection.by_id:
        noun = resource.object.replace("_", " ").capitalize()
        message = f"{noun} already exists."
        raise bad_request(message, code="resource_already_exists", param="id")
    doc = blank(resource.object, object_id, write.now(), write.mode.store)
    merge(doc, given, _fields(resource))
    doc["id"] = object_id
    side_effects.created(write.mode.store, doc, given, write.now())
    shown = collection.put(doc).view()
    unheard = resource.object == "tax_id" and doc["customer"] is None
    for kind in () if unheard else resource.events.created:
        write.log(kind, shown)
    for change in side_effects.after_create(write.mode.store, doc):
        write.log(*change)
    for change in side_effects.discounted(write.mode.store, doc, given):
        write.log(*change)
    return object_id


def _fields(resource: Resource) -> Mapping[str, Shape]:
    return sdk.object_fields(resource.object) or forms.named(resource.accepts)


def update(write: Write, resource: Resource, object_id: str, given: dict[str, Any]) -> None:
    """Change an object; nothing is written down when nothing changes.

    Raises:
        ApiError: 404, there is no such object.
    """
    collection = write.mode.store[resource.object]
    entry = collection.by_id.get(object_id)
    if entry is None:
        raise missing(resource, object_id)
    doc, before = entry.doc(), entry.view()
    merge(doc, given, sdk.object_fields(resource.object))
    side_effects.updated(write.mode.store, doc, given, write.now())
    if doc == entry.doc():
        return
    if "updated" in doc:
        doc["updated"] = write.now()
    after = collection.put(doc).view()
    for kind in resource.events.updated:
        write.log(kind, after, before)
    for change in side_effects.discounted(write.mode.store, doc, given):
        write.log(*change)


def delete(write: Write, resource: Resource, object_id: str) -> Doc | None:
    """Delete an object, or cancel it where that is what DELETE does.

    Returns:
        The stub to answer with; None when the object stays (it was cancelled).

    Raises:
        ApiError: 404, there is no such object (any more).
    """
    collection = write.mode.store[resource.object]
    entry = collection.by_id.get(object_id)
    stub: Doc = {"id": object_id, "object": resource.object, "deleted": True}
    if entry is None:
        raise missing(resource, object_id)
    if resource.gone == "cancel":
        _cancel(write, resource, entry.doc())
        return None
    side_effects.refuse_delete(entry.doc())
    view = entry.view()
    collection.remove(object_id)
    if resource.gone == "stub":
        collection.stubs[object_id] = stub
        for change in side_effects.after_customer(write.mode.store, object_id, write.now()):
            write.log(*change)
    for kind in resource.events.deleted:
        write.log(kind, view)
    return stub


def act(write: Write, resource: Resource, object_id: str, name: str) -> None:
    """Carry out an action, such as finalizing an invoice.

    Raises:
        ApiError: 404 no such object; 400 its state does not allow the action.
    """
    action: Action = resource.actions[name]
    collection = write.mode.store[resource.object]
    entry = collection.by_id.get(object_id)
    if entry is None:
        raise missing(resource, object_id)
    doc, before = entry.doc(), entry.view()
    field, refused = action.unless
    if field and doc.get(field) in refused:
        message = f"This {resource.object} is {doc[field]}: you cannot {name} it."
        raise bad_request(message, code=f"{resource.object}_unexpected_state")
    doc.update(action.sets)
    side_effects.updated(write.mode.store, doc, {}, write.now())
    after = collection.put(doc).view()
    if action.event is not None:
        write.log(action.event, after)
        if action.event not in resource.events.updated:
            for kind in resource.events.updated:
                write.log(kind, after, before)


def missing(resource: Resource, object_id: str) -> Exception:
    """The 404 of an object that does not exist."""
    return no_such(resource.object.replace("_", " "), object_id, param=resource.key)


def merge(doc: Doc, given: Mapping[str, Any], known: Mapping[str, Shape]) -> None:
    """Lay parameters over an object the way Stripe does.

    Nested objects merge, metadata keys are unset by the empty string, arrays are replaced, and
    what has no field of its own is left to the side effects.
    """
    for name, value in given.items():
        shape = known.get(name)
        if shape is None or name in ("id", "object", "created") or shape.kind == "page":
            continue
        if value == "" and shape.nullable:
            doc[name] = None
        elif name == "metadata":
            doc[name] = _metadata(doc.get(name), value)
        elif shape.kind == "ref":
            doc[name] = plain_id(value)
        elif isinstance(value, dict):
            doc[name] = _nested(doc.get(name), value, shape)
        elif value is None and shape.kind in ("list", "map") and not shape.nullable:
            doc[name] = [] if shape.kind == "list" else {}
        elif isinstance(value, list) and _fits(value, shape):
            doc[name] = [_nested(None, v, shape.item) if isinstance(v, dict) else v for v in value]
        elif _fits(value, shape):
            doc[name] = value


def _metadata(old: Any, new: Any) -> dict[str, Any]:
    if new is None:
        return {}
    merged = {**(old or {}), **new}
    return {k: v for k, v in merged.items() if v not in (None, "")}


def _nested(old: Any, new: dict[str, Any], shape: Shape | None) -> Any:
    known = shape is not None and shape.fields_of is not None
    inner = sdk.fields(shape.fields_of) if shape is not None and known else {}
    base = old if isinstance(old, dict) else dict.fromkeys(inner)
    if inner:
        merge(base, new, inner)
    else:
        base.update({k: v for k, v in new.items() if v is not None})
    return base


def _fits(value: Any, shape: Shape) -> bool:
    """Whether a parameter is of the field's kind (``items`` and the like are not)."""
    if value is None:
        return shape.nullable
    if shape.kind == "list":
        return (
            isinstance(value, list)
            and shape.item is not None
            and all(_fits(v, shape.item) for v in value)
        )
    if shape.kind == "object" and shape.fields_of is not None and not shape.targets:
        return isinstance(value, dict) and set(value) <= set(sdk.fields(shape.fields_of))
    kinds: Mapping[str, tuple[type, ...]] = {
        "int": (int,), "bool": (bool,), "float": (int, float), "str": (str,), "decimal": (str,),
        "ref": (str,), "any": (object,),
    }  # fmt: skip
    return isinstance(value, kinds.get(shape.kind, ()))


def _cancel(write: Write, resource: Resource, doc: Doc) -> None:
    if doc.get("status") in _FINAL:
        raise missing(resource, str(doc["id"]))
    doc.update(status="canceled", canceled_at=write.now(), ended_at=write.now())
    shown = write.mode.store[resource.object].put(doc).view()
    for kind in resource.events.deleted:
        write.log(kind, shown)
