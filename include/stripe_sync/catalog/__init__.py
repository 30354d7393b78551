"""Which collections exist and how each is obtained, as data.

The rows are in ``collections/*.json``, one array a subject; ``model`` says what a row means and
``checks`` what must hold. Adding a collection is adding a row.
"""

from __future__ import annotations

from stripe_sync.catalog.calls import ListCall, PreviewCall, Relist, SkipRule, SourceField
from stripe_sync.catalog.catalog import Catalog, load_catalog
from stripe_sync.catalog.model import (
    ID_PREFIX,
    PINNED_API_VERSION,
    Availability,
    ChangeType,
    Collection,
    EventRouting,
    Mutations,
    Obtained,
)
from stripe_sync.catalog.watch import Watch

__all__ = [
    "ID_PREFIX",
    "PINNED_API_VERSION",
    "Availability",
    "Catalog",
    "ChangeType",
    "Collection",
    "EventRouting",
    "ListCall",
    "Mutations",
    "Obtained",
    "PreviewCall",
    "Relist",
    "SkipRule",
    "SourceField",
    "Watch",
    "load_catalog",
]
