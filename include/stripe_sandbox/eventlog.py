"""The log of Stripe events of one account and mode."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from stripe_sandbox import faults, versions
from stripe_sandbox.entries import Doc
from stripe_sandbox.store import AccountStore

if TYPE_CHECKING:
    from stripe_sandbox.state import State

_DAY = 86_400


def previous_attributes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Doc:
    """The old values of what changed: nested objects in part, arrays whole, new keys as null."""
    changed: Doc = {}
    for key in (*old, *(k for k in new if k not in old)):
        before, after = old.get(key), new.get(key)
        if before == after and type(before) is type(after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            nested = previous_attributes(before, after)
            if nested:
                changed[key] = nested
        else:
            changed[key] = before
    return changed


class EventLog:
    """Writes Stripe events, and makes them visible when their time has come."""

    def __init__(self, state: State, store: AccountStore) -> None:
        self._state = state
        self._store = store
        self._late: list[tuple[float, int, Doc]] = []
        self._count = 0
        self.undelivered: set[str] = set()

    def write(
        self,
        kind: str,
        doc: Doc,
        *,
        old: Doc | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
        created: int | None = None,
        account: str | None = None,
    ) -> Doc:
        """Write down what happened to an object.

        Args:
            kind: The type, such as ``customer.updated``.
            doc: The object now, as shown by default in the newest version; it is left alone.
            old: The object before, for an update.
            request_id: The request that did it; None for automatic ones.
            idempotency_key: The key of that request.
            created: When it happened, in seconds since 1970; now by default.
            account: The connected account that it happened to.
        """
        version = self._state.default_version(self._store.account)
        event: Doc = {
            "id": self._state.new_id("evt_"),
            "object": "event",
            "api_version": version,
            "created": int(self._state.clock.now()) if created is None else created,
            "data": self._data(kind, doc, old, version),
            "livemode": self._store.livemode,
            "pending_webhooks": self._state.settings.pending_webhooks,
            "request": {"id": request_id, "idempotency_key": idempotency_key},
            "type": kind,
        }
        if account is not None:
            event["account"] = account
        self.append(event, after=faults.event_delay(self._state, kind))
        if faults.event_twice(self._state, kind):
            self.append({**event, "id": self._state.new_id("evt_")})
        return event

    def _data(self, kind: str, doc: Doc, old: Doc | None, version: str) -> Doc:
        data: Doc = {"object": self._snapshot(doc, version)}
        if old is not None and kind.endswith("updated"):
            changes = previous_attributes(self._snapshot(old, version), data["object"])
            if changes:
                data["previous_attributes"] = changes
        return data

    def append(self, event: Doc, *, after: float = 0.0) -> None:
        """Add a Stripe event as it is, to be seen after some seconds."""
        if after > 0:
            self._count += 1
            due = self._state.clock.now() + after
            heapq.heappush(self._late, (due, self._count, event))
        else:
            self._store["event"].put(event)

    def surface(self) -> None:
        """Make the late ones visible whose time has come."""
        now = self._state.clock.now()
        while self._late and self._late[0][0] <= now:
            self._store["event"].put(heapq.heappop(self._late)[2])

    def waiting(self) -> Iterator[tuple[float, Doc]]:
        """The late ones that are still out of sight, with the time of their appearance."""
        for due, _, event in sorted(self._late, key=lambda late: late[:2]):
            yield due, event

    def horizon(self) -> int:
        """The creation second of the oldest Stripe event that can still be read."""
        return int(self._state.clock.now()) - self._state.settings.retention_days * _DAY

    def _snapshot(self, doc: Doc, version: str) -> Doc:
        copy: Doc = orjson.loads(orjson.dumps(doc))
        return versions.render(copy, version, self._store)
