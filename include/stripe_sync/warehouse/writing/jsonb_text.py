"""JSON texts for jsonb columns, which hold all of JSON but the character NUL."""

from __future__ import annotations

import re

_NUL = b"\\u0000"
# Escapes are read from left to right, so that the second half of an escaped backslash is never
# taken for the start of another escape.
_ESCAPE = re.compile(rb"\\(?:u0000|.)")


def for_jsonb(json_text: bytes) -> bytes:
    r"""Replace NUL (``\u0000``) by U+FFFD, leaving a literal backslash before u0000 alone."""
    if _NUL not in json_text:
        return json_text
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[0] == _NUL else found[0], json_text)
