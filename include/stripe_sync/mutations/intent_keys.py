"""Keys of mutations: deterministic, so that a retry sends what its first try has sent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from stripe_sync.catalog import Collection
from stripe_sync.mutations.encoding import encode
from stripe_sync.mutations.verbs import WriteRequest
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.observation import KEY_PREFIX
from stripe_sync.warehouse.mutations.intents import NewIntent


def run_key(sync_id: UUID, key: str | None) -> str:
    """Key of a run within its sync: a hash, since keys of callers may be long and secret.

    Args:
        sync_id: The sync.
        key: The caller's key; None for a run that is never tried again.
    """
    return str(ids.fingerprint(f"mutation:{sync_id}:{key or uuid4()}".encode()))


def new_intents(
    collection: Collection, kind: str, requests: Sequence[WriteRequest], key: str, attempt: int
) -> list[NewIntent]:
    """What is stored of the requests of a run before any is sent.

    Args:
        collection: Their collection.
        kind: Their verb.
        requests: One per record.
        key: Of ``run_key``.
        attempt: How often a person has asked for the run, from 1.
    """
    return [
        NewIntent(
            position=position,
            collection_id=collection.id,
            kind=kind,
            method=request.method.upper(),
            endpoint=request.template,
            path_params=dict(request.path_params),
            body=(body := encode(request.body)),
            body_hash=_hash(request, body),
            idempotency_key=f"{KEY_PREFIX}{ids.fingerprint(f'{key}:{position}:{attempt}'.encode())}",
            attempt=attempt,
        )
        for position, request in enumerate(requests)
    ]


def _hash(request: WriteRequest, body: str) -> str:
    parts = [request.method, request.template, dict(request.path_params), body]
    return str(ids.fingerprint(canonical_json.canonical(parts)))
