"""Which whole numbers are timestamps.

The SDK types amounts, counts and timestamps alike as ``int``. The rule here goes by name; the SDK's
description of each field is checked against it, so that a new kind of name is noticed.
"""

from __future__ import annotations

import re

from stripe_sync.errors import CatalogError

_SUFFIXES = (
    "_after",
    "_anchor",
    "_at",
    "_by",
    "_date",
    "_end",
    "_on",
    "_start",
    "_time",
    "_until",
)
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
_DESCRIBES_A_TIMESTAMP = re.compile(
    r"unix epoch|timestamp|^\s*(the )?(latest |earliest )?(date|time)\b", re.IGNORECASE
)


def is_timestamp(name: str) -> bool:
    """Whether a whole-number field of this name has seconds since 1970."""
    return name in _NAMES or name.endswith(_SUFFIXES)


def check_timestamp(label: str, name: str, doc: str) -> None:
    """Check the rule against the SDK's description.

    Raises:
        CatalogError: The SDK describes a timestamp where the rule sees a number.
    """
    if _DESCRIBES_A_TIMESTAMP.search(doc) and not is_timestamp(name):
        msg = f"{label} is a timestamp by the SDK's description; add its name to {__name__}"
        raise CatalogError(msg)
