"""Where a reader of several syncs is: a stream position for each of them, as one opaque text."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from stripe_sync.errors import ConfigurationError

_VERSION = b"\x01"
_ENTRY = struct.Struct(">16sq")


@dataclass(frozen=True, slots=True)
class StreamCursor:
    """A position for each sync; a sync that it lacks is read from its beginning.

    The record and the event stream have the same positions, so a cursor of one serves the other.

    Attributes:
        positions: ``seq`` of what was read last, by the sync's id, in the order in which the syncs
            are read next.
    """

    positions: Mapping[UUID, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """The opaque text, of letters, digits, ``-`` and ``_``."""
        entries = (_ENTRY.pack(sync.bytes, seq) for sync, seq in self.positions.items())
        return base64.urlsafe_b64encode(_VERSION + b"".join(entries)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> StreamCursor:
        """The cursor of a text.

        Raises:
            ConfigurationError: The text is no cursor.
        """
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            entries = list(_ENTRY.iter_unpack(data[1:]))
        except (ValueError, binascii.Error, struct.error):
            data, entries = b"", []
        cursor = cls({UUID(bytes=sync): seq for sync, seq in entries})
        if (
            data[:1] != _VERSION
            or str(cursor) != text
            or min(cursor.positions.values(), default=0) < 0
        ):
            message = "this is no cursor of the streams: pass one as it was returned"
            raise ConfigurationError(message, param="after_cursor")
        return cursor

    def moved(self, sync: UUID, seq: int) -> StreamCursor:
        """The same with another position of one sync."""
        return StreamCursor({**self.positions, sync: seq})
