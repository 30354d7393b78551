"""Fields are left out or hashed by path, wherever an object is, in one pass."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from stripe_sync.catalog import STRIPE_EVENTS, load_catalog
from stripe_sync.errors import ConfigurationError
from stripe_sync.extract.field_rules import make_rules
from stripe_sync.extract.normalize import StripeEventNormalizer
from stripe_sync.records.redaction import FieldRules
from stripe_sync.sync.connections import SyncSettings

CATALOG = load_catalog()
SECRET = "a secret of 16 or more"

BANK = {
    "id": "ba_1",
    "object": "bank_account",
    "last4": "4242",
    "customer": "cus_1",
    "name": "Ada",
}
CUSTOMER = {
    "id": "cus_1",
    "object": "customer",
    "created": 5,
    "livemode": False,
    "email": "ada@example.com",
    "address": {"line1": "1 Main St", "country": "AT"},
    "metadata": {"ssn": "123", "plan": "gold"},
    "preferred_locales": ["de", "en"],
    "shipping": None,
    "sources": {"object": "list", "data": [BANK, {"id": "card_1", "object": "card"}]},
}


def rules(*exclude: str, hashed: tuple[str, ...] = (), secret: str = SECRET) -> FieldRules:
    made = make_rules(CATALOG, exclude, hashed, secret)
    assert made
    return made


def applied(made: FieldRules, obj: dict[str, Any], kind: str = "customer") -> dict[str, Any]:
    """The object after the rules; applying them again must change nothing."""
    obj = deepcopy(obj)
    made.apply(obj, f"stripe:{kind}", kind)
    again = deepcopy(obj)
    made.apply(again, f"stripe:{kind}", kind)
    assert again == obj
    return obj


def without(*names: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in CUSTOMER.items() if key not in names} | changed


def bank_lacks(name: str) -> dict[str, Any]:
    bank = {key: value for key, value in BANK.items() if key != name}
    return {"object": "list", "data": [bank, {"id": "card_1", "object": "card"}]}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("customer.email", without("email")),
        ("stripe:customer.email", without("email")),
        ("*.email", without("email")),
        ("charge.email", CUSTOMER),
        ("customer.address.line1", without(address={"country": "AT"})),
        ("customer.address.*", without(address={})),
        ("*.metadata.ssn", without(metadata={"plan": "gold"})),
        ("customer.*.country", without(address={"line1": "1 Main St"})),
        ("customer.preferred_locales.*", without(preferred_locales=[])),
        ("customer.email.domain", CUSTOMER),
        ("customer.shipping.name", CUSTOMER),
        ("customer.sources.data.last4", without(sources=bank_lacks("last4"))),
        ("customer.sources.data.*.last4", without(sources=bank_lacks("last4"))),
    ],
)
def test_a_path_leaves_a_field_out(pattern: str, expected: dict[str, Any]) -> None:
    assert applied(rules(pattern), CUSTOMER) == expected


@pytest.mark.parametrize("pattern", ["bank_account.name", "*.name"])
def test_an_embedded_object_follows_the_rules_of_its_own_collection(pattern: str) -> None:
    charge = {"id": "ch_1", "object": "charge", "source": BANK, "refunds": {"data": [BANK]}}
    found = applied(rules(pattern), charge, "charge")
    assert "name" not in found["source"]
    assert "name" not in found["refunds"]["data"][0]
    assert found["source"]["last4"] == "4242"


def test_of_a_whole_collection_only_what_identifies_its_objects_is_left() -> None:
    ids = {"id": "cus_1", "object": "customer", "created": 5, "livemode": False}
    assert applied(rules("customer"), CUSTOMER) == ids
    charge = {"id": "ch_1", "object": "charge", "customer": CUSTOMER, "amount": 5}
    assert applied(rules("customer"), charge, "charge") == {**charge, "customer": ids}
    # What an object belongs to is needed to read it again.
    assert applied(rules("bank_account"), BANK, "bank_account") == {
        "id": "ba_1",
        "object": "bank_account",
        "customer": "cus_1",
    }


def test_equal_values_have_equal_hashes_and_none_without_the_secret() -> None:
    made = rules(hashed=("customer.email", "charge.billing_details"))
    customer = applied(made, CUSTOMER)
    details = {"email": "ada@example.com", "address": {"city": None, "zip": 1010}, "tags": ["x"]}
    charge = {"id": "ch_1", "object": "charge", "billing_details": details}
    hashed = applied(made, charge, "charge")["billing_details"]
    assert hashed["email"] == customer["email"]
    assert hashed["email"].startswith("hmac-sha256:")
    assert hashed["address"]["city"] is None
    assert "1010" not in str(hashed["address"]["zip"])
    assert hashed["tags"] != ["x"]
    other = applied(rules(hashed=("customer.email",), secret="another long secret"), CUSTOMER)
    assert other["email"] != customer["email"]


def test_leaving_out_wins_over_hashing() -> None:
    made = rules("customer.email", hashed=("*.email", "customer.email"))
    assert "email" not in applied(made, CUSTOMER)


def test_old_values_follow_the_rules_and_may_be_gone_altogether() -> None:
    made = rules("customer.email", "customer.address.*")
    for changes, left, is_shown in (
        ({"email": "old@example.com"}, {}, False),
        ({"address": {"line1": "old"}}, {}, False),
        ({"email": "old@example.com", "name": "Old"}, {"name": "Old"}, True),
        ({"metadata": {}}, {"metadata": {}}, True),
        ({}, {}, True),
    ):
        found = deepcopy(changes)
        assert made.apply_to_changes(found, "stripe:customer", "customer") is is_shown
        assert found == left


def test_a_stored_stripe_event_is_filtered_by_the_rules_of_its_object() -> None:
    made = StripeEventNormalizer(
        CATALOG,
        CATALOG[STRIPE_EVENTS],
        api_version="2026-10-28.endive",
        rules=rules("customer.email", "bank_account.name", hashed=("customer.name",)),
    )
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.updated",
        "data": {
            "object": deepcopy(CUSTOMER),
            "previous_attributes": {"email": "old@example.com", "name": "Old", "balance": 1},
        },
    }
    made.redact(event)
    data: Any = event["data"]
    assert "email" not in data["object"]
    assert "name" not in data["object"]["sources"]["data"][0]
    assert data["previous_attributes"].keys() == {"name", "balance"}
    assert data["previous_attributes"]["name"] != "Old"


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("customer.id", "id"),
        ("charge.object", "object"),
        ("charge.created", "created"),
        ("*.livemode", "livemode"),
        ("bank_account.customer", "customer"),
        ("tax_id.customer", "customer"),
        ("usage_record_summary.period", "period.end"),
        ("usage_record_summary.period.*", "period.end"),
        ("event.data.object", "data.object"),
        ("person.account", "account"),
        ("custmer.email", "did you mean customer"),
        ("*", "everything"),
        ("customer..email", "no path"),
        ("customer.", "no path"),
    ],
)
@pytest.mark.parametrize("setting", ["exclude", "hash_fields"])
def test_what_reading_needs_is_refused_by_name(setting: str, pattern: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        SyncSettings.parse({setting: [pattern]})
    assert refused.value.param == f"settings.{setting}"


def test_a_key_of_the_users_own_may_have_any_name() -> None:
    settings = SyncSettings.parse({"exclude": "customer.metadata.id, checkout.session.url"})
    assert settings.exclude == ("customer.metadata.id", "checkout.session.url")


@pytest.mark.parametrize("secret", [None, "", "too short"])
def test_hashing_without_a_long_secret_is_refused(secret: str | None) -> None:
    with pytest.raises(ConfigurationError, match="hash_secret") as refused:
        make_rules(CATALOG, (), ("customer.email",), secret)
    assert refused.value.param == "hash_secret"


def test_without_patterns_there_are_no_rules() -> None:
    assert make_rules(CATALOG, (), (), None) is None
