"""Arrow columns from Python values.

Made from buffers: Arrow's own conversion looks for pandas first, whose import costs more time and
memory than most tasks need for all of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def texts(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """UTF-8 texts, some of which may be missing.

    Args:
        values: The texts.
        kind: ``string``, or ``large_string`` for columns that may exceed 2 GiB.
    """
    width = np.int64 if pa.types.is_large_string(kind) else np.int32
    present = [value or b"" for value in values]
    offsets = np.zeros(len(values) + 1, width)
    np.cumsum([len(value) for value in present], out=offsets[1:])
    buffers = [_bitmap_of_present(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(present))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def names(values: Sequence[object | None], kind: pa.DataType) -> pa.Array:
    """Texts of values such as ids and names, of which all or neighbours are often the same."""
    if values and values[0] is not None and _all_one(values):
        text, count = str(values[0]).encode(), len(values)
        offsets = np.arange(count + 1, dtype=np.int32) * len(text)
        return pa.Array.from_buffers(
            kind, count, [None, pa.py_buffer(offsets), pa.py_buffer(text * count)]
        )
    return texts(_neighbours(values), kind)


def _neighbours(values: Sequence[object | None]) -> list[bytes | None]:
    found: list[bytes | None] = []
    last, text = None, None
    for value in values:
        if value is not last:
            last, text = value, None if value is None else str(value).encode()
        found.append(text)
    return found


def moments(values: Sequence[datetime], kind: pa.DataType) -> pa.Array:
    """Moments in whole microseconds."""
    if values and _all_one(values):
        number = (values[0] - _EPOCH) // _MICROSECOND
        same = np.full(len(values), number, np.int64)
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(same)])
    found, last, number = [], None, 0
    for value in values:
        if value is not last:
            last, number = value, (value - _EPOCH) // _MICROSECOND
        found.append(number)
    return _numbers(found, np.int64, kind)


def integers(values: Sequence[int], kind: pa.DataType) -> pa.Array:
    """Integers of 32 bits."""
    return _numbers(values, np.int32, kind)


def flags(values: Sequence[bool], kind: pa.DataType) -> pa.Array:
    """Truth values."""
    return pa.Array.from_buffers(kind, len(values), [None, _bitmap(values)])


def _all_one(values: Sequence[object]) -> bool:
    """Whether all are one and the same object, as most of a batch's values are."""
    return len(set(map(id, values))) == 1


def _numbers(values: Sequence[int], width: Any, kind: pa.DataType) -> pa.Array:
    numbers = pa.py_buffer(np.fromiter(values, width, len(values)))
    return pa.Array.from_buffers(kind, len(values), [None, numbers])


def _bitmap_of_present(values: Sequence[bytes | None]) -> pa.Buffer | None:
    if None not in values:
        return None
    return _bitmap([value is not None for value in values])


def _bitmap(values: Sequence[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(values, np.bool_), bitorder="little"))
