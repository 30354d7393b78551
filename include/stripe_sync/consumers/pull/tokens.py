"""Ack tokens: each names one delivery of one item."""

from __future__ import annotations

import base64
import binascii
import secrets
import struct
from collections.abc import Iterable
from uuid import UUID

from stripe_sync.streams.items import ItemKey
from stripe_sync.warehouse.consumers.pull_items import GivenToken

_TOKEN = struct.Struct(">16sq12s")
_LENGTH = 48


def new_batch() -> bytes:
    """What is random in the tokens of a batch: no other delivery of its items has the same."""
    return secrets.token_bytes(12)


def token_of(key: ItemKey, batch: bytes) -> str:
    """The token of a delivery of an item, of letters, digits, ``-`` and ``_``."""
    sync_id, seq = key
    return base64.urlsafe_b64encode(_TOKEN.pack(sync_id.bytes, seq, batch)).decode()


def parse_tokens(texts: Iterable[str]) -> list[GivenToken]:
    """The tokens among some texts, each once; the others can be none of a delivery."""
    return [token for text in dict.fromkeys(texts) if (token := _parse(text)) is not None]


def _parse(text: str) -> GivenToken | None:
    if len(text) != _LENGTH:
        return None
    try:
        sync_id, seq, _ = _TOKEN.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, struct.error):
        return None
    return GivenToken(UUID(bytes=sync_id), seq, text)
