"""Whether two states of an object were requested at the same time, so that nothing orders them."""

from __future__ import annotations

from datetime import datetime, timedelta

from stripe_sync.records.observation import Observation, Source
from stripe_sync.records.stream_rows import RecordRow

OVERLAP = timedelta(seconds=10)
"""Longest time that an answer takes: a state requested earlier than this is certainly older."""


def is_doubtful(observation: Observation, record: RecordRow, source: Source, now: datetime) -> bool:
    """Whether it is not certain which of two different states is the newer one.

    Args:
        observation: A state that was read.
        record: The stored state.
        source: The use case that read it.
        now: The database's time. Stored times ahead of it are of another clock: they say nothing.
    """
    if source is Source.POLL:
        # Fetched after a Stripe event, so as new as that; older only than what others stored since.
        return observation.observed_at < record.observed_at <= now
    # Read from a list: stored while the list was under way, or requested together with it.
    requested_from = record.observed_at - OVERLAP
    return not record.deleted and (
        requested_from < observation.observed_at < record.updated_at <= now
    )
