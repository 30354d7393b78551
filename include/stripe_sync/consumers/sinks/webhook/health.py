"""Whether the target is down, or stumbles over some objects."""

from __future__ import annotations

from uuid import UUID

from stripe_sync.consumers.sinks.webhook.failures import Blame

ObjectKey = tuple[UUID, str, str]
"""Sync, collection, Stripe's id."""

_MOST_FAILURES = 10
"""Different objects that fail before the target counts as down, whatever the failures are."""

_MOST_UNCLEAR_FAILURES = 2
"""The same for failures that may be the target's."""

_MOST_KNOWN = 10_000


class TargetHealth:
    """Counts what failed since the last success.

    One object that a receiver stumbles over must not stop the delivery of all others, nor must a
    target that is down be asked for each of a thousand items.

    Args:
        has_worked: Whether an item was ever delivered. If none was, a first failure is more likely
            the target's.
    """

    def __init__(self, *, has_worked: bool) -> None:
        self.has_worked = has_worked
        self._in_batch: set[ObjectKey] = set()
        self._new: set[ObjectKey] = set()
        self._unclear: set[ObjectKey] = set()
        self._known: set[ObjectKey] = set()

    @property
    def is_down(self) -> bool:
        """Whether it is likely that no item can be delivered.

        Objects that fail by themselves do not count: delivered again without others, they would
        hold up all that comes after them.
        """
        enough = _MOST_UNCLEAR_FAILURES if self.has_worked else 1
        return len(self._unclear) >= enough or len(self._new) >= _MOST_FAILURES

    @property
    def is_hopeless(self) -> bool:
        """Whether there is no point in trying the rest of the batch now."""
        return len(self._in_batch) >= _MOST_FAILURES

    def begin(self) -> None:
        """A batch begins."""
        self._in_batch.clear()

    def succeeded(self, key: ObjectKey) -> None:
        """An item of an object was delivered."""
        self.has_worked = True
        for failed in (self._in_batch, self._new, self._unclear):
            failed.clear()
        self._known.discard(key)

    def failed(self, key: ObjectKey, blame: Blame, *, again: bool) -> None:
        """An item was not delivered.

        Args:
            key: Its object.
            blame: Whose fault it may be.
            again: Whether it is one that failed before.
        """
        self._in_batch.add(key)
        if again or key in self._known:
            return
        self._new.add(key)
        if blame is Blame.EITHER:
            self._unclear.add(key)

    def remember(self, key: ObjectKey) -> None:
        """An object fails by itself."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(key)
