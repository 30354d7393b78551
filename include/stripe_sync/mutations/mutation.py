"""What somebody wants to write, and the requests that are stored of it, with their keys.

Keys are deterministic, so that a retry sends what its first try has sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid4

from stripe_sync.catalog import Collection
from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.encoding import encode
from stripe_sync.mutations.verbs import WriteRequest
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.observation import KEY_PREFIX
from stripe_sync.warehouse.mutations.intents import NewIntent

MAX_AWAIT_SECONDS = 600
"""Longest wait for consumers."""

OnError = Literal["stop", "continue"]

ApprovalRule = Literal["never", "form", "always"]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What somebody wants to write.

    Attributes:
        collection_id: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action such as ``cancel``.
        records: 1 to 100 objects: Stripe's parameters, with the ids that the path needs.
        key: Same key, same run: a run that was executed is answered from the store for 30 days.
            None for a run that is never tried again.
        attempt: How often a person has asked for this run; a higher number sends again what Stripe
            has refused.
        keep_stored: Whether a run that was stored with other parameters is sent as it was stored;
            else it is refused.
        allow_unknown_params: Whether parameters are sent that Stripe's SDK does not know.
        approval: Whether it is sent only if a person approved: ``form`` where the sync's settings
            say so of what a form writes.

    Raises:
        ConfigurationError: The key is no text, or an empty one, which would be no key at all.
    """

    collection_id: str
    kind: str
    records: Sequence[JsonObject]
    key: str | None = None
    attempt: int = 1
    keep_stored: bool = False
    allow_unknown_params: bool = False
    approval: ApprovalRule = "never"

    def __post_init__(self) -> None:
        if self.key is not None and not _is_key(self.key):
            message = "key is a text that is not empty, or None for a run that is never tried again"
            raise ConfigurationError(message, param="key")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the requests of a mutation are sent.

    Attributes:
        on_error: ``stop``: records are sent one after the other, and none after a failure.
            ``continue``: those of different objects are sent together, and all are.
        await_consumers: Names of consumers to wait for.
        await_seconds: Longest wait, 0 to 600.

    Raises:
        ConfigurationError: One of them is none of these.
    """

    on_error: OnError = "stop"
    await_consumers: Sequence[str] = ()
    await_seconds: float = 30.0

    def __post_init__(self) -> None:
        seconds = self.await_seconds
        if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_AWAIT_SECONDS:
            message = f"await_timeout is a number of seconds from 0 to {MAX_AWAIT_SECONDS}"
            raise ConfigurationError(message, param="await_timeout")
        if self.on_error not in {"stop", "continue"}:
            message = f"on_error is stop or continue, not {self.on_error!r}"
            raise ConfigurationError(message, param="on_error")
        names = self.await_consumers
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            message = "await_consumers is a list of names"
            raise ConfigurationError(message, param="await_consumers")


DEFAULT_OPTIONS = RunOptions()


@dataclass(frozen=True, slots=True)
class PreparedMutation:
    """A run whose requests are stored and not sent yet.

    Attributes:
        key: Key of the run, a hash.
        collection_id: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action.
        upstream_ids: Ids of the objects that it writes; empty for creations.
        records: Number of its records.
        livemode: Whether it writes to a live account.
        needs_approval: Whether it is sent only if a person approved.
    """

    key: str
    collection_id: str
    kind: str
    upstream_ids: tuple[str, ...]
    records: int
    livemode: bool
    needs_approval: bool


def run_key(sync_id: UUID, key: str | None) -> str:
    """Key of a run within its sync: a hash, since keys of callers may be long and secret.

    Args:
        sync_id: The sync.
        key: The caller's key; None for a run that is never tried again.
    """
    return str(ids.fingerprint(f"mutation:{sync_id}:{uuid4() if key is None else key}".encode()))


def new_intents(
    collection: Collection,
    requests: Sequence[WriteRequest],
    mutation: Mutation,
    key: str,
    *,
    needs_approval: bool,
) -> list[NewIntent]:
    """What is stored of the requests of a run before any is sent.

    Args:
        collection: Their collection.
        requests: One per record.
        mutation: What somebody wants to write.
        key: Of ``run_key``.
        needs_approval: Whether a person must approve the run.
    """
    return [
        NewIntent(
            position=position,
            collection_id=collection.id,
            kind=mutation.kind,
            method=request.method.upper(),
            endpoint=request.template,
            path_params=dict(request.path_params),
            body=(body := encode(request.body)),
            body_hash=_hash(request, body),
            idempotency_key=f"{KEY_PREFIX}{ids.fingerprint(f'{key}:{position}:{mutation.attempt}'.encode())}",
            attempt=mutation.attempt,
            needs_approval=needs_approval,
        )
        for position, request in enumerate(requests)
    ]


def _is_key(key: object) -> bool:
    if not isinstance(key, str) or not key.strip():
        return False
    # Halves of surrogate pairs have no UTF-8, so no hash.
    return key == key.encode(errors="ignore").decode()


def _hash(request: WriteRequest, body: str) -> str:
    parts = [request.method, request.template, dict(request.path_params), body]
    return str(ids.fingerprint(canonical_json.canonical(parts)))
