"""Long runs: hundreds of random scenarios with kills, then hours of a busy account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.environment import bench_environment
from bench.measure import report
from soak import busy_day

ROOT = Path(__file__).resolve().parents[2]
RANDOM = (
    "sync/poll/test_poll_random",
    "sync/backfill/test_backfill_interrupted",
    "sync/test_lake_follower",
    "mutations/test_mutations_interrupted",
    "mutations/test_mutations_and_polling",
    "consumers/pull/test_killed",
    "consumers/webhook/test_delivery",
    "consumers/postgres/test_killed",
    "consumers/kafka/test_delivery_killed",
)
COUNTS = (
    "STRIPE_SYNC_TEST_SEEDS",
    "STRIPE_SYNC_TEST_KILLS",
    "STRIPE_SYNC_TEST_MUTATIONS",
    "STRIPE_SYNC_TEST_READER_STEPS",
)


def main(
    seeds: Annotated[int, typer.Option(help="Random scenarios, and kills of one backfill.")] = 200,
    minutes: Annotated[float, typer.Option(help="Length of the busy day.")] = 60.0,
) -> None:
    """Run the random scenarios, then the busy day."""
    scenarios = 0
    if seeds:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2"]
        command += [f"tests/integration/{name}.py" for name in RANDOM]
        command += ["tests/e2e/test_restart.py", "tests/unit/lake/test_readers.py"]
        command += ["tests/dags/test_fuzz_api.py", "tests/dags/test_pull_api.py"]
        environment = os.environ | {name: str(seeds) for name in COUNTS}
        environment["STRIPE_SYNC_TEST_ROAD"] = "whole"
        scenarios = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if minutes:
        with bench_environment(Console(width=140)) as env:
            report(busy_day.measure(env, minutes), ROOT / "build" / "soak.json", title="make soak")
    raise typer.Exit(scenarios)


if __name__ == "__main__":
    typer.run(main)
