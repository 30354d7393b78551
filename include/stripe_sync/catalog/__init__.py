"""Which collections exist and how each is read, as data.

The entries are in ``collections/*.json``, one file per subject. ``model`` describes their fields,
``checks`` refuses contradictions. Adding a collection means adding an entry.
"""

from __future__ import annotations

from stripe_sync.catalog.calls import (
    Evidence,
    FieldPredicate,
    ListCall,
    PreviewCall,
    Reread,
    SourceField,
)
from stripe_sync.catalog.catalog import Catalog, load_catalog
from stripe_sync.catalog.change_signals import ChangeSignal
from stripe_sync.catalog.model import (
    ID_PREFIX,
    STRIPE_EVENTS,
    Availability,
    Collection,
    EventRouting,
    Mutations,
    Permissions,
    Retrieval,
)
from stripe_sync.catalog.pinned_api_version import PINNED_API_VERSION
from stripe_sync.records import ChangeType

__all__ = [
    "ID_PREFIX",
    "PINNED_API_VERSION",
    "STRIPE_EVENTS",
    "Availability",
    "Catalog",
    "ChangeSignal",
    "ChangeType",
    "Collection",
    "EventRouting",
    "Evidence",
    "FieldPredicate",
    "ListCall",
    "Mutations",
    "Permissions",
    "PreviewCall",
    "Reread",
    "Retrieval",
    "SourceField",
    "load_catalog",
]
