"""A small backfill in a process of its own, to be killed by the tests.

Usage: python backfill_process.py WAREHOUSE_URL LAKE_FOLDER; prints a line at every step.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from stripe_sync.lake import Lake
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.model import Checkpoint, EventRow, RecordRow, Source
from unit.warehouse.observations import CUSTOMER, RESOURCE, SYNC, batch, seen

CHUNKS = 12
CHUNK_OBJECTS = 50


def main(url: str, folder: str) -> None:
    warehouse, lake = Warehouse(url), Lake(folder, "main")
    warehouse.upgrade()
    warehouse.ensure_sync(
        "main", account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
    )
    state = warehouse.collection_state(SYNC, CUSTOMER)
    first = state.chunk + 1 if state else 1
    lake.discard("customer", f"backfill-{first}")
    with warehouse.loader() as loader:
        for chunk in range(first, CHUNKS + 1):

            def write(records: list[RecordRow], events: list[EventRow], chunk: int = chunk) -> None:
                print("lake", chunk, flush=True)
                if records:
                    lake.write_chunk(f"backfill-{chunk}", records, events)
                print("warehouse", chunk, flush=True)

            # Chunks overlap by a few objects, as pages do that shift while they are read.
            numbers = range((chunk - 1) * CHUNK_OBJECTS, chunk * CHUNK_OBJECTS + 5)
            objects = [seen({"n": number}, upstream_id=f"cus_{number:05}") for number in numbers]
            checkpoint = Checkpoint(CUSTOMER, 1, chunk, {"next": chunk + 1}, len(objects), 1)
            loader.load(batch(*objects, source=Source.BACKFILL, checkpoint=checkpoint), write)
    print("finished", CHUNKS, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
