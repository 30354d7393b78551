"""What the tests run in processes of their own, to kill it or to run it twice at once."""

from __future__ import annotations

from stripe_sync import TargetConnection, deliver


def deliver_to(url: str, connection: TargetConnection) -> None:
    """Deliver until killed."""
    deliver(url, lambda _id: connection)
