"""The link to Stripe's page for a restricted key."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from stripe_sync.accounts.credentials.restricted_key import create_key_url, key_permissions
from stripe_sync.catalog import Collection, load_catalog

CATALOG = load_catalog()


def collections(*names: str) -> list[Collection]:
    return [CATALOG.resolve(name) for name in names]


def test_the_link_names_the_key_and_each_permission_once() -> None:
    url = urlsplit(create_key_url(collections("refund", "charge", "price"), "My shop", test=True))
    assert f"{url.scheme}://{url.netloc}{url.path}" == (
        "https://dashboard.stripe.com/test/apikeys/create"
    )
    assert parse_qs(url.query) == {
        "name": ["My shop"],
        "permissions[]": [
            "rak_billing_clock_read",
            "rak_charge_read",
            "rak_event_read",
            "rak_plan_read",
        ],
    }


def test_a_live_key_needs_no_test_clocks() -> None:
    url = create_key_url(collections("charge"), test=False)
    assert url.startswith("https://dashboard.stripe.com/apikeys/create?name=airflow-stripe-sync&")
    assert "billing_clock" not in url


def test_write_implies_read() -> None:
    found = key_permissions(collections("charge"), test=False, write=collections("coupon"))
    assert found == ["charge_read", "coupon_write", "event_read"]


def test_by_default_everything_can_be_read_and_nothing_written() -> None:
    permissions = parse_qs(urlsplit(create_key_url(test=False)).query)["permissions[]"]
    assert all(each.startswith("rak_") and each.endswith("_read") for each in permissions)
    needed = {name for each in CATALOG.values() for name in each.permissions.read}
    assert {f"rak_{name}" for name in needed if name.endswith("_read")} <= set(permissions)
