"""What a user sets of a webhook consumer."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from yarl import URL

from stripe_sync.consumers.sink import SinkSettings

_LONGEST_URL = 2_000


class WebhookSettings(SinkSettings):
    """Settings of a webhook consumer.

    Attributes:
        allow_http: Whether ``http://`` will do, which shows the items to the network.
        url: ``https://…``, without user or password. It may be read by all who see the consumer.
        allow_addresses: Networks that may be posted to although they are not public:
            ``10.0.0.0/8``. Link-local ones only where they are named themselves.
        timeout_seconds: Time in which an item must be answered.
        concurrency: Most requests at once.
    """

    allow_http: bool = False
    url: Annotated[str, Field(max_length=_LONGEST_URL)]
    allow_addresses: Annotated[tuple[IPv4Network | IPv6Network, ...], Field(max_length=100)] = ()
    timeout_seconds: Annotated[float, Field(ge=1, le=30)] = 15.0
    concurrency: Annotated[int, Field(ge=1, le=100)] = 16

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str, others: ValidationInfo) -> str:
        # The message must not repeat the URL, which may have a secret in its query.
        try:
            url = URL(value)
            complete = url.scheme in ("http", "https") and bool(url.host) and bool(url.port)
            (url.raw_host or "").encode("idna")  # what looks a name up refuses it there
        except ValueError:
            complete = False
        if not complete or not value.isprintable() or " " in value:
            message = "it is a whole URL, https://host/path"
            raise ValueError(message)
        if url.scheme != "https" and not others.data.get("allow_http"):
            message = "it begins with https://; allow_http: true lets http:// pass"
            raise ValueError(message)
        if url.user is not None or url.password is not None:
            message = "it has a user or password; a receiver knows us by the signature"
            raise ValueError(message)
        if url.fragment:
            message = "it has a fragment (#…), which no receiver would see"
            raise ValueError(message)
        return value

    @field_validator("allow_addresses", mode="before")
    @classmethod
    def _are_networks(cls, value: Any) -> Any:
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)):
            message = "it is a list of networks such as 10.0.0.0/8"
            raise ValueError(message)
        try:
            return tuple(ip_network(text) for text in texts)
        except ValueError:
            message = "each is a network such as 10.0.0.0/8 or fd00::/8, without bits behind it"
            raise ValueError(message) from None
