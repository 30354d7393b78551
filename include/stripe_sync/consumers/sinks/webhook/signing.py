"""Signatures as Standard Webhooks prescribe."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Self
from uuid import UUID

from standardwebhooks.webhooks import Webhook

from stripe_sync.consumers.sink import SinkContext
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import ids
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Stream

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_LEAST_BYTES, _MOST_BYTES = 24, 64
_MOST_SECRETS = 10


def new_webhook_secret() -> str:
    """A fresh secret, ``whsec_…``."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def webhook_id(stream: Stream, item: StreamItem) -> str:
    """What names a message, the same for each try: a UUID.

    That of a record changes with each of its changes, since a receiver drops what it has seen.
    """
    values = item.json()
    if stream == Stream.EVENTS:
        return str(values["id"])
    state = (values[name] for name in ("inserted_at", "updated_idx", "payload_hash"))
    return str(ids.record_version_id(UUID(values["id"]), *state))


class Signer:
    """Signs with each secret that is valid, so that a receiver may know any of them.

    Args:
        secrets: ``whsec_…`` each.

    Raises:
        ValueError: One is none.
    """

    def __init__(self, *secrets: str) -> None:
        for secret in secrets:
            _check(secret)
        self._webhooks = [Webhook(secret) for secret in secrets]

    @classmethod
    def of(cls, context: SinkContext) -> Self:
        """The signer of a consumer.

        Raises:
            ConfigurationError: Its connection has no secrets.
        """
        if context.connection is None:
            message = "a webhook consumer needs a connection, whose password is its secret"
            raise ConfigurationError(message, param="connection_id")
        found = (context.connection.password or "").split()
        try:
            if not 0 < len(found) <= _MOST_SECRETS:
                raise ValueError
            return cls(*found)
        except ValueError:
            message = (
                f"the password of connection {context.connection.id} must be the consumer's secret"
                f" {_PREFIX}… (base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes), while it is"
                " rotated the new and the old one with a space in between"
            )
            raise ConfigurationError(message, param="connection_id") from None

    def headers(self, message_id: str, moment: datetime, body: str) -> Mapping[str, str]:
        """The headers of one try.

        Args:
            message_id: Names the message, without ``.``.
            moment: Now, in UTC: the library takes any other zone for UTC.
            body: The text that is sent; of bytes the library would sign their Python notation.
        """
        signatures = (webhook.sign(message_id, moment, body) for webhook in self._webhooks)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _check(secret: str) -> None:
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        message = "this is no secret of a webhook"
        raise ValueError(message)
