"""What a key may do: the result of a probe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from stripe_sync.records.canonical_json import JsonObject


class Access(StrEnum):
    """Whether a key may read, or write, a collection.

    Attributes:
        YES: It may.
        IN_PART: It may for some of the endpoints that the collection needs.
        NO: It lacks a permission.
        UNAVAILABLE: Nobody may: Stripe retired it, or the account does not use the product.
        NOT_MUTABLE: Stripe has no request that writes it.
        UNKNOWN: Stripe did not answer, or only a creation could show it.
    """

    YES = "yes"
    IN_PART = "in part"
    NO = "no"
    UNAVAILABLE = "unavailable"
    NOT_MUTABLE = "not mutable"
    UNKNOWN = "unknown"


class HealthStatus(StrEnum):
    """Whether a key can be used.

    Attributes:
        OK: It may read every collection that its account has.
        LIMITED: It lacks permissions.
        REFUSED: Stripe refuses it.
        UNKNOWN: Stripe did not answer.
    """

    OK = "ok"
    LIMITED = "limited"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CollectionAccess:
    """What a key may do with one collection.

    Attributes:
        collection: ``stripe:customer``.
        read: Whether it may be read.
        write: Whether it may be written.
        missing_read: Permissions that the key lacks to read, ``customer_read``: as named by
            Stripe's refusal, else by the catalogue.
        missing_write: Permissions that it lacks to write.
        note: Why something is neither yes nor no; empty mostly.
    """

    collection: str
    read: Access
    write: Access
    missing_read: tuple[str, ...] = ()
    missing_write: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class CredentialHealth:
    """What a key may do, and for which account.

    Attributes:
        status: Whether the key can be used.
        checked_at: When it was probed, UTC.
        livemode: Whether it is a live mode key.
        account: ``acct_…``; None where nothing names it.
        name: Display name of the account; None where the key may not read it.
        collections: All collections, in the catalogue's order; empty if the key was not probed.
        notes: What else is to be known, a sentence each; why a key was not probed.
        requests: How many requests the probe sent.
    """

    status: HealthStatus
    checked_at: datetime
    livemode: bool
    account: str | None = None
    name: str | None = None
    collections: tuple[CollectionAccess, ...] = ()
    notes: tuple[str, ...] = field(default=())
    requests: int = 0

    @property
    def usable(self) -> bool:
        """Whether the key may read anything at all."""
        return any(each.read in (Access.YES, Access.IN_PART) for each in self.collections)

    @property
    def mode(self) -> str:
        """``live`` or ``test``."""
        return "live" if self.livemode else "test"

    def count(self, direction: str, *accesses: Access) -> int:
        """Number of collections whose ``read`` or ``write`` is one of these."""
        return sum(getattr(each, direction) in accesses for each in self.collections)

    def as_json(self) -> JsonObject:
        """The health as JSON, for the API and ``--json``."""
        return {
            "status": str(self.status),
            "time": self.checked_at.isoformat(),
            "livemode": self.livemode,
            "account": self.account,
            "name": self.name,
            "notes": list(self.notes),
            "collections": [
                {
                    "collection_id": each.collection,
                    "read": str(each.read),
                    "write": str(each.write),
                    "missing_permissions": [*each.missing_read, *each.missing_write],
                    "note": each.note or None,
                }
                for each in self.collections
            ],
        }


def status_of(collections: Iterable[CollectionAccess]) -> HealthStatus:
    """The status of a key whose collections were probed; only reading counts."""
    reads = {each.read for each in collections}
    if reads & {Access.NO, Access.IN_PART}:
        return HealthStatus.LIMITED
    return HealthStatus.UNKNOWN if Access.UNKNOWN in reads else HealthStatus.OK
