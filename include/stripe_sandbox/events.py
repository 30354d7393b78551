"""What is special about reading Stripe events: their types and their age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox import forms, listing
from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.eventlog import EventLog
from stripe_sandbox.listing import ListQuery
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.store import AccountStore

MAX_TYPES = 20


def parse(log: EventLog, store: AccountStore, tree: Mapping[str, Any]) -> ListQuery:
    """Understand a request for Stripe events.

    Raises:
        ApiError: 400, a parameter does not fit or the cursor is older than the retention.
    """
    row = RESOURCES["event"]
    rest = {k: v for k, v in tree.items() if k not in ("type", "types", "delivery_success")}
    query = listing.parse(row, rest)
    query.first = max(query.first, log.horizon())
    cursor = query.after or query.before
    entry = store["event"].by_id.get(cursor) if cursor else None
    if entry is not None and entry.created < log.horizon():
        param = "starting_after" if query.after else "ending_before"
        message = (
            f"The event '{cursor}' cannot be a cursor: it has aged out of our retention policy"
        )
        raise bad_request(message, param=param)
    given = forms.coerce_all(
        {k: v for k, v in tree.items() if k not in rest}, listing.list_shapes(row)
    )
    _by_type(query, given.get("type"), given.get("types"))
    delivered = given.get("delivery_success")
    if delivered is not None:
        query.checks.append(lambda doc: (doc["id"] not in log.undelivered) is delivered)
    return query


def check_age(log: EventLog, store: AccountStore, event_id: str) -> None:
    """Refuse a Stripe event that is older than the retention.

    Raises:
        ApiError: 404.
    """
    entry = store["event"].by_id.get(event_id)
    if entry is not None and entry.created < log.horizon():
        raise no_such(RESOURCES["event"].object, event_id)


def _by_type(query: ListQuery, kind: str | None, kinds: list[str] | None) -> None:
    if kind and kinds:
        message = "You may only specify one of these parameters: type, types."
        raise bad_request(message, param="types")
    if kinds is not None and len(kinds) > MAX_TYPES:
        message = f"Array must have at most {MAX_TYPES} elements."
        raise bad_request(message, param="types")
    if kinds:
        wanted = set(kinds)
        query.checks.append(lambda doc: doc["type"] in wanted)
    elif kind and kind.endswith("*"):
        stem = kind[:-1]
        query.checks.append(lambda doc: doc["type"].startswith(stem))
    elif kind:
        query.equals.append(("type", kind))
