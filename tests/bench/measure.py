"""What a benchmark measures with: a task in a process of its own, the server's CPU time, a table."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from stripe_sync import jsonio


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the result. ``target`` reads like ``<= 1.1`` and may be empty."""

    name: str
    value: float
    unit: str
    target: str

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if not self.target:
            return None
        sign, _, bound = self.target.partition(" ")
        return self.value <= float(bound) if sign == "<=" else self.value >= float(bound)


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What one task cost in a process of its own."""

    result: Any
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run_task(function: Callable[..., Any], *args: Any, **kwargs: Any) -> TaskCost:
    """Run a function in a fresh process and measure that process, imports included."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_measured, args=(answers, function, args, kwargs))
    process.start()
    cost, error = answers.get()
    process.join()
    if error is not None:
        raise error
    return cost


def _measured(answers: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    began = time.perf_counter()
    try:
        result = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - handed to the process that asked
        answers.put((None, error))
        return
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = TaskCost(result, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    answers.put((cost, None))


def postgres_cpu(url: str) -> float:
    """CPU seconds that the server behind a URL has used so far, all its processes together."""
    with psycopg.connect(url) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        server = backend.parent()
        assert server is not None
        own = server.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in server.children():
            times = child.cpu_times()
            total += times.user + times.system
    return total


def report(results: list[Measured], path: Path) -> None:
    """Print a table and write the JSON file."""
    table = Table(title="make bench", title_justify="left")
    for heading, justify in (("name", "left"), ("value", "right"), ("unit", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("target")
    table.add_column("met")
    words = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for line in results:
        table.add_row(line.name, f"{line.value:,.3f}", line.unit, line.target, words[line.met])
    Console(width=110).print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jsonio.dumps([asdict(line) for line in results]))
