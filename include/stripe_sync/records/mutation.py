"""What one transaction stores of a mutation, and what it remembers to recognise its echoes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.observation import ChangeType
from stripe_sync.records.stream_rows import RecordRow


@dataclass(frozen=True, slots=True)
class ExecutedMutation:
    """A request that Stripe executed; its outcome commits together with the records.

    Attributes:
        key: Hash of the key that the caller gave the run; None for a request that is not stored.
        position: Place of the record in the run.
        requested_at: When the request was sent, by the database's clock.
        request_id: Stripe's id of the request that was executed; None where the answer lacks it.
        collection_id: Collection of the object in the answer; None where it is none.
        upstream_id: Its key, None where it is no record.
        compared_idx: ``updated_idx`` of the record that the object was compared with, to find out
            whether the stream has its change already; None where it was not.
    """

    key: str | None
    position: int
    requested_at: datetime
    request_id: str | None
    collection_id: str | None = None
    upstream_id: str | None = None
    compared_idx: int | None = None

    def is_of(self, record: RecordRow) -> bool:
        """Whether a record is that of the object in the answer."""
        return (record.collection_id, record.upstream_id) == (self.collection_id, self.upstream_id)


@dataclass(frozen=True, slots=True)
class OwnChange:
    """A change event that a mutation wrote and that no Stripe event has reported yet.

    Attributes:
        seq: Its stream position.
        request_id: Stripe's id of the request.
        event_type: Its type.
        changes: Old values of the changed keys; None unless updated.
    """

    seq: int
    request_id: str
    event_type: ChangeType
    changes: JsonObject | None = None


OwnChanges = Mapping[tuple[str, str], Sequence[OwnChange]]
"""Own changes by collection id and upstream id of the record, in stream order."""
