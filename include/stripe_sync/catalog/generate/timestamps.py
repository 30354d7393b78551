"""Which whole numbers are moments.

The SDK types amounts, counts and moments alike as ``int``. The rule here goes by name; what the
SDK says of each field is held against it, so that a new kind of name cannot slip through.
"""

from __future__ import annotations

import re

from stripe_sync.errors import CatalogError

_SUFFIXES = ("_at", "_on", "_by", "_date", "_start", "_end", "_until", "_anchor")
_NAMES = frozenset(
    {
        "created",
        "date",
        "end",
        "next_payment_attempt",
        "next_pending_invoice_item_invoice",
        "start",
        "timestamp",
        "updated",
    }
)
_SPEAKS_OF_A_MOMENT = re.compile(
    r"unix epoch|timestamp|^\s*(the )?(latest |earliest )?(date|time)\b", re.IGNORECASE
)


def is_timestamp(name: str) -> bool:
    """Whether a whole-number field of this name holds seconds since 1970."""
    return name in _NAMES or name.endswith(_SUFFIXES)


def check_timestamp(label: str, name: str, doc: str) -> None:
    """Hold the rule against the SDK's words.

    Raises:
        CatalogError: The SDK speaks of a moment where the rule sees a number.
    """
    if _SPEAKS_OF_A_MOMENT.search(doc) and not is_timestamp(name):
        msg = f"{label} looks like a moment by the SDK's words; add its name to {__name__}"
        raise CatalogError(msg)
