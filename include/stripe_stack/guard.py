"""Stops the processes of a stack that was killed itself.

The stack runs it as a program of its own, and writes a line to its standard input for each process
that it starts: the process id, and the signal for an orderly end. The end of the input is the end
of the stack.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

_PATIENCE = 3.0
"""Seconds for an orderly end: enough for PostgreSQL; tasks can resume anyway."""


def main() -> None:
    """Wait for the end of the stack, then stop its processes and all others in their sessions."""
    signals: dict[int, int] = {}
    for line in sys.stdin:
        pid, number = line.split()
        signals[int(pid)] = int(number)
    _send_signals(signals)
    deadline = time.monotonic() + _PATIENCE
    while left := _members(signals):
        if time.monotonic() > deadline:
            _kill(left)
        time.sleep(0.05)


def _send_signals(signals: Mapping[int, int]) -> None:
    for pid, number in reversed(list(signals.items())):
        with suppress(OSError):
            if os.getsid(pid) == pid:  # a session leader, so no newer process with the same id
                os.kill(pid, number)


def _members(sessions: Iterable[int]) -> list[int]:
    """All running processes of these sessions."""
    wanted, found = set(sessions), []
    for process in psutil.process_iter(["status"]):
        with suppress(OSError):
            if os.getsid(process.pid) in wanted and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
