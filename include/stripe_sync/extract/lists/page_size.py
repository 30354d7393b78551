"""How many objects a page is asked for: fewer where pages do not arrive, then more again."""

from __future__ import annotations

from dataclasses import dataclass

PAGE_SIZE = 100
"""Stripe's largest page."""

_LONGEST_PATIENCE = 32


@dataclass(slots=True)
class PageSize:
    """Number of objects per page of one list.

    A page that does not arrive halves it, down to 1. Pages that arrive double it. A size that fails
    again waits for twice as many pages.

    Attributes:
        limit: Objects to ask for.
    """

    limit: int = PAGE_SIZE
    _patience: int = 1  # pages that must arrive before more objects are asked for
    _arrived: int = 0
    _grown: bool = False

    def shrink(self, limit: int) -> None:
        """Take note that a page of this many objects did not arrive."""
        if self._grown:
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
        self.limit = min(self.limit, max(1, limit // 2))
        self._arrived, self._grown = 0, False

    def grow(self, limit: int) -> None:
        """Take note that a page of this many objects arrived."""
        if limit < self.limit:
            return
        self._arrived += 1
        if self._arrived < self._patience:
            return
        self._arrived = 0
        if self.limit == PAGE_SIZE:
            self._patience, self._grown = 1, False
        else:
            self.limit, self._grown = min(2 * self.limit, PAGE_SIZE), True
