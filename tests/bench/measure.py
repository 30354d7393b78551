"""What a benchmark measures with: tasks in processes of their own, CPU time, a table."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from stripe_sync.records import canonical_json

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the result. ``target`` reads like ``<= 1.1`` and may be empty."""

    name: str
    value: float
    unit: str
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if not self.target:
            return None
        sign, _, bound = self.target.partition(" ")
        return self.value <= float(bound) if sign == "<=" else self.value >= float(bound)


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What one task cost in a process of its own.

    CPU seconds are those of the work: Airflow's workers are forked with everything imported. The
    peak is the process's.
    """

    result: Any
    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(slots=True)
class Task:
    """A function that runs in a fresh process."""

    process: BaseProcess
    answers: Connection = field(repr=False)

    @classmethod
    def start(cls, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Start it; function and arguments must be picklable."""
        here, there = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_measured, args=(there, function, args, kwargs))
        process.start()
        there.close()
        return cls(process, here)

    def cost(self) -> TaskCost:
        """Wait for it.

        Raises:
            RuntimeError: The function raised something, or its process died.
        """
        try:
            cost, error = self.answers.recv()
        except EOFError:
            cost, error = None, "the process died"
        self.process.join()
        if cost is None:
            raise RuntimeError(error)
        found: TaskCost = cost
        return found


def run_task(function: Callable[..., Any], *args: Any, **kwargs: Any) -> TaskCost:
    """Run a function in a fresh process and measure that process."""
    return Task.start(function, *args, **kwargs).cost()


def _measured(answers: Connection, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    try:
        result = function(*args, **kwargs)
    except Exception:  # noqa: BLE001 - sent to the process that asked
        answers.send((None, traceback.format_exc()))
        return
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    cost = TaskCost(result, seconds, cpu, used.ru_maxrss / 1024)
    answers.send((cost, None))


def postgres_cpu(url: str) -> float:
    """CPU seconds that the server behind a URL has used so far, all its processes together."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
        assert server is not None
        own = server.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in server.children():
            times = child.cpu_times()
            total += times.user + times.system
    return total


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(results: Sequence[Measured], path: Path, *, title: str = "make bench") -> None:
    """Print a table and write the JSON file."""
    table = Table(title=title, title_justify="left")
    table.add_column("name")
    table.add_column("value", justify="right")
    for heading in ("unit", "target", "met"):
        table.add_column(heading)
    words = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for line in results:
        table.add_row(line.name, f"{line.value:,.3f}", line.unit, line.target, words[line.met])
    Console(width=110).print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical_json.dumps([asdict(line) for line in results]))
