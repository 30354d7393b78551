"""Status of a collection's backfill."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

IN_PART = "in part"
"""What the message of a collection begins with from which something is missing."""


class CollectionStatus(StrEnum):
    """Status of a collection's backfill, from the least to the most complete.

    Attributes:
        FAILED: The last run raised an error; the next run resumes from its cursor.
        RUNNING: A run has started and has not ended.
        PENDING: Queued for a run.
        FORBIDDEN: The key lacks a permission.
        UNAVAILABLE: There is no such endpoint, or Stripe refuses it to this account.
        RETIRED: Stripe no longer serves the endpoint.
        DONE: All objects are stored, or all but those that the message names ("in part").
        EMPTY: All objects were read, and there are none.
    """

    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    RETIRED = "retired"
    DONE = "done"
    EMPTY = "empty"

    @classmethod
    def least_complete(cls, statuses: Iterable[CollectionStatus]) -> CollectionStatus:
        """The least complete of several statuses.

        Raises:
            ValueError: There are none.
        """
        order = list(cls)
        return min(statuses, key=order.index)

    @property
    def is_complete(self) -> bool:
        """Whether all objects were read."""
        return self in {CollectionStatus.DONE, CollectionStatus.EMPTY}

    @property
    def is_closed(self) -> bool:
        """Whether Stripe refuses to serve the collection."""
        closed = CollectionStatus.FORBIDDEN, CollectionStatus.UNAVAILABLE, CollectionStatus.RETIRED
        return self in closed

    @property
    def is_unfinished(self) -> bool:
        """Whether the next run may resume from the cursor of the last one."""
        return not (self.is_complete or self.is_closed)
