"""The sync of the key in the settings: the sandbox's, or the one that stores the key's account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

import stripe_sync
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings

SANDBOX = "sandbox"

_FILE = "sync.json"


class _Memory(BaseModel):
    """What the stack remembers of earlier starts.

    Attributes:
        sync: The sync of the last start.
        paused: Syncs that the stack paused because the settings had another key.
    """

    sync: str | None = None
    paused: list[str] = []


def choose_sync(settings: Settings, warehouse_url: str, account_id: str | None) -> str:
    """Name of the sync that the key of the settings is for; it may not exist yet.

    Raises:
        StackError: Warehouse or lake cannot be read.
    """
    if settings.uses_sandbox:
        return SANDBOX
    connections = stripe_sync.Connections(
        credential=settings.credential, warehouse_url=warehouse_url, lake_url=settings.lake
    )
    try:
        return stripe_sync.choose_sync(connections, account_id)
    except stripe_sync.StripeSyncError as error:
        raise StackError(str(error)) from error


def switch_sync(settings: Settings, warehouse_url: str, sync: str) -> list[str]:
    """Pause the sync of the last start if the settings have another key now, resume this one.

    Syncs that the stack did not choose itself are not touched.

    Returns:
        What was done, for the user.

    Raises:
        StackError: The warehouse cannot be written.
    """
    file = settings.stack_dir.resolve() / _FILE
    memory = _read(file)
    try:
        states = {each.name: each.status for each in stripe_sync.describe_syncs(warehouse_url)}
        done = [*_pause(memory, states, file, warehouse_url, sync)]
        done += _resume(memory, states, warehouse_url, sync)
    except stripe_sync.StripeSyncError as error:
        raise StackError(str(error)) from error
    memory.sync = sync
    _write(file, memory)
    return done


def last_sync(settings: Settings) -> str:
    """The sync of the last start."""
    if settings.uses_sandbox:
        return SANDBOX
    return _read(settings.stack_dir.resolve() / _FILE).sync or "default"


def _pause(
    memory: _Memory, states: Mapping[str, str], file: Path, warehouse_url: str, sync: str
) -> Iterator[str]:
    before = memory.sync
    if before and before != sync and states.get(before) == "active":
        # Remembered first: one that is paused and not remembered would never be resumed.
        memory.paused = [*{*memory.paused, before}]
        _write(file, memory)
        stripe_sync.pause_sync(warehouse_url, before)
        yield (
            f"Sync {before} is paused: the key is for another account or mode now. Its data stays;"
            f" stripe-sync syncs resume {before} lets it go on beside {sync}."
        )


def _resume(
    memory: _Memory, states: Mapping[str, str], warehouse_url: str, sync: str
) -> Iterator[str]:
    if sync in memory.paused:
        memory.paused.remove(sync)
        if states.get(sync) == "paused":
            stripe_sync.resume_sync(warehouse_url, sync)
            yield f"Sync {sync} goes on."


def _read(file: Path) -> _Memory:
    try:
        return _Memory.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return _Memory()


def _write(file: Path, memory: _Memory) -> None:
    """Replace the file in one step."""
    new = file.with_suffix(".new")
    new.write_text(memory.model_dump_json())
    new.replace(file)
