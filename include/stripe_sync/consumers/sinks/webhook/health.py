"""Whether the target is down, or stumbles over some objects."""

from __future__ import annotations

from uuid import UUID

from stripe_sync.consumers.sinks.webhook.failures import Blame
from stripe_sync.records.canonical_json import JsonObject

ObjectKey = tuple[UUID, str, str]
"""Sync, collection, Stripe's id."""

_MOST_FAILURES = 10
"""Different objects that fail before the target counts as down, whatever the failures are."""

_MOST_UNCLEAR_FAILURES = 2
"""The same for failures that may be the target's."""

_HAS_WORKED, _UNCLEAR = "has_worked", "unclear_failures"


class TargetHealth:
    """Counts what failed since the last success.

    One object that a receiver stumbles over must not stop the delivery of all others, nor must a
    target that is down be asked for each of a thousand items.

    Args:
        position: What ``position`` returned in an earlier process; None at first.
    """

    def __init__(self, position: JsonObject | None) -> None:
        stored = position or {}
        self._has_worked = stored.get(_HAS_WORKED) is True
        self._unclear_before = int(stored.get(_UNCLEAR) or 0)
        self._in_batch: set[ObjectKey] = set()
        self._new: set[ObjectKey] = set()
        self._unclear: set[ObjectKey] = set()

    def position(self) -> JsonObject:
        """What to store: without it, each new process would take one bad object for a dead target.

        It has no names of objects, so it has the same few bytes always.
        """
        count = self._unclear_before + len(self._unclear)
        return {_HAS_WORKED: self._has_worked, _UNCLEAR: min(count, _MOST_UNCLEAR_FAILURES)}

    @property
    def is_down(self) -> bool:
        """Whether it is likely that no item can be delivered.

        Items that failed before do not count: delivered again without others, they would hold up
        all that comes after them. Where nothing ever was delivered, one failure is enough.
        """
        enough = _MOST_UNCLEAR_FAILURES if self._has_worked else 1
        is_down = self._unclear_before + len(self._unclear) >= enough
        return is_down or len(self._new) >= _MOST_FAILURES

    @property
    def is_hopeless(self) -> bool:
        """Whether there is no point in trying the rest of the batch now."""
        return len(self._in_batch) >= _MOST_FAILURES

    def begin(self) -> None:
        """A batch begins."""
        self._in_batch.clear()

    def succeeded(self) -> None:
        """An item was delivered."""
        self._has_worked = True
        self._unclear_before = 0
        for failed in (self._in_batch, self._new, self._unclear):
            failed.clear()

    def failed(self, key: ObjectKey, blame: Blame, *, again: bool) -> None:
        """An item was not delivered.

        Args:
            key: Its object.
            blame: Whose fault it may be.
            again: Whether it is one that failed before.
        """
        self._in_batch.add(key)
        if again:
            return
        self._new.add(key)
        if blame is Blame.EITHER:
            self._unclear.add(key)
