"""The sync of the key in the settings: the sandbox's, or the one that stores the key's account."""

from __future__ import annotations

from collections.abc import Iterator
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
        done = list(_switch(memory, warehouse_url, sync))
    except stripe_sync.StripeSyncError as error:
        raise StackError(str(error)) from error
    memory.sync = sync
    file.write_text(memory.model_dump_json())
    return done


def last_sync(settings: Settings) -> str:
    """The sync of the last start."""
    if settings.uses_sandbox:
        return SANDBOX
    return _read(settings.stack_dir.resolve() / _FILE).sync or "default"


def _switch(memory: _Memory, warehouse_url: str, sync: str) -> Iterator[str]:
    states = {each.name: each.status for each in stripe_sync.describe_syncs(warehouse_url)}
    before = memory.sync
    if before and before != sync and states.get(before) == "active":
        stripe_sync.pause_sync(warehouse_url, before)
        memory.paused.append(before)
        yield (
            f"Sync {before} is paused: the key is for another account or mode now. Its data stays;"
            f" stripe-sync syncs resume {before} lets it go on beside {sync}."
        )
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
