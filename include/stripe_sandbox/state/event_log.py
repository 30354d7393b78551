"""The log of Stripe events of one account and mode."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from stripe_sandbox.rendering import api_versions
from stripe_sandbox.state import faults
from stripe_sandbox.state.environment import Environment
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc

_DAY = 86_400


def previous_attributes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Doc:
    """The old values of changed fields: nested objects in part, arrays whole, new keys as null."""
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
    """Writes Stripe events, and makes delayed ones visible when they are due.

    Attributes:
        undelivered: Ids of Stripe events that no webhook received.
    """

    def __init__(self, environment: Environment, store: AccountStore) -> None:
        self._environment = environment
        self._store = store
        self._delayed: list[tuple[float, int, Doc]] = []
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
        """Write a Stripe event.

        Args:
            kind: The type, such as ``customer.updated``.
            doc: The default view of the object now, in the newest version; it is not changed.
            old: The object before an update.
            request_id: The request that caused it; None for automatic changes.
            idempotency_key: The key of that request.
            created: Seconds since 1970; now by default.
            account: The connected account of the object.
        """
        version = self._environment.default_version(self._store.account)
        event: Doc = {
            "id": self._environment.new_id("evt_"),
            "object": "event",
            "api_version": version,
            "created": int(self._environment.clock.now()) if created is None else created,
            "data": self._data(kind, doc, old, version),
            "livemode": self._store.livemode,
            "pending_webhooks": self._environment.settings.pending_webhooks,
            "request": {"id": request_id, "idempotency_key": idempotency_key},
            "type": kind,
        }
        if account is not None:
            event["account"] = account
        self.append(event, after=faults.event_delay(self._environment, kind))
        if faults.event_is_duplicated(self._environment, kind):
            self.append({**event, "id": self._environment.new_id("evt_")})
        return event

    def _data(self, kind: str, doc: Doc, old: Doc | None, version: str) -> Doc:
        data: Doc = {"object": self._snapshot(doc, version)}
        if old is not None and kind.endswith("updated"):
            changes = previous_attributes(self._snapshot(old, version), data["object"])
            if changes:
                data["previous_attributes"] = changes
        return data

    def append(self, event: Doc, *, after: float = 0.0) -> None:
        """Add a Stripe event as it is, visible after some seconds."""
        if after > 0:
            self._count += 1
            due = self._environment.clock.now() + after
            heapq.heappush(self._delayed, (due, self._count, event))
        else:
            self._store["event"].put(event)

    def release_due(self) -> None:
        """Make delayed Stripe events visible that are due."""
        now = self._environment.clock.now()
        while self._delayed and self._delayed[0][0] <= now:
            self._store["event"].put(heapq.heappop(self._delayed)[2])

    def delayed_events(self) -> Iterator[tuple[float, Doc]]:
        """The Stripe events that are not visible yet, each after the time when it is due."""
        for due, _, event in sorted(self._delayed, key=lambda delayed: delayed[:2]):
            yield due, event

    def oldest_readable(self) -> int:
        """The creation second of the oldest Stripe event that requests can read."""
        return int(self._environment.clock.now()) - self._environment.settings.retention_days * _DAY

    def _snapshot(self, doc: Doc, version: str) -> Doc:
        copy: Doc = orjson.loads(orjson.dumps(doc))
        return api_versions.downgrade(copy, version, self._store)
