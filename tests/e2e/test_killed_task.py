"""A task that writes to Stripe is killed in the running stack; Airflow's retry writes no more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from e2e.conftest import RUN_SECONDS, Up, warehouse_url

NAMES = ["Duncan 1", "Duncan 2", "Duncan 3"]

# The second record's answer is there, and hangs before it is stored.
HANG = """
CREATE FUNCTION stripe_raw.hang() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
CREATE TRIGGER hang BEFORE INSERT ON stripe_raw.events FOR EACH ROW
    WHEN (NEW.data->>'name' = 'Duncan 2' AND NEW.source = 'mutation')
    EXECUTE FUNCTION stripe_raw.hang()
"""

SLEEPING = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"

WRITTEN = """
SELECT data->>'name', event_type FROM stripe.events
WHERE data->>'name' LIKE 'Duncan %' ORDER BY 1
"""


def until(found: Callable[[], Any]) -> Any:
    """What a function returns, once that is something."""
    deadline = time.monotonic() + RUN_SECONDS
    while not (answer := found()):
        if time.monotonic() > deadline:
            pytest.fail(f"{found} returned nothing")
        time.sleep(0.2)
    return answer


def test_a_killed_task_writes_nothing_twice(up: Up) -> None:
    with psycopg.connect(warehouse_url(up.stack_dir), autocommit=True) as warehouse:

        def hangs() -> list[Any]:
            return warehouse.execute(f"SELECT pid {SLEEPING}").fetchall()

        warehouse.execute(HANG)
        up.api.unpause("stripe_mutate")
        try:
            run = up.api.trigger("stripe_mutate", {"records": [{"name": name} for name in NAMES]})
            until(hangs)
            instance = f"/dags/stripe_mutate/dagRuns/{run}/taskInstances/mutate"
            title = f"airflow worker -- {up.api.call('GET', instance)['id']}"
            found = psutil.process_iter(["cmdline"])
            [task] = [each for each in found if title in (each.info["cmdline"] or [])]
            os.kill(task.pid, signal.SIGKILL)
        finally:
            # Its session goes on after it, and would hold the table's lock.
            warehouse.execute(f"SELECT pg_terminate_backend(pid) {SLEEPING}")
            warehouse.execute("DROP FUNCTION stripe_raw.hang() CASCADE")

        assert up.finished("stripe_mutate")["state"] == "success"
        assert up.api.call("GET", instance)["try_number"] == 2
        written = warehouse.execute(WRITTEN).fetchall()
    assert written == [(name, "created") for name in NAMES]
    login = {"Authorization": "Bearer sk_test_sandbox"}
    newest = httpx.get(f"{up.sandbox}/v1/customers", params={"limit": 100}, headers=login).json()
    names = sorted(each["name"] for each in newest["data"] if each["name"] in NAMES)
    assert names == NAMES
