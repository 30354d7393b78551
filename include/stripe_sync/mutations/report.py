"""What became of each record of a mutation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    ObjectLocked,
    RateLimited,
    Refusal,
    StripeError,
    StripeUnavailable,
    StripeUnreachable,
)
from stripe_sync.records import RecordRow, canonical_json
from stripe_sync.records.canonical_json import JsonObject

_CODES: tuple[tuple[type[StripeError], str], ...] = (
    (RateLimited, "rate_limit"),
    (ObjectLocked, "lock_timeout"),
    (StripeUnreachable, "stripe_unreachable"),
    (StripeUnavailable, "stripe_unavailable"),
    (AuthenticationError, "stripe_key_refused"),
    (AccountDisconnected, "stripe_account_disconnected"),
)
"""Codes of what is no refusal of the request itself; the first class that matches decides."""


class MutationStatus(StrEnum):
    """What became of one record."""

    DONE = "done"
    """Stripe has the change, and so have the streams."""
    REFUSED = "refused"
    """Stripe refused it; sending the same again gives the same refusal."""
    NOT_EXECUTED = "not_executed"
    """Stripe did not begin to execute it: the same run may be tried again."""
    UNKNOWN = "unknown"
    """It was sent, and no answer says what became of it; a retry with the same key finds out."""
    NOT_SENT = "not_sent"
    """An earlier record failed, and the run stops there."""


@dataclass(frozen=True, slots=True)
class MutationResult:
    """What became of one record.

    Attributes:
        position: Its place in the run, from 0.
        status: What became of it.
        collection_id: Collection of the object.
        upstream_id: Its key; None where there is no object.
        record: The record as the record stream has it; for an object that the sync does not have
            only ``collection_id``, ``upstream_id``, ``deleted`` and ``payload``.
        seq: Stream position at which the record has the change.
        error: Why it failed; ``type``, ``code`` and ``param`` as Stripe names them.
    """

    position: int
    status: MutationStatus
    collection_id: str
    upstream_id: str | None = None
    record: JsonObject | None = None
    seq: int | None = None
    error: Refusal | None = None

    @property
    def ok(self) -> bool:
        """Whether Stripe has the change."""
        return self.status is MutationStatus.DONE

    def as_json(self) -> JsonObject:
        """For JSON: an entry of the report of a partial failure."""
        error = None if self.error is None else _given(asdict(self.error))
        return {
            "position": self.position,
            "status": self.status.value,
            "collection_id": self.collection_id,
            "upstream_id": self.upstream_id,
            "record": self.record,
            "error": error,
        }


@dataclass(frozen=True, slots=True)
class MutationReport:
    """What became of a run.

    Attributes:
        sync: Name of the sync.
        collection_id: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action.
        results: One per record, in their order.
        late: Awaited consumers that did not have the changes in time. The write stands.
    """

    sync: str
    collection_id: str
    kind: str
    results: tuple[MutationResult, ...]
    late: tuple[str, ...] = field(default=())

    @property
    def records(self) -> list[JsonObject]:
        """The records of those that succeeded."""
        return [each.record for each in self.results if each.ok and each.record is not None]

    @property
    def failed(self) -> list[MutationResult]:
        """Those that did not succeed."""
        return [each for each in self.results if not each.ok]

    @property
    def is_final(self) -> bool:
        """Whether another try of the same run can change nothing."""
        open_ends = {MutationStatus.UNKNOWN, MutationStatus.NOT_EXECUTED}
        return not any(each.status in open_ends for each in self.results)

    @property
    def seq(self) -> int | None:
        """Stream position up to which the streams have all changes of the run."""
        return max((each.seq for each in self.results if each.seq is not None), default=None)


def describe_mutation(report: MutationReport) -> str:
    """One line for people: counts, and the first failure."""
    total, failed = len(report.results), report.failed
    done = f"{report.kind} of {report.collection_id}: {total - len(failed)} of {total} done"
    if not failed:
        return done
    first = failed[0]
    cause = first.error.message if first.error else "an earlier record failed"
    named = f" {first.upstream_id}" if first.upstream_id else ""
    return f"{done}; records[{first.position}]{named} is {first.status.value}: {cause}"


def record_json(row: RecordRow, seq: int | None) -> JsonObject:
    """A record with the keys of the record stream; times are ISO 8601."""
    return {
        "id": str(row.id),
        "sync_id": str(row.sync_id),
        "resource_id": str(row.resource_id),
        "collection_id": row.collection_id,
        "upstream_id": row.upstream_id,
        "deleted": row.deleted,
        "payload": canonical_json.loads(row.payload_json),
        "payload_hash": row.payload_hash,
        "inserted_at": _time(row.inserted_at),
        "updated_at": _time(row.updated_at),
        "upstream_updated_at": _time(row.upstream_updated_at),
        "upsert_opts": None,
        "updated_idx": row.updated_idx,
        "seq": seq,
    }


def report_json(report: MutationReport) -> JsonObject:
    """A report for JSON: ``results`` of all, ``records`` of those that succeeded, ``late``."""
    return {
        "results": [each.as_json() for each in report.results],
        "records": report.records,
        "late": list(report.late),
    }


def refusal_of(error: StripeError) -> Refusal:
    """Stripe's own words for an error, or ours where it did not answer.

    Returns:
        Its ``code`` is ours where the error is not about the request: ``rate_limit``,
        ``lock_timeout``, ``stripe_unreachable``, ``stripe_unavailable``, ``stripe_key_refused``,
        ``stripe_account_disconnected``.
    """
    refusal = error.refusal or Refusal(
        "api_error", code=error.code, message=str(error), request_id=error.request_id
    )
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    return replace(refusal, code=code) if code else refusal


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _given(values: dict[str, Any]) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
