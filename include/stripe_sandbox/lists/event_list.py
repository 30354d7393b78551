"""List requests for Stripe events: their types and their retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.lists import list_query
from stripe_sandbox.lists.list_query import ListQuery
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.state.event_log import EventLog
from stripe_sandbox.storage.account_store import AccountStore

MAX_TYPES = 20


def parse(log: EventLog, store: AccountStore, tree: Mapping[str, Any]) -> ListQuery:
    """Parse a list request for Stripe events.

    Raises:
        ApiError: 400, a parameter has another type or the cursor is older than the retention.
    """
    resource = RESOURCES["event"]
    rest = {k: v for k, v in tree.items() if k not in ("type", "types", "delivery_success")}
    query = list_query.parse(resource, rest)
    query.first = max(query.first, log.oldest_readable())
    cursor = query.after or query.before
    stored = store["event"].by_id.get(cursor) if cursor else None
    if stored is not None and stored.created < log.oldest_readable():
        param = "starting_after" if query.after else "ending_before"
        message = (
            f"The event '{cursor}' cannot be a cursor: it has aged out of our retention policy"
        )
        raise bad_request(message, param=param)
    given = form_parameters.coerce_params(
        {k: v for k, v in tree.items() if k not in rest}, list_query.list_schemas(resource)
    )
    _filter_by_type(query, given.get("type"), given.get("types"))
    delivered = given.get("delivery_success")
    if delivered is not None:
        query.checks.append(lambda doc: (doc["id"] not in log.undelivered) is delivered)
    return query


def check_retention(log: EventLog, store: AccountStore, event_id: str) -> None:
    """Refuse a Stripe event that is older than the retention.

    Raises:
        ApiError: 404.
    """
    stored = store["event"].by_id.get(event_id)
    if stored is not None and stored.created < log.oldest_readable():
        raise no_such(RESOURCES["event"].object, event_id)


def _filter_by_type(query: ListQuery, kind: str | None, kinds: list[str] | None) -> None:
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
