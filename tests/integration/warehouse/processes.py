"""What the tests run in processes of their own, to kill it or to run it many times at once."""

from __future__ import annotations

from multiprocessing.connection import Connection

from stripe_sync.lake import Lake
from stripe_sync.records import Checkpoint, EventRow, RecordRow, Source
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import CUSTOMER, RESOURCE, SYNC, batch, observation

CHUNKS = 12
CHUNK_OBJECTS = 50


def backfill(url: str, folder: str, steps: Connection) -> None:
    """A small backfill that resumes where the last one ended and sends each step."""
    warehouse, lake = Warehouse(url), Lake(folder, "main")
    warehouse.upgrade()
    warehouse.syncs.ensure(
        "main", account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
    )
    state = warehouse.collections.state(SYNC, CUSTOMER)
    first = state.chunk + 1 if state else 1
    lake.discard("customer", f"backfill-{first}")
    with warehouse.writer() as writer:
        for chunk in range(first, CHUNKS + 1):

            def write(records: list[RecordRow], events: list[EventRow], chunk: int = chunk) -> None:
                steps.send("lake")
                if records:
                    lake.write_chunk(f"backfill-{chunk}", records, events)
                steps.send("warehouse")

            # Chunks overlap by a few objects, as pages do that shift while they are read.
            numbers = range((chunk - 1) * CHUNK_OBJECTS, chunk * CHUNK_OBJECTS + 5)
            objects = [
                observation({"n": number}, upstream_id=f"cus_{number:05}") for number in numbers
            ]
            checkpoint = Checkpoint(CUSTOMER, 1, chunk, {"next": chunk + 1}, len(objects), 1)
            writer.load(batch(*objects, source=Source.BACKFILL, checkpoint=checkpoint), write)
    steps.send("finished")


def upgrade(url: str, steps: Connection) -> None:
    """Upgrade a warehouse and send its syncs."""
    with Warehouse(url) as warehouse:
        warehouse.upgrade()
        steps.send(warehouse.syncs.all())


def hold_backfill_lock(url: str, steps: Connection) -> None:
    """Take the lock on a collection and keep it until killed."""
    with Warehouse(url).locks.backfill(SYNC, CUSTOMER):
        steps.send("held")
        steps.recv()
