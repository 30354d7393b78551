"""Keeping the sandbox's state in a file between two runs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from stripe_sandbox.settings import Settings
from stripe_sandbox.state import Key, State

FORMAT = 1


class StateFileError(Exception):
    """The file holds no state that can be read."""


def save(state: State, path: Path) -> None:
    """Write the state, so that the file is either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(line + b"\n" for line in _lines(state))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def load(path: Path) -> State:
    """Read a state.

    Raises:
        StateFileError: The file is damaged or of another format.
    """
    try:
        with path.open("rb") as file:
            head = orjson.loads(next(file))
            if head["format"] != FORMAT:
                message = f"{path} has format {head['format']}, not {FORMAT}"
                raise StateFileError(message)
            state = _begin(head)
            for line in file:
                _add(state, orjson.loads(line))
    except (StopIteration, ValueError, KeyError, TypeError) as error:
        message = f"{path} holds no sandbox state"
        raise StateFileError(message) from error
    return state


def _lines(state: State) -> Iterator[bytes]:
    keys = [
        {
            "key": text,
            "account": key.account,
            "permissions": None if key.permissions is None else sorted(key.permissions),
        }
        for text, key in state.keys.items()
    ]
    yield orjson.dumps(
        {
            "format": FORMAT,
            "settings": state.settings.model_dump(),
            "versions": state.versions,
            "keys": keys,
            "clock": {"offset": state.clock.offset, "frozen": state.clock.frozen},
        }
    )
    for (account, livemode), mode in state.modes.items():
        where = {"account": account, "livemode": livemode}
        for name, collection in mode.store.collections.items():
            head = {**where, "object": name}
            for entry in collection.order:
                yield orjson.dumps({**head, "doc": orjson.Fragment(entry.raw)})
            for stub in collection.stubs.values():
                yield orjson.dumps({**head, "stub": stub})
            for seed, count in collection.seeded.items():
                yield orjson.dumps({**head, "seed": seed, "count": count})
        for due, event in mode.log.waiting():
            yield orjson.dumps({**where, "object": "event", "doc": event, "due": due})


def _begin(head: dict[str, Any]) -> State:
    state = State(Settings.model_validate(head["settings"]))
    state.random.seed()
    state.clock.offset = head["clock"]["offset"]
    state.clock.frozen = head["clock"]["frozen"]
    for account, version in head["versions"].items():
        if account not in state.versions:
            state.add_account(account)
        state.versions[account] = version
    state.keys.clear()
    for row in head["keys"]:
        allowed = row["permissions"]
        state.keys[row["key"]] = Key(
            row["account"], "_live_" in row["key"], None if allowed is None else frozenset(allowed)
        )
    return state


def _add(state: State, row: dict[str, Any]) -> None:
    mode = state.modes[row["account"], row["livemode"]]
    if "stub" in row:
        mode.store[row["object"]].stubs[row["stub"]["id"]] = row["stub"]
    elif "seed" in row:
        mode.store[row["object"]].seeded[row["seed"]] = row["count"]
    elif "due" in row:
        mode.log.append(row["doc"], after=row["due"] - state.clock.now())
    else:
        mode.store[row["object"]].put(row["doc"])
