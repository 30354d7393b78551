"""Processes of a stack: all stopped, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stripe_stack.errors import StackError
from stripe_stack.processes import Command, Processes

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
WITH_CHILD = (
    "import subprocess, sys, time;"
    f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True);"
    "print(p.pid, flush=True); time.sleep(60)"
)


def command(name: str, program: str) -> Command:
    return Command(name, [sys.executable, "-c", program], os.environ, Path.cwd())


def number_in(log: Path) -> int:
    """The process id that a program wrote to its log."""
    deadline = time.monotonic() + 20
    while not (text := log.read_text()).strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(text)


def gone(pid: int) -> bool:
    """Whether a process ended (a zombie that nobody has waited for yet has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_leaving_the_context_stops_children_and_grandchildren(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start(command("parent", WITH_CHILD))
        grandchild = number_in(processes.log_of("parent"))

    assert gone(grandchild)


def test_a_process_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    with Processes(tmp_path, patience=0.5) as processes:
        processes.start(command("stubborn", STUBBORN))
        [child] = psutil.Process().children()

    assert gone(child.pid)


def test_an_error_inside_stops_everything_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Processes(tmp_path) as processes:
        processes.start(command("sleeper", SLEEP))
        [child] = psutil.Process().children()
        raise ZeroDivisionError

    assert gone(child.pid)


def test_a_process_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start(command("broken", "raise SystemExit('no such thing')"))
        [child] = psutil.Process().children()
        while child.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.02)

        with pytest.raises(StackError, match="broken ended with code 1: no such thing"):
            processes.check()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does this")
def test_when_the_stack_itself_is_killed_its_processes_stop(tmp_path: Path) -> None:
    program = f"""
import os, sys, time
from pathlib import Path
from stripe_stack.processes import Command, Processes
with Processes(Path({str(tmp_path)!r})) as processes:
    argv = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    processes.start(Command("sleeper", argv, os.environ, Path.cwd()))
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as stack:
        log = tmp_path / "sleeper.log"
        while not log.exists():
            assert stack.poll() is None
            time.sleep(0.02)
        child = number_in(log)
        stack.send_signal(signal.SIGKILL)

    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=10)
    assert gone(child)
