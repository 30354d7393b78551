"""One request, built once and the same on each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any
from urllib.parse import quote

import stripe

from stripe_sync.client.rate_limit.limits import Priority
from stripe_sync.errors import ConfigurationError, InvalidRequest

# The SDK takes these names out of the parameters as its own settings, the API key among them.
_SDK_OPTIONS = frozenset(stripe.RequestOptions.__annotations__) | {"base"}


@dataclass(frozen=True, slots=True)
class StripeRequest:
    """One request to Stripe.

    Attributes:
        method: ``get``, ``post`` or ``delete``.
        template: ``/v1/customers/{customer}``.
        path_params: Values for the braces.
        params: Query or body parameters.
        priority: Live requests are served first.
        options: Settings for the SDK: ``stripe_version``, ``idempotency_key``.
        is_page: Whether the answer is a page of a list.
        is_object: Whether the answer is one of Stripe's objects.
        may_shrink: Whether a page that is cut, late or answered with 5xx is not tried again: the
            caller asks for a smaller one.
        raw_query: Query string as it is, beside ``params``.
        raw_body: Body as it is, instead of ``params``; None for those.

    Raises:
        ConfigurationError: A parameter carries the name of a setting of the SDK, or a value for the
            path is missing or would lead to another endpoint.
    """

    method: str
    template: str
    path_params: Mapping[str, str]
    params: Mapping[str, Any]
    priority: Priority
    options: Mapping[str, str]
    is_page: bool = False
    is_object: bool = False
    may_shrink: bool = False
    raw_query: str = ""
    raw_body: str | None = None
    url: str = field(init=False)

    def __post_init__(self) -> None:
        if taken := _SDK_OPTIONS.intersection(self.params):
            message = f"{', '.join(sorted(taken))}: a setting of Stripe's SDK, not a parameter"
            raise ConfigurationError(message)
        query = f"?{self.raw_query}" if self.raw_query else ""
        object.__setattr__(self, "url", _filled(self.template, self.path_params) + query)

    @property
    def endpoint(self) -> str:
        """Method and template: what limits apply to and messages name."""
        return f"{self.method.upper()} {self.template}"


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The path with quoted values."""
    path = ""
    for text, name, _, _ in Formatter().parse(template):
        path += text
        if name is None:
            continue
        value = values.get(name, "")
        if not value:
            message = f"{template} needs a value for {{{name}}}"
            raise ConfigurationError(message)
        if value in {".", ".."}:
            message = f"{template} cannot name {value!r}: in a URL it stands for a folder"
            raise InvalidRequest(message)
        path += quote(value, safe="")
    return path
