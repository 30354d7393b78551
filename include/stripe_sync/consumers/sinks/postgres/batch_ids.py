"""Ids of batches: random, with the mark of the batch in their second half.

So the table of the cursors, which an administrator may have made, needs no column for it.
"""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

_WITH_MARK = 8
"""Version of a UUID whose other bits are the application's."""

_MARK = (1 << 62) - 1


def new_batch_id(mark: int | None) -> UUID:
    """An id that no batch has had."""
    if mark is None:
        return uuid4()
    first = secrets.randbits(64) & ~0xF000 | _WITH_MARK << 12
    return UUID(int=first << 64 | 0b10 << 62 | mark)


def mark_of(batch_id: UUID | None) -> int | None:
    """The mark in an id; None where it has none."""
    if batch_id is None or batch_id.version != _WITH_MARK:
        return None
    return batch_id.int & _MARK
