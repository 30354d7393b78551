"""How reading one collection ended, for backfill and reconcile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from stripe_sync.errors import EndpointRetired, PermissionDenied
from stripe_sync.records import CollectionStatus

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: Status of the collection.
        message: Details, None where there are none.
        permission: ``rak_…`` permission that the key lacks, where it is forbidden.
    """

    status: CollectionStatus
    message: str | None = None
    permission: str | None = None


async def finish_run(run: Awaitable[Outcome], finish: Callable[[Outcome], Report]) -> Report:
    """Await a run and report its outcome.

    Args:
        run: Reads and stores the collection.
        finish: Stores the outcome and returns the report; called exactly once.

    Raises:
        StripeSyncError: The run failed, for a reason other than a missing permission or a retired
            endpoint; ``finish`` was called before.
    """
    try:
        outcome = await run
    except PermissionDenied as error:
        outcome = Outcome(CollectionStatus.FORBIDDEN, str(error), error.permission)
    except EndpointRetired as error:
        outcome = Outcome(CollectionStatus.RETIRED, f"retired by Stripe: {error}")
    except Exception as error:
        finish(Outcome(CollectionStatus.FAILED, str(error) or type(error).__name__))
        raise
    return finish(outcome)
