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


def child_running(program: str) -> psutil.Process:
    """The process that was started to run a program."""
    children = psutil.Process().children()
    [child] = [child for child in children if program in child.cmdline()]
    return child


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


def test_what_ran_before_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as other:
        with Processes(tmp_path) as processes:
            processes.start(command("sleeper", SLEEP))

        assert not gone(other.pid)
        other.kill()


def test_a_process_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    with Processes(tmp_path, patience=0.5) as processes:
        processes.start(command("stubborn", STUBBORN))
        child = child_running(STUBBORN)

    assert gone(child.pid)


def test_an_error_inside_stops_everything_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Processes(tmp_path) as processes:
        processes.start(command("sleeper", SLEEP))
        child = child_running(SLEEP)
        raise ZeroDivisionError

    assert gone(child.pid)


def test_a_process_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start(command("broken", "raise SystemExit('no such thing')"))
        deadline = time.monotonic() + 20

        with pytest.raises(StackError, match="broken ended with code 1: no such thing"):
            while time.monotonic() < deadline:
                processes.check()
                time.sleep(0.02)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_when_the_stack_itself_is_killed_nothing_goes_on(
    tmp_path: Path, ending: signal.Signals
) -> None:
    """Neither a process that will not stop, nor what it started in its turn."""
    parent = (
        "import os, subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);"
        "print(p.pid, flush=True);" + STUBBORN
    )
    program = f"""
import os, signal, sys, time
from pathlib import Path
from stripe_stack.processes import Command, Processes
with Processes(Path({str(tmp_path)!r})) as processes:
    argv = [sys.executable, "-c", {parent!r}]
    ending = signal.Signals({ending:d})
    processes.start(Command("stubborn", argv, os.environ, Path.cwd(), stop_signal=ending))
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as stack:
        log = tmp_path / "stubborn.log"
        while not log.exists():
            assert stack.poll() is None
            time.sleep(0.02)
        family = [psutil.Process(number_in(log)), *psutil.Process(stack.pid).children()]
        assert len(family) == 3  # with the guard, which goes last
        stack.send_signal(signal.SIGKILL)

    psutil.wait_procs(family, timeout=20)
    assert [process for process in family if not gone(process.pid)] == []
