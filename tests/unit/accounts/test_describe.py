"""The health of a key in a few sentences."""

from __future__ import annotations

from datetime import UTC, datetime

from stripe_sync.accounts import (
    Access,
    CollectionAccess,
    CredentialHealth,
    HealthStatus,
    describe_health,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CHARGES = (Access.NO, Access.NO, ("charge_read",), ("charge_write",))
PAGE = "https://airflow.example/stripe/new-key/live"


def health(*collections: CollectionAccess, status: HealthStatus = HealthStatus.LIMITED) -> str:
    found = CredentialHealth(status, NOW, True, "acct_1", "Shop", collections, ("A note.",))
    return describe_health(found, key_page=PAGE)


def test_account_mode_counts_and_what_is_missing() -> None:
    text = health(
        CollectionAccess("stripe:customer", Access.YES, Access.YES),
        CollectionAccess("stripe:event", Access.YES, Access.NOT_MUTABLE),
        CollectionAccess(
            "stripe:charge", Access.NO, Access.NO, ("charge_read",), ("charge_write",)
        ),
        CollectionAccess(
            "stripe:refund", Access.NO, Access.NO, ("charge_read",), ("charge_write",)
        ),
        CollectionAccess("stripe:issuing.card", Access.UNAVAILABLE, Access.UNAVAILABLE),
    )
    assert text.split("\n") == [
        "Account acct_1 (Shop), live mode.",
        "The key may read 2 of 5 collections and write 1 of 4.",
        "Missing to read: charge_read (charge, refund).",
        "Nothing to read for this account: issuing.card.",
        "A note.",
        f"A new key with all read permissions: {PAGE}",
    ]


def test_many_permissions_are_listed_without_their_collections() -> None:
    lacking = [
        CollectionAccess(f"stripe:thing_{n}", Access.NO, Access.NOT_MUTABLE, (f"thing_{n}_read",))
        for n in range(9)
    ]
    assert "Missing to read: thing_0_read, thing_1_read" in health(*lacking)


def test_a_key_that_was_not_probed_has_only_its_reason() -> None:
    assert health(status=HealthStatus.REFUSED) == "A note."
