"""Whether two states of an object were requested at the same time, so that nothing orders them."""

from __future__ import annotations

from datetime import datetime, timedelta

from stripe_sync.records.batch import Batch
from stripe_sync.records.observation import Observation, Source
from stripe_sync.records.stream_rows import RecordRow

OVERLAP = timedelta(seconds=10)
"""Longest time that an answer takes: a state requested earlier than this is certainly older."""


def is_doubtful(observation: Observation, record: RecordRow, batch: Batch, now: datetime) -> bool:
    """Whether it is not certain which of two different states is the newer one.

    Args:
        observation: A state that was read.
        record: The stored state.
        batch: The batch that it is in.
        now: The database's time. Stored times ahead of it are of another clock: they say nothing.
    """
    mutation = batch.mutation
    if mutation is not None:
        if mutation.compared_idx is not None and mutation.is_of(record):
            # A poller may commit after the comparison what it had read before it.
            return record.updated_idx != mutation.compared_idx
        # Stripe made this state after the request was sent; what was stored before is older.
        return mutation.requested_at < record.updated_at <= now
    if batch.source is Source.POLL:
        # Fetched after a Stripe event, so as new as that; older only than what others stored since.
        return observation.observed_at < record.observed_at <= now
    # Read from a list: stored while the list was under way, or requested together with it.
    requested_from = record.observed_at - OVERLAP
    return not record.deleted and (
        requested_from < observation.observed_at < record.updated_at <= now
    )
