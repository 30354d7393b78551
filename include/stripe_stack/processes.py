"""Starts processes, and stops all of them at the end.

Each process gets its own session, so that Ctrl-C reaches this one only, which then stops the others
in reverse order. If this process is killed, ``guard.py`` stops them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import psutil

from stripe_stack.errors import StackError

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Command:
    """A process to start.

    Attributes:
        name: Its name in messages and of its log file.
        argv: Program and arguments.
        env: Its whole environment.
        cwd: Its working directory.
        user: Operating system user to run as; None for the current one.
        stop_signal: The signal for an orderly end.
        stop_children: Whether its children get the signal, too, for a program that waits for them.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_children: bool = False

    def stop(self, pid: int, *, again: bool) -> None:
        """Send the signal to the process with that id, for the first time or again."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if not again:
                process.send_signal(self.stop_signal)
            for child in process.children() if self.stop_children else ():
                child.send_signal(self.stop_signal)


class Processes:
    """The processes of a stack; the end of the context stops all of them.

    Args:
        log_dir: Folder for one log file each.
        patience: Seconds until a process that does not stop is killed.
    """

    def __init__(self, log_dir: Path, *, patience: float = 20.0) -> None:
        self._log_dir = log_dir
        self._patience = patience
        self._started: list[list[tuple[Command, subprocess.Popen[bytes]]]] = []
        self._guard: subprocess.Popen[str] | None = None
        self._others: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            # Grandchildren whose parent dies become children of this process, which finds them.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._others = set(psutil.Process().children())
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "stripe_stack.guard"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self._guard:
            self._guard.kill()
            self._guard.communicate()

    def start(self, *commands: Command) -> None:
        """Start these at the same time; they also stop at the same time."""
        group: list[tuple[Command, subprocess.Popen[bytes]]] = []
        self._started.append(group)
        # One by one: if one fails to start, the earlier ones are known, and stop.
        for command in commands:
            process = self._spawn(command)
            group.append((command, process))
            self._register_with_guard(process.pid, command.stop_signal)

    def log_of(self, name: str) -> Path:
        """The log file of a process."""
        return self._log_dir / f"{name}.log"

    def check(self) -> None:
        """Check that all processes run.

        Raises:
            StackError: One has ended; the message has its name, its log and the last line of it.
        """
        for group in self._started:
            for command, process in group:
                if process.poll() is not None:
                    log = self.log_of(command.name)
                    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
                    msg = (
                        f"{command.name} ended with code {process.returncode}: "
                        f"{lines[-1].strip() if lines else 'no output'} (log: {log})"
                    )
                    raise StackError(msg)

    def stop(self) -> None:
        """Stop all in reverse order, then kill the processes that they may have left."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt this
        try:
            descendants = self._descendants()
            while self._started:
                self._stop_group(self._started.pop())
            _kill(descendants | self._descendants())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _spawn(self, command: Command) -> subprocess.Popen[bytes]:
        with self.log_of(command.name).open("ab") as log:
            return subprocess.Popen(
                command.argv,
                env=dict(command.env),
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=command.user,
                group=command.user,
                extra_groups=[] if command.user else None,
            )

    def _register_with_guard(self, pid: int, stop_signal: signal.Signals) -> None:
        if self._guard and self._guard.stdin:
            with suppress(BrokenPipeError):  # the guard was ended on purpose
                self._guard.stdin.write(f"{pid} {int(stop_signal)}\n")
                self._guard.stdin.flush()

    def _descendants(self) -> set[psutil.Process]:
        """Descendants of this process since the context began, without the guard."""
        found: set[psutil.Process] = set()
        for child in set(psutil.Process().children()) - self._others:
            if not self._guard or child.pid != self._guard.pid:
                with suppress(psutil.NoSuchProcess):
                    found |= {child, *child.children(recursive=True)}
        return found

    def _stop_group(self, group: list[tuple[Command, subprocess.Popen[bytes]]]) -> None:
        deadline = time.monotonic() + self._patience
        again = False
        while alive := [(c, p) for c, p in group if p.poll() is None]:
            if time.monotonic() > deadline:
                break
            for command, process in alive:
                command.stop(process.pid, again=again)
            again = True
            _wait_for_all([process for _, process in alive], seconds=1.0)
        for _, process in group:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_all(processes: list[subprocess.Popen[bytes]], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def stop_on_signals() -> None:
    """Make SIGTERM and SIGHUP unwind the program like Ctrl-C does."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
