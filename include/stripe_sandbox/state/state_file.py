"""Saves the sandbox's state to a file, and loads it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from stripe_sandbox.requests.idempotency import Response, Use
from stripe_sandbox.settings import Settings
from stripe_sandbox.state.sandbox_state import Key, State

FORMAT = 1


class StateFileError(Exception):
    """The file has no readable state."""


def save(state: State, path: Path) -> None:
    """Save the state; the file is replaced whole or not at all."""
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
    """Load a state.

    Raises:
        StateFileError: The file is damaged or has another format.
    """
    try:
        with path.open("rb") as file:
            head = orjson.loads(next(file))
            if head["format"] != FORMAT:
                message = f"{path} has format {head['format']}, not {FORMAT}"
                raise StateFileError(message)
            state = _restore_head(head)
            for line in file:
                _restore_line(state, orjson.loads(line))
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
            "trouble": key.trouble,
        }
        for text, key in state.keys.items()
    ]
    yield orjson.dumps(
        {
            "format": FORMAT,
            "settings": state.settings.model_dump(),
            "versions": state.versions,
            "keys": keys,
            "revoked": sorted(state.grants.revoked),
            "clock": {"offset": state.clock.offset, "frozen": state.clock.frozen},
        }
    )
    for (account, livemode), mode in state.modes.items():
        mode_fields = {"account": account, "livemode": livemode}
        for name, collection in mode.store.collections.items():
            head = {**mode_fields, "object": name}
            for stored in collection.order:
                yield orjson.dumps({**head, "doc": orjson.Fragment(stored.json)})
            for stub in collection.deleted_stubs.values():
                yield orjson.dumps({**head, "stub": stub})
            for seed, count in collection.seeded_counts.items():
                yield orjson.dumps({**head, "seed": seed, "count": count})
        for key, use, response in mode.idempotency.finished():
            saved = {"key": key, "request": use.request_id, "body": response.body.decode()}
            times = {"began": use.began, "status": response.status}
            fields = {**saved, **times, "fingerprint": use.fingerprint}
            yield orjson.dumps({**mode_fields, "idempotency": fields})
        for due, event in mode.log.delayed_events():
            yield orjson.dumps({**mode_fields, "object": "event", "doc": event, "due": due})


def _restore_head(head: dict[str, Any]) -> State:
    state = State(Settings.model_validate(head["settings"]))
    state.random.seed()
    state.clock.offset = head["clock"]["offset"]
    state.clock.frozen = head["clock"]["frozen"]
    for account, version in head["versions"].items():
        if account not in state.versions:
            state.add_account(account)
        state.versions[account] = version
    state.keys.clear()
    for saved in head["keys"]:
        allowed = saved["permissions"]
        permissions = None if allowed is None else frozenset(allowed)
        state.keys[saved["key"]] = Key(
            saved["account"], "_live_" in saved["key"], permissions, saved.get("trouble")
        )
    state.grants.revoked = {(account, live) for account, live in head.get("revoked", ())}
    return state


def _restore_line(state: State, line: dict[str, Any]) -> None:
    mode = state.modes[line["account"], line["livemode"]]
    if "idempotency" in line:
        saved = line["idempotency"]
        response = Response(saved["status"], saved["body"].encode())
        use = Use(saved["fingerprint"], saved["request"], saved["began"], response)
        mode.idempotency.put(saved["key"], use)
    elif "stub" in line:
        mode.store[line["object"]].deleted_stubs[line["stub"]["id"]] = line["stub"]
    elif "seed" in line:
        mode.store[line["object"]].seeded_counts[line["seed"]] = line["count"]
    elif "due" in line:
        mode.log.append(line["doc"], after=line["due"] - state.clock.now())
    else:
        mode.store[line["object"]].put(line["doc"])
