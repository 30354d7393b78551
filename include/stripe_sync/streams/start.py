"""Where a new reader begins: at the beginning, now, at a moment, at a cursor."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.page import Queries, known_syncs
from stripe_sync.streams.selection import Selection

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d{1,5})([smhd])")

# The first change event since then; where there is none, the end of the stream.
_SINCE = """
SELECT sync_id, min(seq) - 1 FROM stripe_raw.events
WHERE created_at >= %(moment)s AND sync_id = ANY(%(syncs)s) GROUP BY sync_id
"""


def start_at(selection: Selection, start: str) -> Queries[StreamCursor]:
    """The cursor of a reader that begins there.

    Args:
        selection: What it reads; only the syncs count.
        start: ``all`` (the beginning), ``new`` (the end), ``30m`` (what was stored in the last 30
            minutes; units s, m, h, d), a time with its zone in ISO 8601, or a cursor.

    Raises:
        ConfigurationError: It is none of these.
        SyncNotFound: There is no such sync.
    """
    chosen = selection.choose((yield from known_syncs()))
    ends = StreamCursor({sync.id: sync.last_seq for sync in chosen})
    if start == "all":
        return StreamCursor()
    if start == "new":
        return ends
    moment = _moment(start)
    if moment is None:
        return _cursor(start)
    syncs: list[UUID] = list(ends.positions)
    rows = yield _SINCE, {"moment": moment, "syncs": syncs}
    return StreamCursor({**ends.positions, **{row[0]: row[1] for row in rows}})


def check_start(start: str) -> None:
    """Check what can be checked of a place to begin without the streams.

    Raises:
        ConfigurationError: It is none.
    """
    if start not in ("all", "new") and _moment(start) is None:
        _cursor(start)


def _cursor(text: str) -> StreamCursor:
    try:
        return StreamCursor.parse(text)
    except ConfigurationError:
        message = (
            "it is all, new, a duration such as 30m or 2d, a time with its zone such as"
            " 2026-11-01T00:00:00Z, or a cursor as it was returned"
        )
        raise ConfigurationError(message, param="from") from None


def _moment(text: str) -> datetime | str | None:
    """The moment of a duration or time; None where the text is neither."""
    if found := _DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        message = f"{text} lacks its time zone: write {moment.isoformat()}Z for UTC"
        raise ConfigurationError(message, param="from")
    return moment
