"""Who holds a lease."""

from __future__ import annotations

import os
import socket
from uuid import uuid4


def new_owner() -> str:
    """A unique name for a process that polls or delivers."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
