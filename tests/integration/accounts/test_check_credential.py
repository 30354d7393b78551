"""What a key may do, found out over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from stripe_sandbox.server import Running
from stripe_sandbox.settings import stripe_limits
from stripe_sync import Credential, CredentialHealth, check_credential
from stripe_sync.accounts import Access, CollectionAccess, HealthStatus
from stripe_sync.catalog import Availability, load_catalog

CATALOG = load_catalog()
FEW = "rk_test_few"


def check(sandbox: Running, key: str | None = None, **options: str) -> CredentialHealth:
    credential = Credential(key or sandbox.api_key, sandbox.base_url)
    return check_credential(credential, **options)


def access(health: CredentialHealth, name: str) -> CollectionAccess:
    return next(each for each in health.collections if each.collection == f"stripe:{name}")


def test_a_secret_key_may_do_everything(sandbox: Running) -> None:
    health = check(sandbox)
    assert (health.status, health.account) == (HealthStatus.OK, "acct_1SandboxShop0001")
    assert (len(health.collections), health.livemode) == (len(CATALOG), False)
    for each in health.collections:
        mutable = bool(CATALOG[each.collection].mutations.all)
        legacy = CATALOG[each.collection].availability is Availability.LEGACY
        assert each.read is Access.YES or each.collection == "stripe:usage_record"
        assert each.write is (Access.YES if mutable else Access.NOT_MUTABLE) or legacy


def test_nothing_is_downloaded_created_or_changed(sandbox: Running) -> None:
    sandbox.control.demo()
    before = sandbox.control.stats()["objects"]
    events = len(sandbox.control.objects("event"))
    check(sandbox)
    stats = sandbox.control.stats()
    assert stats["objects"] == before
    assert len(sandbox.control.objects("event")) == events
    lists = {call.path for each in CATALOG.top_level() for call in each.lists}
    # Asked for a parent that does not exist, these return nothing.
    lists -= {call.path for each in CATALOG.values() for call in each.lists if call.parent}
    assert len(lists) > 30
    assert not {f"GET {path}" for path in lists} & stats["by_endpoint"].keys()


@pytest.mark.parametrize("newer", [False, True])
def test_what_a_restricted_key_lacks_is_named_in_both_texts_of_the_refusal(
    sandbox: Running, newer: bool
) -> None:
    sandbox.control.settings(newer_permission_errors=newer)
    sandbox.control.add_key(FEW, permissions=["rak_customer_write", "rak_event_read"])

    health = check(sandbox, FEW)

    assert health.status is HealthStatus.LIMITED
    assert health.account == "acct_1SandboxShop0001"
    assert access(health, "customer").read is access(health, "customer").write is Access.YES
    assert access(health, "tax_id").write is Access.YES
    price = access(health, "price")
    assert (price.read, price.write) == (Access.NO, Access.NO)
    assert (price.missing_read, price.missing_write) == (("plan_read",), ("plan_write",))
    assert access(health, "bank_account").read is Access.IN_PART
    assert access(health, "token").write is Access.UNKNOWN
    assert health.notes == ()


def test_without_stripe_events_a_note_says_what_that_costs(sandbox: Running) -> None:
    sandbox.control.add_key(FEW, permissions=["rak_customer_read"])
    [note] = check(sandbox, FEW).notes
    assert "event_read" in note


def test_the_catalogues_names_are_those_of_the_refusals(sandbox: Running) -> None:
    """The sandbox has the names of Stripe's documentation; retired ones have none there."""
    sandbox.control.add_key("rk_test_none", permissions=[])
    health = check(sandbox, "rk_test_none")
    assert not health.usable
    for each in health.collections:
        collection = CATALOG[each.collection]
        if collection.availability is Availability.CURRENT:
            assert set(collection.permissions.read) <= set(each.missing_read)
            assert set(each.missing_write) <= set(collection.permissions.write)


def test_a_key_made_by_the_link_may_read_everything_but_previews(sandbox: Running) -> None:
    from stripe_sync.accounts import key_permissions

    readable = [each for each in CATALOG.values() if each.retrieval != "preview"]
    permissions = [f"rak_{name}" for name in key_permissions(readable, test=True)]
    sandbox.control.add_key("rk_test_made", permissions=permissions)
    health = check(sandbox, "rk_test_made")
    lacking = {each.collection for each in health.collections if each.missing_read}
    current = {each for each in lacking if CATALOG[each].availability is Availability.CURRENT}
    assert current == {each.id for each in CATALOG.values() if each.retrieval == "preview"}


