"""Copies of a sync: to copy one takes a moment, to backfill it again many."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from databases import new_database
from stripe_sandbox.server import running
from stripe_sandbox.state import state_file
from stripe_sync import Connections, Credential
from sync_harness import SyncHarness


@dataclass(frozen=True)
class Snapshot:
    """A sync as it was at a moment; nothing may change or open its warehouse afterwards.

    Attributes:
        connections: Those of the sync.
        server_url: The PostgreSQL server of its warehouse.
        state: File with the state of its sandbox.
    """

    connections: Connections
    server_url: str
    state: Path

    @classmethod
    def of(cls, harness: SyncHarness, server_url: str) -> Snapshot:
        """Keep a sync as it is now."""
        state = Path(harness.connections.lake_url).with_name("sandbox.json")
        state_file.save(harness.sandbox.app.holder.state, state)
        return cls(harness.connections, server_url, state)

    @contextmanager
    def copy(self, folder: Path) -> Iterator[SyncHarness]:
        """A sync with a sandbox, a warehouse and a lake of its own, while the block lasts."""
        source = self.connections
        lake = folder / "lake"
        if Path(source.lake_url).exists():  # an empty account leaves none
            shutil.copytree(source.lake_url, lake)
        state = state_file.load(self.state)
        # Reproducible, and other ids than those that the original has made.
        state.random.seed("copy")
        with (
            running(state=state) as sandbox,
            new_database(self.server_url, like=source.warehouse_url) as url,
        ):
            credential = Credential(sandbox.api_key, sandbox.base_url)
            connections = replace(
                source, credential=credential, warehouse_url=url, lake_url=str(lake)
            )
            yield SyncHarness(sandbox, connections)
