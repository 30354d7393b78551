"""Staging: one COPY into a temporary table; ``stream_seq.py`` merges it from there.

Each change event is one staged row. The newest change event of a record also carries the record, so
that a payload is sent and parsed once although both tables store it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from stripe_sync.records import EventRow, RecordRow, canonical_json
from stripe_sync.records.changes.diff import Changes
from stripe_sync.warehouse.writing.jsonb_text import exact_text, for_jsonb

_COPY_BUFFER_BYTES = 256 * 1024

CREATE_STAGE = """
CREATE TEMPORARY TABLE stripe_stage (
    ordinal int NOT NULL,
    event_id uuid NOT NULL,
    collection_id text COLLATE "C" NOT NULL,
    upstream_id text COLLATE "C" NOT NULL,
    event_type text,
    changes jsonb,
    created_at timestamptz NOT NULL,
    upstream_updated_at timestamptz NOT NULL,
    stripe_event_id text,
    api_version text NOT NULL,
    record_id uuid,
    deleted boolean,
    payload_hash text,
    inserted_at timestamptz,
    record_upstream_updated_at timestamptz,
    updated_idx int,
    observed_at timestamptz,
    parent_id text,
    payload_exact text,
    payload jsonb NOT NULL
) ON COMMIT DROP
"""
"""For one transaction."""

KEEP_STAGE = CREATE_STAGE.replace("ON COMMIT DROP", "ON COMMIT DELETE ROWS")
"""For all transactions of a session of our own; saves some milliseconds in each."""

COPY_STAGE = "COPY pg_temp.stripe_stage FROM STDIN"


def emitted_events(changes: Changes, *, created_events: bool) -> list[EventRow]:
    """The change events to store: all, or all but those of new records.

    Args:
        changes: The rows of a batch.
        created_events: Whether a new record gets a change event without a Stripe event.
    """
    if created_events:
        return changes.events
    new = {(r.collection_id, r.upstream_id) for r in changes.records if r.updated_idx == 1}
    return [
        event
        for event in changes.events
        if event.stripe_event_id or (event.collection_id, event.upstream_id) not in new
    ]


def copy_blocks(changes: Changes, emitted: list[EventRow]) -> Iterator[bytes]:
    """The staged rows in the text format of COPY, in blocks of at least 256 kB.

    A change event that is not emitted only carries its record: its type is NULL.

    Args:
        changes: The rows of a batch.
        emitted: Those of its change events that are stored.
    """
    unstored = {event.id for event in changes.events} if emitted is not changes.events else set()
    unstored.difference_update(event.id for event in emitted)
    newest = {(row.collection_id, row.upstream_id): row for row in changes.records}
    moments, names = _Moments(), _Names()
    block: list[bytes] = []
    size = 0
    # The newest event of a record is its last one, so it is the first in reverse.
    rows: list[tuple[EventRow, RecordRow | None]] = [
        (event, newest.pop((event.collection_id, event.upstream_id), None))
        for event in reversed(changes.events)
    ]
    for ordinal, (event, record) in enumerate(reversed(rows), start=1):
        event_type = _NULL if unstored and event.id in unstored else event.event_type.value
        line = _line(ordinal, event, event_type, record, moments, names)
        block.append(line)
        size += len(line)
        if size >= _COPY_BUFFER_BYTES:
            yield b"".join(block)
            block.clear()
            size = 0
    if block:
        yield b"".join(block)


class _Names(dict[str, str]):
    """Cache of escaped names: most rows of a batch share them."""

    def __missing__(self, name: str) -> str:
        text = self[name] = _text(name)
        return text


class _Moments(dict[datetime, str]):
    """Cache of formatted times: most rows of a batch share them."""

    def __missing__(self, moment: datetime) -> str:
        text = self[moment] = moment.isoformat()
        return text


def _line(  # noqa: PLR0917 - the values of a row, and two caches
    ordinal: int,
    event: EventRow,
    event_type: str,
    record: RecordRow | None,
    moments: _Moments,
    names: _Names,
) -> bytes:
    payload = for_jsonb(event.data_json)
    text = exact_text(event.data_json, payload)
    exact = rb"\N" if text is None else _escape(text)
    changes = rb"\N"
    if event.changes is not None:
        changes = _escape(for_jsonb(canonical_json.canonical(event.changes)))
    stripe_event_id = event.stripe_event_id
    head = (
        f"{ordinal}\t{event.id.hex}\t{names[event.collection_id]}\t{_text(event.upstream_id)}"
        f"\t{event_type}\t"
    )
    middle = (
        f"\t{moments[event.created_at]}\t{moments[event.upstream_updated_at]}"
        f"\t{_text(stripe_event_id) if stripe_event_id else _NULL}\t{names[event.api_version]}\t"
    )
    tail = _NO_RECORD if record is None else _record_fields(record, moments)
    return b"".join(
        (
            head.encode(),
            changes,
            middle.encode(),
            tail.encode(),
            exact,
            b"\t",
            _escape(payload),
            b"\n",
        )
    )


_NULL = r"\N"
_NO_RECORD = "\t".join([_NULL] * 8) + "\t"


def _record_fields(record: RecordRow, moments: _Moments) -> str:
    return (
        f"{record.id.hex}\t{'t' if record.deleted else 'f'}\t{record.payload_hash}"
        f"\t{moments[record.inserted_at]}\t{moments[record.upstream_updated_at]}"
        f"\t{record.updated_idx}\t{moments[record.observed_at]}"
        f"\t{_text(record.parent_id) if record.parent_id else _NULL}\t"
    )


def _escape(json_text: bytes) -> bytes:
    """JSON text has no control characters, so only the backslash needs an escape."""
    return json_text.replace(b"\\", b"\\\\")


_SPECIAL = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _text(value: str) -> str:
    # Most ids are identifiers, which need no escapes; the check is faster than translate.
    return value if value.isidentifier() else value.translate(_SPECIAL)