def test_a_product_that_the_account_does_not_use_is_unavailable(sandbox: Running) -> None:
    text = "Your account is not set up to use Issuing. Please visit the Dashboard to get started."
    for method in ("GET", "POST"):
        sandbox.control.fault(
            "refuse", endpoint=f"{method} /v1/issuing/*", status=400, message=text
        )
    health = check(sandbox)
    card = access(health, "issuing.card")
    assert (card.read, card.write) == (Access.UNAVAILABLE, Access.UNAVAILABLE)
    assert "not set up to use Issuing" in card.note
    assert health.status is HealthStatus.OK


def test_an_account_that_does_not_exist_is_no_missing_permission(sandbox: Running) -> None:
    sandbox.control.fault(
        "refuse", endpoint="* /v1/accounts/*", status=403, code="account_invalid", message="none"
    )
    assert access(check(sandbox), "person").read is Access.YES


def test_what_stripe_does_not_answer_is_unknown(sandbox: Running) -> None:
    sandbox.control.fault("server_error", endpoint="GET /v1/coupons/*", status=500)
    health = check(sandbox)
    assert access(health, "coupon").read is Access.UNKNOWN
    assert access(health, "coupon").write is Access.YES
    assert health.status is HealthStatus.UNKNOWN


@pytest.mark.parametrize(
    ("key", "trouble", "says"),
    [
        ("rk_test_old", "expired", "has expired"),
        ("rk_test_home", "address", "is right, but Stripe does not accept it from this IP"),
    ],
)
def test_a_key_that_is_refused_says_why(
    sandbox: Running, key: str, trouble: str, says: str
) -> None:
    sandbox.control.add_key(key, trouble=trouble)
    health = check(sandbox, key)
    assert (health.status, health.collections) == (HealthStatus.REFUSED, ())
    assert says in health.notes[0]
    assert "test_" not in health.notes[0]


def test_a_revoked_key_is_refused_after_one_request(sandbox: Running) -> None:
    health = check(sandbox, "rk_test_revoked")
    assert health.status is HealthStatus.REFUSED
    assert "wrong or revoked" in health.notes[0]


def test_an_unreachable_stripe_says_nothing_about_the_key() -> None:
    health = check_credential(Credential("sk_test_1", "http://127.0.0.1:1"))
    assert health.status is HealthStatus.UNKNOWN
    assert "127.0.0.1:1" in health.notes[0]


def test_at_stripes_limits_and_latency_it_takes_less_than_ten_seconds(sandbox: Running) -> None:
    limits = stripe_limits(livemode=False).model_dump()
    sandbox.control.settings(latency=0.25, test_limits=limits)
    started = time.monotonic()
    health = check(sandbox)
    assert time.monotonic() - started < 10
    assert health.status is HealthStatus.OK
    assert sandbox.control.stats()["rate_limited"] == {}


def test_requests_are_paced_and_counted_with_those_of_the_syncs(
    sandbox: Running, warehouse_url: str
) -> None:
    sandbox.control.settings(test_limits=stripe_limits(livemode=False).model_dump())
    health = check(sandbox, warehouse_url=warehouse_url)
    stats = sandbox.control.stats()
    reads = sum(n for name, n in stats["by_endpoint"].items() if name.startswith("GET "))
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT account_key, reads FROM stripe_sync.stripe_reads"
        [(account, granted)] = connection.execute(query).fetchall()
    assert account == "acct_1SandboxShop0001:test"
    assert granted >= reads  # a slot that passed while a connection was opened is renewed
    assert stats["rate_limited"] == {}
    assert health.notes == ()


def test_without_the_warehouse_it_is_paced_alone(sandbox: Running, tmp_path: Path) -> None:
    health = check(sandbox, warehouse_url=f"postgresql:///db?host={tmp_path}")
    assert health.status is HealthStatus.OK
    assert "paced alone" in health.notes[0]


def test_the_health_is_json_without_the_key(sandbox: Running) -> None:
    sandbox.control.add_key(FEW, permissions=["rak_customer_read"])
    found = check(sandbox, FEW).as_json()
    assert (found["status"], found["livemode"]) == ("limited", False)
    [customer] = [
        each for each in found["collections"] if each["collection_id"] == "stripe:customer"
    ]
    assert customer == {
        "collection_id": "stripe:customer",
        "read": "yes",
        "write": "no",
        "missing_permissions": ["customer_write"],
        "note": None,
    }
    assert FEW not in str(found)
