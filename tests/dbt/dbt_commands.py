"""Runs dbt commands in forks of a process that has imported dbt: to import it takes 2 s of CPU."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stripe_sync.records import canonical_json


@dataclass(frozen=True)
class DbtCommands:
    """Runs one command after another, each in a process of its own."""

    process: subprocess.Popen[bytes]
    output: Path

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command as a user would; its exit code, and all that it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = [list(arguments), dict(environment), str(self.output)]
        self.process.stdin.write(canonical_json.dumps(order) + b"\n")
        self.process.stdin.flush()
        code = self.process.stdout.readline()
        assert code, "the process that runs dbt has ended"
        return int(code), self.output.read_text()


@contextmanager
def dbt_commands(folder: Path) -> Iterator[DbtCommands]:
    """What runs dbt commands for as long as the block lasts; it keeps their output in a folder."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield DbtCommands(process, folder / "output.txt")
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    """Fork a process for each order, and say how it ended."""
    importlib.import_module("dbt.adapters.postgres")
    cli = importlib.import_module("dbt.cli.main").cli

    for line in sys.stdin.buffer:
        arguments, environment, output = canonical_json.loads(line)
        child = os.fork()
        if not child:
            _become(["dbt", *arguments], environment, output)
            cli()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(command: list[str], environment: dict[str, str], output: str) -> None:
    """Take a command's arguments and environment, and print to a file."""
    sys.argv = command
    os.environ.clear()
    os.environ.update(environment)
    with Path(output).open("wb") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


if __name__ == "__main__":
    _serve()
