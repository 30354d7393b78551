from __future__ import annotations

import random
import time
from pathlib import Path

import psycopg

from forked import processes
from integration.warehouse.processes import CHUNK_OBJECTS, CHUNKS, backfill
from stripe_sync.lake import Lake
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import CUSTOMER, SYNC


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


def test_killed_and_resumed_runs_give_the_result_of_one_clean_run(
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
        state = warehouse.collections.state(SYNC, CUSTOMER)
    with psycopg.connect(warehouse_url) as connection:
        events = connection.execute(
            "SELECT seq, upstream_id, id::text FROM stripe_raw.events ORDER BY seq"
        ).fetchall()
        records = connection.execute(
            "SELECT id::text, updated_at, updated_idx FROM stripe_raw.records"
        ).fetchall()
    assert [event[:2] for event in events] == list(enumerate(names, start=1))
    assert [updated_idx for _, _, updated_idx in records] == [1] * objects
    assert state is not None
    assert (state.chunk, state.cursor) == (CHUNKS, {"next": CHUNKS + 1})

    lake = Lake(str(tmp_path), "main")
    states = [row for part in lake.record_batches() for row in part.to_pylist()]
    changes = [row for part in lake.event_batches() for row in part.to_pylist()]
    assert sorted(row["upstream_id"] for row in states) == names
    assert sorted(row["id"] for row in changes) == sorted(event_id for _, _, event_id in events)
    assert {row["id"]: row["updated_at"] for row in states} == {
        record_id: updated_at for record_id, updated_at, _ in records
    }
