"""Requests of others, and what of them is refused before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import uuid4

from stripe_sync.catalog import Catalog
from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.proxy.templates import template_of
from stripe_sync.records import ids
from stripe_sync.records.observation import KEY_PREFIX

METHODS = ("GET", "POST", "DELETE")

_ENCODED = re.compile(r"[!-~]*")
_LONGEST_KEY = 255
_KEY = re.compile(rf"[ -~]{{1,{_LONGEST_KEY}}}")
_VERSION = re.compile(r"[ -~]{1,200}")
_EXPAND = re.compile(r"expand(\[|$)")
# What Stripe's browser library says of itself in parameters: whose account, by which key.
_IDENTITY = re.compile(r"_stripe_\w+|key")


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A request to Stripe, without the key.

    Attributes:
        method: ``GET``, ``POST`` or ``DELETE``.
        path: ``v1/customers/cus_1``, decoded.
        query: The query string as it is to be sent.
        body: The form-encoded body as it is to be sent; None for none.
        idempotency_key: Key of a POST, which Stripe gets with our prefix; None for none.
        api_version: Stripe-Version; None for the sync's own.
    """

    method: str
    path: str
    query: str = ""
    body: str | None = None
    idempotency_key: str | None = None
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request.

    Attributes:
        method: ``get``, ``post`` or ``delete``.
        template: ``/v1/customers/{id}``.
        path_params: Values of its placeholders.
        query: Query string.
        body: Body of a POST.
        idempotency_key: Key of a POST; None for other methods.
        api_version: Stripe-Version, None for the sync's own.
        expands: Whether it asks for expanded fields.
    """

    method: str
    template: str
    path_params: dict[str, str]
    query: str
    body: str | None
    idempotency_key: str | None
    api_version: str | None
    expands: bool


def checked(request: ProxyRequest, catalog: Catalog) -> Call:
    """Check a request.

    Args:
        request: The request.
        catalog: All collections.

    Raises:
        ConfigurationError: It is none that may be sent; ``param`` is what is wrong.
    """
    method = request.method.upper()
    if method not in METHODS:
        message = f"the method is {', '.join(METHODS[:-1])} or {METHODS[-1]}"
        raise ConfigurationError(message, param="method")
    template, path_params = template_of(catalog, method.lower(), _segments(request.path))
    query, body = request.query, request.body
    if method == "DELETE" and body:
        # The parameters of a DELETE are in the query string.
        query, body = "&".join(filter(None, (query, body))), None
    if method == "GET" and body:
        message = "a GET has no body: put the parameters into the query string"
        raise ConfigurationError(message, param="body")
    names = [*_names(query, "query"), *_names(body or "", "body")]
    return Call(
        method=method.lower(),
        template=template,
        path_params=path_params,
        query=query,
        body=(body or "") if method == "POST" else None,
        idempotency_key=_key(request) if method == "POST" else None,
        api_version=_version(request),
        expands=any(_EXPAND.match(name) for name in names),
    )


def _segments(path: str) -> list[str]:
    segments = path.removeprefix("/").split("/")
    if segments[0] == "v2":
        message = "Stripe's v2 API has other rules for keys and bodies: the proxy has v1 only"
    elif segments[0] != "v1" or len(segments) < 2:  # noqa: PLR2004 - version and resource
        message = "give the path at Stripe, which begins with v1/: v1/customers"
    elif problem := next(filter(None, map(_problem_of, segments)), None):
        message = f"the path {problem}"
    elif segments[1] == "files":
        message = "files go to and come from files.stripe.com, which is no part of the proxy"
    else:
        return segments
    raise ConfigurationError(message, param="path")


def _problem_of(segment: str) -> str | None:
    if not segment:
        return "has an empty part: '//', or '/' at its end"
    if segment in {".", ".."}:
        return "has a part '.' or '..', which stands for a folder"
    if "\\" in segment or not segment.isprintable():
        return "has a character that no path at Stripe has"
    return None


def _names(text: str, where: str) -> list[str]:
    """Names of the parameters of an encoded text."""
    if not _ENCODED.fullmatch(text) or "#" in text:
        message = f"the {where} is not form-encoded: name=value&name=value, with %xx for others"
        raise ConfigurationError(message, param=where)
    names = [name for name, _ in parse_qsl(text, keep_blank_values=True)]
    if taken := next(filter(_IDENTITY.fullmatch, names), None):
        message = f"{taken} is not passed on: the sync has the key and the account"
        raise ConfigurationError(message, param=taken)
    return names


def _key(request: ProxyRequest) -> str:
    """The key that Stripe is sent: by its beginning polling knows what we have written."""
    key = request.idempotency_key
    if key is None:
        return f"{KEY_PREFIX}{uuid4()}"
    if not _KEY.fullmatch(key):
        message = "an idempotency key has 1 to 255 printable ASCII characters"
        raise ConfigurationError(message, param="Idempotency-Key")
    whole = f"{KEY_PREFIX}{key}"
    return whole if len(whole) <= _LONGEST_KEY else f"{KEY_PREFIX}{ids.fingerprint(key.encode())}"


def _version(request: ProxyRequest) -> str | None:
    version = request.api_version
    if version is not None and not _VERSION.fullmatch(version):
        message = "a Stripe version is a text such as 2026-10-28.endive"
        raise ConfigurationError(message, param="Stripe-Version")
    return version
