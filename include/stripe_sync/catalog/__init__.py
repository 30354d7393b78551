"""Which collections exist and how each is obtained, as data.

The rows are in ``collections/*.json``, one array a subject; ``model`` says what a row means and
``checks`` what must hold. Adding a collection is adding a row.
"""

from __future__ import annotations

from stripe_sync.catalog.calls import ListCall, PreviewCall, Reread, SkipRule, SourceField
from stripe_sync.catalog.catalog import Catalog, load_catalog
from stripe_sync.catalog.change_signals import ChangeSignal
from stripe_sync.catalog.model import (
    ID_PREFIX,
    PINNED_API_VERSION,
    Availability,
    Collection,
    EventRouting,
    Mutations,
    Retrieval,
)
from stripe_sync.records import ChangeType

__all__ = [
    "ID_PREFIX",
    "PINNED_API_VERSION",
    "Availability",
    "Catalog",
    "ChangeSignal",
    "ChangeType",
    "Collection",
    "EventRouting",
    "ListCall",
    "Mutations",
    "PreviewCall",
    "Reread",
    "Retrieval",
    "SkipRule",
    "SourceField",
    "load_catalog",
]
