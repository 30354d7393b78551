"""What is refused before anything is sent: the whole call is checked first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from stripe_sync.catalog import Catalog, Collection, Retrieval, load_catalog
from stripe_sync.catalog.calls import placeholders
from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.encoding import encode
from stripe_sync.mutations.sdk_params import ParamType, params_of, sdk_options
from stripe_sync.mutations.verbs import WriteRequest, request_of, routes_of, verbs_of

MAX_RECORDS = 100
"""Records of one call."""

_NOT_WHOLE = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(\.\d*)?[eE][+-]?\d+)")


def check(
    collection_id: str,
    kind: str,
    records: object,
    *,
    catalog: Catalog | None = None,
    allow_unknown_params: bool = False,
) -> tuple[WriteRequest, ...]:
    """Check a call, and make its requests.

    Args:
        collection_id: ``stripe:customer`` or ``stripe.customer``.
        kind: ``create``, ``update``, ``delete`` or an action of the collection.
        records: 1 to 100 objects: the parameters of each request with the ids that its path needs.
            The same object may be named several times; the order is kept.
        catalog: All collections; None for those that ship with this package.
        allow_unknown_params: Whether parameters may be sent that Stripe's SDK does not know:
            preview features, old versions.

    Returns:
        A request per record, in their order. Each can be encoded.

    Raises:
        ConfigurationError: ``param`` is what is wrong: ``collection_id``, ``kind``, ``records``,
            ``records[3].id``.
    """
    collection = collection_to_write(collection_id, catalog or load_catalog())
    _check_kind(collection, kind)
    return tuple(
        _request(collection, kind, record, f"records[{index}]", allow_unknown_params)
        for index, record in enumerate(_listed(records))
    )


def check_verb(collection_id: object, kind: object = None) -> None:
    """Check collection and verb of a call alone; cheap enough for every parse of a DAG.

    Args:
        collection_id: Id of the collection.
        kind: The verb; None where it is not known yet.

    Raises:
        ConfigurationError: There is no such collection, nobody can write it, or it has no such
            verb; ``param`` is ``collection_id`` or ``kind``.
    """
    collection = collection_to_write(collection_id, load_catalog())
    if kind is not None:
        _check_kind(collection, kind)


def single_values(collection_id: str, kind: str) -> tuple[str, ...]:
    """Names of the parameters of a verb whose value is one text, number or yes or no.

    Args:
        collection_id: Id of the collection.
        kind: The verb.

    Returns:
        Sorted; empty where Stripe's SDK does not know the request.

    Raises:
        ConfigurationError: As for ``check_verb``.
    """
    collection = collection_to_write(collection_id, load_catalog())
    _check_kind(collection, kind)
    method, template = routes_of(collection, kind)[-1]
    known = params_of(method, template) or {}
    return tuple(sorted(name for name, each in known.items() if not (each.fields or each.items)))


def collection_to_write(collection_id: object, catalog: Catalog) -> Collection:
    """The collection of a call.

    Raises:
        ConfigurationError: There is no such collection, or nobody can write it.
    """
    if not isinstance(collection_id, str):
        message = "collection_id is the id of a collection, such as stripe:customer"
        raise ConfigurationError(message, param="collection_id")
    short = re.sub(r"^stripe[:.]", "", collection_id.strip())
    collection = catalog.parent_only.get(f"stripe:{short}")
    if collection is None:
        try:
            collection = catalog.resolve(collection_id)
        except ConfigurationError as error:
            raise ConfigurationError(str(error), param="collection_id") from None
    if not verbs_of(collection):
        message = f"{collection.id} cannot be written: {_why_not(collection, catalog)}"
        raise ConfigurationError(message, param="collection_id")
    return collection


def _why_not(collection: Collection, catalog: Catalog) -> str:
    """Why nobody can write a collection, and what to write instead."""
    named = (*collection.parents, *(source.collection for source in collection.sources))
    owners = [catalog.parent(name) for name in dict.fromkeys(named)]
    written = ", ".join(each.id for each in owners if verbs_of(each))
    if collection.parent_only:
        return "it is only read, to find the objects below it"
    if collection.retrieval is Retrieval.PREVIEW:
        return "Stripe computes it; write the subscription or invoice items that it is made of"
    if written:
        return f"Stripe makes it together with other objects; write {written}"
    return "Stripe makes it itself"


def _check_kind(collection: Collection, kind: object) -> None:
    if not isinstance(kind, str) or kind not in verbs_of(collection):
        # The same error as for one request: it lists the verbs that there are.
        request_of(collection, str(kind), {})


def _listed(records: object) -> list[object]:
    if not isinstance(records, list | tuple):
        message = "records must be an array of objects"
    elif not records:
        message = "records is empty: give at least one object"
    elif len(records) > MAX_RECORDS:
        message = f"records has {len(records)} objects: at most {MAX_RECORDS} go into one call"
    else:
        return list(records)
    raise ConfigurationError(message, param="records")


def _request(
    collection: Collection, kind: str, record: object, place: str, allow_unknown: bool
) -> WriteRequest:
    if not isinstance(record, Mapping):
        message = f"{place} is not an object"
        raise ConfigurationError(message, param=place)
    try:
        request = request_of(collection, kind, record)
        _check_body(request, collection, kind, allow_unknown=allow_unknown)
    except ConfigurationError as error:
        where = f"{place}.{error.param}" if error.param else place
        message = f"{where}: {error}"
        raise ConfigurationError(message, param=where) from None
    return request


def _check_body(
    request: WriteRequest, collection: Collection, kind: str, *, allow_unknown: bool
) -> None:
    taken = [name for name in request.body if name in sdk_options()]
    if taken:
        message = f"{taken[0]} is a setting of the request, not a parameter of Stripe's"
        raise ConfigurationError(message, param=taken[0])
    if "expand" in request.body:
        message = "records are stored unexpanded: read the objects afterwards"
        raise ConfigurationError(message, param="expand")
    encode(request.body)
    known = params_of(request.method, request.template)
    if known is None:
        return
    for name, problem in _problems(request.body, known, "", allow_unknown):
        hint = _hint(request, collection, kind, name) if problem is None else ""
        message = problem or f"{request.method.upper()} {request.template} has no parameter {name}"
        raise ConfigurationError(message + hint, param=name)


def _problems(
    value: Any, known: Mapping[str, ParamType], place: str, allow_unknown: bool
) -> Iterator[tuple[str, str | None]]:
    """Places of what Stripe would refuse, with the reason; None where the name is unknown."""
    for key, inner in value.items():
        name = f"{place}.{key}" if place else key
        if key not in known:
            if not allow_unknown:
                yield name, None
            continue
        yield from _value_problems(inner, known[key], name, allow_unknown)


def _value_problems(
    value: Any, kind: ParamType, place: str, allow_unknown: bool
) -> Iterator[tuple[str, str | None]]:
    if isinstance(value, Mapping):
        if kind.fields:
            yield from _problems(value, kind.fields, place, allow_unknown)
        elif kind.items:
            for key, inner in value.items():
                yield from _value_problems(inner, kind.items, f"{place}.{key}", allow_unknown)
    elif isinstance(value, list | tuple):
        if kind.items:
            for index, item in enumerate(value):
                yield from _value_problems(item, kind.items, f"{place}[{index}]", allow_unknown)
    elif kind.is_integer and _is_no_integer(value):
        yield place, f"{place} must be a whole number, without a decimal point"


def _is_no_integer(value: object) -> bool:
    if isinstance(value, str):
        return _NOT_WHOLE.fullmatch(value.strip()) is not None
    return isinstance(value, float | Decimal | bool)


def _hint(request: WriteRequest, collection: Collection, kind: str, name: str) -> str:
    """What was meant by an unknown parameter."""
    if name == "id":
        return ": Stripe gives the id"
    parents = {n for _, path in routes_of(collection, kind) for n in placeholders(path)}
    if name in parents:
        return f": give either {' or '.join(sorted({name, *request.path_params} - {'id'}))}"
    head, _, last = name.rpartition(".")
    close = get_close_matches(last, _known_at(request, head), n=2)
    meant = f": did you mean {' or '.join(close)}?" if close else ""
    return f"{meant}; allow_unknown_params sends it all the same"


def _known_at(request: WriteRequest, place: str) -> list[str]:
    """The names of the parameters of an object in the body."""
    known = params_of(request.method, request.template) or {}
    for part in re.findall(r"[^.\[\]]+", place):
        inner = known.get(part)
        items = inner.items if inner else None
        known = (inner.fields if inner else None) or (items.fields if items else None) or known
    return [name for name in known if name != "expand"]
