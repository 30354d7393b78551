"""Ends what a stack left running, should the stack itself be killed.

Run beside it as a program of its own. Its standard input is a pipe of which the stack holds the
other end: a line for each process that the stack starts, with its id and the signal that makes it
end in an orderly way. When the pipe breaks, the stack is gone.
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
"""Seconds for an orderly end: enough for PostgreSQL; tasks go on where they were anyway."""


def main() -> None:
    """Wait until the stack is gone, then end its processes and all of their sessions."""
    signals: dict[int, int] = {}
    for line in sys.stdin:
        pid, number = line.split()
        signals[int(pid)] = int(number)
    _ask(signals)
    deadline = time.monotonic() + _PATIENCE
    while left := _members(signals):
        if time.monotonic() > deadline:
            _kill(left)
        time.sleep(0.05)


def _ask(signals: Mapping[int, int]) -> None:
    for pid, number in reversed(list(signals.items())):
        with suppress(OSError):
            if os.getsid(pid) == pid:  # each leads a session, so this is no newcomer with its id
                os.kill(pid, number)


def _members(sessions: Iterable[int]) -> list[int]:
    """All living processes of these sessions."""
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
