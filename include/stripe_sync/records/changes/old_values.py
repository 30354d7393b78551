"""Old values of a change event: computed from two states where Stripe's event has none.

``diff.py`` prefers the event's own ``previous_attributes`` (``sync/poll/events/parse_event.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sync.records.canonical_json import JsonObject


def old_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> JsonObject:
    """Old values of the changed keys, in the shape of Stripe's ``previous_attributes``.

    Objects are compared key by key, arrays as a whole; a new key has the old value null.

    Args:
        old: The earlier state.
        new: The later state.

    Returns:
        Changed keys with their old values; empty when nothing differs.
    """
    changes: JsonObject = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after and type(before) is type(after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            nested = old_values(before, after)
            if nested:
                changes[key] = nested
        else:
            changes[key] = before
    return changes
