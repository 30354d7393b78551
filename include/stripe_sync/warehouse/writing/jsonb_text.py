"""JSON texts for jsonb columns, which hold all of JSON but NUL and halves of surrogate pairs.

Where jsonb would return another text than the one that was stored, a column beside it has the text.
"""

from __future__ import annotations

import re

_NUL = b"\\u0000"
# Canonical JSON writes all but control characters and halves of surrogate pairs as UTF-8.
_SURROGATE = b"\\ud"
# Escapes are read from left to right, so that the second half of an escaped backslash is never
# taken for the start of another escape.
_ESCAPE = re.compile(rb"\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)")


def for_jsonb(json_text: bytes) -> bytes:
    r"""Replace what jsonb refuses by U+FFFD, leaving a literal backslash before u0000 alone.

    Args:
        json_text: Canonical JSON.
    """
    if _NUL not in json_text and _SURROGATE not in json_text:
        return json_text
    return _ESCAPE.sub(_replacement, json_text)


def exact_text(json_text: bytes, jsonb: bytes) -> bytes | None:
    """The text to store beside a jsonb value; None where the value returns it.

    Args:
        json_text: Canonical JSON.
        jsonb: The same for jsonb, from ``for_jsonb``.
    """
    if jsonb != json_text:
        return json_text
    # jsonb writes out exponents, as integers, and has no minus zero.
    rewritten = b"e+" in json_text or b"E+" in json_text or b"-0.0" in json_text
    return json_text if rewritten else None


def _replacement(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    return rb"\ufffd" if escape == _NUL or escape.startswith(_SURROGATE) else escape
