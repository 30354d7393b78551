"""How reading one collection ended, for backfill and reconcile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from stripe_sync.catalog import Availability, Collection
from stripe_sync.errors import EndpointUnavailable, PermissionDenied
from stripe_sync.extract.refusals import Refusals
from stripe_sync.records import CollectionStatus
from stripe_sync.records.collection_status import IN_PART

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


def read_outcome(collection: Collection, objects: int, refusals: Refusals) -> Outcome:
    """How a run ended that read all that Stripe did not refuse.

    Args:
        collection: The collection.
        objects: Number of its objects that were read.
        refusals: What Stripe refused.
    """
    message, status = refusals.message, CollectionStatus.DONE
    lists = {call.path for call in collection.lists}
    all_refused = bool(lists) and lists <= refusals.sources
    if message and not objects and (all_refused or not refusals.anything_read):
        message = message.removeprefix(f"{IN_PART}: ")
        if refusals.reasons == {EndpointUnavailable.__name__}:
            return _without_endpoint(collection, message)
    if not objects and PermissionDenied.__name__ in refusals.reasons:
        status = CollectionStatus.FORBIDDEN
    elif not objects and not refusals:
        status = CollectionStatus.EMPTY
    return Outcome(status, message, refusals.permission)


def _without_endpoint(collection: Collection, message: str) -> Outcome:
    """The outcome for a collection whose endpoint does not exist."""
    if collection.availability is Availability.LEGACY:
        return Outcome(CollectionStatus.RETIRED, f"retired by Stripe: {message}")
    return Outcome(CollectionStatus.UNAVAILABLE, f"not available: {message}")


async def finish_run(
    collection: Collection, run: Awaitable[Outcome], finish: Callable[[Outcome], Report]
) -> Report:
    """Await a run and report its outcome.

    Args:
        collection: The collection.
        run: Reads and stores it.
        finish: Stores the outcome and returns the report; called exactly once.

    Raises:
        StripeSyncError: The run failed, for a reason other than a missing permission or a missing
            endpoint; ``finish`` was called before.
    """
    try:
        outcome = await run
    except PermissionDenied as error:
        outcome = Outcome(CollectionStatus.FORBIDDEN, str(error), error.permission)
    except EndpointUnavailable as error:
        outcome = _without_endpoint(collection, str(error))
    except Exception as error:
        finish(Outcome(CollectionStatus.FAILED, str(error) or type(error).__name__))
        raise
    return finish(outcome)
