"""What most tools do: read one page after the other, write it, ask for the next."""

from __future__ import annotations

import time

import psycopg
import stripe
from psycopg.types.json import Jsonb

from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections

_INSERT = """
INSERT INTO stripe_raw.records (collection_id, sync_id, upstream_id, id, resource_id, deleted,
    payload, payload_hash, inserted_at, updated_at, upstream_updated_at, updated_idx, seq,
    observed_at, api_version)
VALUES ('stripe:customer', %(sync)s, %(key)s, %(id)s, %(sync)s, false, %(payload)s, '', now(),
    now(), to_timestamp(%(created)s), 1, %(seq)s, now(), '')
"""


def read_sequentially(connections: Connections, sync_name: str) -> tuple[int, float]:
    """Read all customers by the SDK's auto-paging into the table of records.

    Returns:
        Number of objects, seconds.
    """
    began = time.monotonic()
    client = stripe.StripeClient(
        connections.credential.api_key,
        base_addresses={"api": connections.credential.api_base},
    )
    sync = ids.sync_id(sync_name)
    count = 0
    with psycopg.connect(connections.warehouse_url, autocommit=True) as connection:
        rows = []
        for customer in client.v1.customers.list({"limit": 100}).auto_paging_iter():
            count += 1
            rows.append(
                {
                    "sync": sync,
                    "key": customer.id,
                    "id": ids.record_id(sync, "stripe:customer", customer.id),
                    "payload": Jsonb(customer.to_dict()),
                    "created": customer.created,
                    "seq": count,
                }
            )
            if len(rows) == 100:
                connection.cursor().executemany(_INSERT, rows)
                rows.clear()
        connection.cursor().executemany(_INSERT, rows)
    return count, time.monotonic() - began
