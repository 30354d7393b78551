"""Each of the 62 collections can be read in the one way that Stripe offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import LAST_BEFORE_BASIL, LAST_LEGACY
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL

Found = list[dict[str, Any]]
OLD = {"stripe_version": LAST_LEGACY}
ACACIA = {"stripe_version": LAST_BEFORE_BASIL}


def listed(name: str) -> Callable[[Any], Found]:
    """Its own list; with the parameters that lift its default filter."""
    resource = RESOURCES[name]
    variants: dict[str, list[dict[str, str]]] = {
        "subscription": [{"status": "all"}],
        **{kind: [{"active": "true"}, {"active": "false"}] for kind in ACTIVE},
    }

    def read(shop: Any) -> Found:
        head = OLD if resource.last_version else {}
        asked = list(variants.get(name, [{}]))
        if "test_clock" in resource.test_clock_params:
            clocks = shop.ids("/v1/test_helpers/test_clocks")
            asked += [{"test_clock": clock} for clock in clocks]
        elif resource.test_clock_params:
            asked += [{"customer": customer} for customer in clocked_customers(shop)]
        if name == "subscription":
            asked = [{"status": "all", **params} for params in asked]
        return [doc for params in asked for doc in shop.list_all(resource.path, params, **head)]

    return read


ACTIVE = ("plan", "price", "product", "promotion_code")


def clocked_customers(shop: Any) -> list[str]:
    clocks = shop.ids("/v1/test_helpers/test_clocks")
    return [c for clock in clocks for c in shop.ids("/v1/customers", {"test_clock": clock})]


def under(parent: str, path: str, **head: str) -> Callable[[Any], Found]:
    """Listed for each object of a parent."""

    def read(shop: Any) -> Found:
        found: Found = []
        for owner in shop.control.objects(parent):
            answer = shop.call("GET", path.format(owner["id"]).partition("?")[0], params=None)
            if answer.status_code == 403:
                continue
            found += shop.list_all(path.format(owner["id"]), **head)
        return found

    return read


def both(*readers: Callable[[Any], Found]) -> Callable[[Any], Found]:
    return lambda shop: [doc for read in readers for doc in read(shop)]


def capabilities(shop: Any) -> Found:
    accounts = shop.ids("/v1/accounts")
    pages = [shop.get(f"/v1/accounts/{account}/capabilities") for account in accounts]
    return [doc for page in pages for doc in page["data"]]


def summaries(shop: Any) -> Found:
    found: Found = []
    for item in shop.control.objects("subscription_item"):
        path = f"/v1/subscription_items/{item['id']}/usage_record_summaries"
        if shop.call("GET", path, **ACACIA).status_code == 200:
            found += shop.list_all(path, **ACACIA)
    return found


def from_balance(name: str, version: dict[str, str] | None = None) -> Callable[[Any], Found]:
    """Expanded from balance transactions."""

    def read(shop: Any) -> Found:
        rows = shop.list_all(
            "/v1/balance_transactions", {"expand[]": "data.source"}, **(version or {})
        )
        sources = [doc["source"] for doc in rows if isinstance(doc["source"], dict)]
        return [source for source in sources if source["object"] == name]

    return read


def mandates(shop: Any) -> Found:
    charges, intents = shop.control.objects("charge"), shop.control.objects("setup_intent")
    named = {intent.get("mandate") for intent in intents}
    for charge in charges:
        details = charge.get("payment_method_details") or {}
        named |= {part.get("mandate") for part in details.values() if isinstance(part, dict)}
    return [shop.get(f"/v1/mandates/{found}") for found in named - {None}]


def secured(shop: Any) -> Found:
    sources = [charge["source"] for charge in shop.control.objects("charge") if charge["source"]]
    return [shop.get(f"/v1/3d_secure/{source['id']}", **OLD) for source in sources]


def discounts(shop: Any) -> Found:
    found: dict[str, dict[str, Any]] = {}
    for customer in shop.control.objects("customer"):
        if customer["discount"]:
            doc = shop.get(f"/v1/customers/{customer['id']}/discount")
            assert doc == customer["discount"]
            found[doc["id"]] = doc
    for kind, field in (("subscription", "discounts"), ("invoice", "discounts")):
        for owner in shop.control.objects(kind):
            if owner["discounts"]:
                assert isinstance(owner["discounts"][0], str)
                whole = shop.get(f"{RESOURCES[kind].path}/{owner['id']}", {"expand[]": field})
                found |= {doc["id"]: doc for doc in whole["discounts"]}
    for row in shop.list_all("/v1/checkout/sessions", {"expand[]": "data.total_details.breakdown"}):
        for part in ((row["total_details"] or {}).get("breakdown") or {}).get("discounts") or ():
            found[part["discount"]["id"]] = part["discount"]
    return list(found.values())


def in_events(kind: str) -> Callable[[Any], Found]:
    """Seen in Stripe events only."""

    def read(shop: Any) -> Found:
        return [event["data"]["object"] for event in shop.list_all("/v1/events", {"type": kind})]

    return read


def tokens(shop: Any) -> Found:
    return [shop.get(f"/v1/tokens/{token['id']}") for token in shop.control.objects("token")]


SEVERAL = {
    name: under("customer", f"/v1/customers/{{}}/sources?object={name}")
    for name in ("bank_account", "source")
}
LISTED_IN_PART = ("event", "review")
READERS: dict[str, Callable[[Any], Found]] = {
    **{resource.object: listed(resource.object) for resource in TOP_LEVEL},
    "bank_account": both(
        SEVERAL["bank_account"],
        under("account", "/v1/accounts/{}/external_accounts?object=bank_account"),
    ),
    "billing_portal.session": in_events("billing_portal.session.created"),
    "capability": capabilities,
    "connect_collection_transfer": from_balance("connect_collection_transfer"),
    "credit_note_line_item": under("credit_note", "/v1/credit_notes/{}/lines"),
    "customer_balance_transaction": under("customer", "/v1/customers/{}/balance_transactions"),
    "discount": discounts,
    "fee_refund": under("application_fee", "/v1/application_fees/{}/refunds"),
    "item": both(
        under("checkout.session", "/v1/checkout/sessions/{}/line_items"),
        under("payment_link", "/v1/payment_links/{}/line_items"),
        under("quote", "/v1/quotes/{}/line_items"),
        under("quote", "/v1/quotes/{}/computed_upfront_line_items"),
    ),
    "line_item": under("invoice", "/v1/invoices/{}/lines"),
    "mandate": mandates,
    "platform_tax_fee": from_balance("platform_tax_fee", {"stripe_version": "2024-04-10"}),
    "reserve_transaction": from_balance("reserve_transaction"),
    "setup_attempt": under("setup_intent", "/v1/setup_attempts?setup_intent={}"),
    "source": SEVERAL["source"],
    "source_mandate_notification": in_events("source.mandate_notification"),
    "source_transaction": under("source", "/v1/sources/{}/source_transactions"),
    "subscription_item": under("subscription", "/v1/subscription_items?subscription={}"),
    "tax_deducted_at_source": from_balance("tax_deducted_at_source"),
    "tax_id": both(
        lambda shop: shop.list_all("/v1/tax_ids"), under("customer", "/v1/customers/{}/tax_ids")
    ),
    "three_d_secure": secured,
    "token": tokens,
    "transfer_reversal": under("transfer", "/v1/transfers/{}/reversals"),
    "usage_record_summary": summaries,
}


@pytest.mark.parametrize("name", sorted(READERS.keys() - set(LISTED_IN_PART)))
def test_all_of_a_collection_can_be_read(shop: Any, name: str) -> None:
    found = READERS[name](shop)
    keys = [(doc.get("account") if name == "capability" else "", doc["id"]) for doc in found]
    wanted = shop.control.objects(name)
    assert sorted(keys) == sorted(
        (doc.get("account") if name == "capability" else "", doc["id"]) for doc in wanted
    )
    assert len(keys) == len(set(keys)) > 0
    assert {doc["object"] for doc in found} == {name}


def test_persons_reviews_and_events_are_listed_in_part(shop: Any) -> None:
    existing = {doc["id"] for doc in shop.control.objects("person")}
    read = {doc["id"] for doc in under("account", "/v1/accounts/{}/persons")(shop)}
    assert read and read < existing
    assert shop.list_all("/v1/reviews") and shop.list_all("/v1/events")


def test_the_readers_and_the_exceptions_are_all_62() -> None:
    upcoming = 3
    assert len(READERS.keys() | {"person", "usage_record"}) + upcoming == 62


RETIRED = [
    resource.path for resource in RESOURCES.values() if resource.last_version and resource.path
]


@pytest.mark.parametrize("path", [*RETIRED, "/v1/3d_secure/tdsrc_1", "/v1/invoices/upcoming"])
def test_retired_routes_are_unknown_to_new_versions(shop: Any, path: str) -> None:
    error = shop.refused(404, "GET", path)
    assert error["message"].startswith(f"Unrecognized request URL (GET: {path})")
    assert "code" not in error


def test_platform_tax_fees_stay_ids_in_new_versions(shop: Any) -> None:
    fees = {fee["id"] for fee in shop.control.objects("platform_tax_fee")}
    rows = shop.list_all("/v1/balance_transactions", {"expand[]": "data.source", "type": "tax_fee"})
    assert {doc["source"] for doc in rows if isinstance(doc["source"], str)} == fees
