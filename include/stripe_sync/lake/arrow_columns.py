"""Arrow columns from Python values, made of buffers.

``pa.array`` would import pandas: 0.4 s of CPU (as much as loading 3,600 objects) and 49 MB in every
process that writes to the lake. Per object, these functions take 8 µs (records and change events of
2,000 customers), ``pa.array`` 10 µs.
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
    """A column of UTF-8 texts and nulls.

    Args:
        values: The texts.
        kind: ``string``, or ``large_string`` for columns that may exceed 2 GiB.
    """
    width = np.int64 if pa.types.is_large_string(kind) else np.int32
    present = [value or b"" for value in values]
    offsets = np.zeros(len(values) + 1, width)
    np.cumsum([len(value) for value in present], out=offsets[1:])
    buffers = [_validity(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(present))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def names(values: Sequence[object | None], kind: pa.DataType) -> pa.Array:
    """A column of ids and names; converts runs of the same value once (saves 4 µs per object)."""
    encoded: list[bytes | None] = []
    last, text = None, None
    for value in values:
        if value is not last:
            last, text = value, None if value is None else str(value).encode()
        encoded.append(text)
    return texts(encoded, kind)


def moments(values: Sequence[datetime | None], kind: pa.DataType) -> pa.Array:
    """A column of times in microseconds, and nulls."""
    numbers, last, number = [], None, 0
    for value in values:
        if value is not last:
            last, number = value, 0 if value is None else (value - _EPOCH) // _MICROSECOND
        numbers.append(number)
    return _numbers(numbers, np.int64, kind, _validity(values))


def integers(values: Sequence[int], kind: pa.DataType) -> pa.Array:
    """A column of 32-bit integers."""
    return _numbers(values, np.int32, kind)


def flags(values: Sequence[bool], kind: pa.DataType) -> pa.Array:
    """A column of booleans."""
    return pa.Array.from_buffers(kind, len(values), [None, _bitmap(values)])


def _numbers(
    values: Sequence[int], width: Any, kind: pa.DataType, validity: pa.Buffer | None = None
) -> pa.Array:
    numbers = pa.py_buffer(np.fromiter(values, width, len(values)))
    return pa.Array.from_buffers(kind, len(values), [validity, numbers])


def _validity(values: Sequence[object | None]) -> pa.Buffer | None:
    return _bitmap([value is not None for value in values]) if None in values else None


def _bitmap(values: Sequence[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(values, np.bool_), bitorder="little"))
