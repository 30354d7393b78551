from __future__ import annotations

import random
import time
from pathlib import Path

from integration.warehouse.processes import CHUNK_OBJECTS, CHUNKS, backfill, processes
from stripe_sync.lake import Lake
from stripe_sync.warehouse import Warehouse
from unit.records.observations import CUSTOMER, SYNC


def _run(url: str, lake: Path, *, kill_after: tuple[int, float] | None) -> bool:
    """Run the backfill; kill it some time after its n-th step. Whether it finished."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=backfill, args=(url, str(lake), theirs))
    process.start()
    theirs.close()
    steps = 0
    try:
        while ours.recv() != "finished":
            steps += 1
            if kill_after is not None and steps == kill_after[0]:
                # Where exactly it dies is left to chance: every point must be as good.
                time.sleep(kill_after[1])
                return False
    finally:
        process.kill()
        process.join()
    return True


def test_killing_and_going_on_gives_what_one_clean_run_gives(
    warehouse_url: str, tmp_path: Path
) -> None:
    rng = random.Random(20260301)
    for _ in range(8):
        _run(
            warehouse_url, tmp_path, kill_after=(rng.randrange(1, 8), rng.choice([0, 0.002, 0.01]))
        )
    assert _run(warehouse_url, tmp_path, kill_after=None)

    objects = CHUNKS * CHUNK_OBJECTS + 5
    names = [f"cus_{number:05}" for number in range(objects)]
    with Warehouse(warehouse_url) as warehouse:
        events = warehouse.streams.events_after(SYNC, 0, limit=10_000)
        records = warehouse.streams.records_after(SYNC, 0, limit=10_000)
        state = warehouse.collections.state(SYNC, CUSTOMER)
    assert [seq for seq, _ in events] == list(range(1, objects + 1))
    assert [event.upstream_id for _, event in events] == names
    assert [record.updated_idx for _, record in records] == [1] * objects
    assert state is not None
    assert (state.chunk, state.position) == (CHUNKS, {"next": CHUNKS + 1})

    lake = Lake(str(tmp_path), "main")
    states = [row for part in lake.record_batches() for row in part.to_pylist()]
    changes = [row for part in lake.event_batches() for row in part.to_pylist()]
    assert sorted(row["upstream_id"] for row in states) == names
    assert sorted(row["id"] for row in changes) == sorted(str(event.id) for _, event in events)
    assert {row["id"]: row["updated_at"] for row in states} == {
        str(record.id): record.updated_at for _, record in records
    }
