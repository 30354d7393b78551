from __future__ import annotations

import pytest

from stripe_sync.catalog import Availability, Collection, Retrieval, load_catalog
from stripe_sync.catalog.checks import STREAM_VIEWS
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import ChangeType

TITLES = """
Balance Transaction | Bank Account | Billing Portal Session | Bitcoin Receiver | Bitcoin Transaction
Capability | Charge | Checkout Session | Connect Collection Transfer | Coupon | Credit Note
Credit Note Line Item | Customer | Customer Balance Transaction | Discount | Dispute | Event
Fee Refund | Invoice | Invoice Item | Issuing Authorization | Issuing Card | Issuing Cardholder
Issuing Dispute | Issuing Transaction | Item | Line Item | Mandate | Order | Order Return
Payment Intent | Payment Method | Payout | Person | Plan | Platform Tax Fee | Price | Product
Promotion Code | Recipient | Refund | Reserve Transaction | Review | Setup Attempt | Setup Intent
Source | Source Mandate Notification | Source Transaction | Subscription | Subscription Item
Subscription Schedule | Tax Deducted At Source | Tax Id | Three D Secure | Token | Transfer
Transfer Reversal | Upcoming Customer Invoice | Upcoming Line Item | Upcoming Subscription Invoice
Usage Record | Usage Record Summary
"""
SPECIFIED = [title.strip() for line in TITLES.split("\n") for title in line.split("|") if title]

CATALOG = load_catalog()


def test_holds_the_specified_collections_in_their_order() -> None:
    assert len(SPECIFIED) == 62
    specified = [each.title for each in CATALOG.values() if not each.beyond_spec]
    assert specified == SPECIFIED


def test_marks_what_is_more_than_specified() -> None:
    every = (*CATALOG.values(), *CATALOG.parent_only.values())
    more = [each.name for each in every if each.beyond_spec]
    assert more == [
        *("billing.meter", "billing.credit_grant", "radar.early_fraud_warning"),
        *("entitlements.feature", "file", "invoice_payment", "payout_balance_transaction"),
        *("reporting.report_run", "shipping_rate", "tax_rate", "test_helpers.test_clock", "topup"),
        *("account", "application_fee", "payment_link", "quote"),
    ]


def test_thirty_three_specified_collections_are_top_level() -> None:
    top_level = CATALOG.top_level()
    assert sum(not collection.beyond_spec for collection in top_level) == 33
    assert all(collection.lists[0].parent is None for collection in top_level)


def test_parent_only_collections_are_not_among_the_others() -> None:
    names = ["account", "application_fee", "payment_link", "quote"]
    assert [collection.name for collection in CATALOG.parent_only.values()] == names
    for collection in CATALOG.parent_only.values():
        assert collection.id not in CATALOG
        assert CATALOG.parent(collection.id) is collection
        assert CATALOG.route(collection.object) == ()


def test_every_parent_is_in_the_catalogue() -> None:
    for collection in CATALOG.values():
        for call in collection.lists + collection.fallback_lists:
            if call.parent:
                assert CATALOG.parent(call.parent).id == call.parent


def test_no_view_has_the_name_of_a_stream() -> None:
    assert not {collection.view for collection in CATALOG.values()} & set(STREAM_VIEWS)


@pytest.mark.parametrize("spelling", ["stripe:{}", "stripe.{}", "{}", " {} "])
@pytest.mark.parametrize("collection", CATALOG.values(), ids=lambda collection: collection.name)
def test_resolves_each_spelling(collection: object, spelling: str) -> None:
    assert CATALOG.resolve(spelling.format(collection.name)) is collection  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("custmer", "customer"),
        ("stripe:customers", "customer"),
        ("stripe.checkout_sessions", "checkout.session"),
        ("Invoice Item", "invoiceitem"),
        ("stripe:issuing_card", "issuing.card"),
    ],
)
def test_suggests_close_names(name: str, suggested: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}': did you mean .*{suggested}"):
        CATALOG.resolve(name)


@pytest.mark.parametrize("name", ["", "stripe:", "zzzzzz", "stripe:account"])
def test_refuses_unknown_names(name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no collection"):
        CATALOG.resolve(name)


@pytest.mark.parametrize(
    ("object_name", "names"),
    [
        ("customer", ["customer"]),
        ("invoice", ["invoice"]),
        ("line_item", ["line_item"]),
        ("bank_account", ["bank_account"]),
        ("card", []),
        ("discount", ["discount"]),
        ("dispute", ["dispute"]),
        ("issuing.dispute", ["issuing.dispute"]),
        ("checkout.session", ["checkout.session"]),
        ("billing_portal.session", ["billing_portal.session"]),
        ("refund", ["refund"]),
        ("application_fee", []),
        ("balance", []),
        ("balance_transaction", ["balance_transaction"]),
        ("invoice_payment", ["invoice_payment"]),
        ("", []),
    ],
)
def test_routes_payloads_by_their_object_name(object_name: str, names: list[str]) -> None:
    assert [collection.name for collection in CATALOG.route(object_name)] == names


def test_every_collection_with_objects_of_its_own_is_reached_by_routing() -> None:
    unreached = {each.name for each in CATALOG.values() if each not in CATALOG.route(each.object)}
    previews = {each.name for each in CATALOG.values() if each.retrieval is Retrieval.PREVIEW}
    assert unreached == {*previews, "payout_balance_transaction"}


@pytest.mark.parametrize(
    ("name", "event_type", "change"),
    [
        ("customer", "customer.created", ChangeType.CREATED),
        ("customer", "customer.updated", ChangeType.UPDATED),
        ("customer", "customer.deleted", ChangeType.DELETED),
        ("coupon", "coupon.deleted", ChangeType.DELETED),
        ("product", "product.deleted", ChangeType.DELETED),
        ("price", "price.deleted", ChangeType.DELETED),
        ("plan", "plan.deleted", ChangeType.DELETED),
        ("invoice", "invoice.deleted", ChangeType.DELETED),
        ("invoiceitem", "invoiceitem.deleted", ChangeType.DELETED),
        ("tax_id", "customer.tax_id.deleted", ChangeType.DELETED),
        ("bank_account", "customer.source.deleted", ChangeType.DELETED),
        ("bank_account", "account.external_account.deleted", ChangeType.DELETED),
        ("person", "person.deleted", ChangeType.DELETED),
        ("discount", "customer.discount.deleted", ChangeType.DELETED),
        ("source", "customer.source.deleted", ChangeType.UPDATED),
        ("subscription", "customer.subscription.deleted", ChangeType.UPDATED),
        ("payment_method", "payment_method.detached", ChangeType.UPDATED),
        ("review", "review.opened", ChangeType.CREATED),
        ("review", "review.closed", ChangeType.UPDATED),
        ("charge", "charge.refunded", ChangeType.UPDATED),
        ("refund", "charge.refund.updated", ChangeType.UPDATED),
        ("dispute", "charge.dispute.created", ChangeType.CREATED),
        ("invoiceitem", "invoiceitem.updated", ChangeType.UPDATED),
        ("charge", "charge.succeeded", None),
        ("invoice", "invoice.paid", None),
        ("payment_intent", "payment_intent.succeeded", None),
        ("payment_method", "payment_method.attached", None),
        ("checkout.session", "checkout.session.completed", None),
        ("customer", "customer.something_new", None),
    ],
)
def test_the_type_of_a_stripe_event_decides_the_kind_of_change(
    name: str, event_type: str, change: ChangeType | None
) -> None:
    collection = CATALOG.resolve(name)
    assert collection.change_of(event_type) is change
    assert not collection.ignores(event_type)


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("invoice", "invoice.upcoming"),
        ("issuing.authorization", "issuing_authorization.request"),
    ],
)
def test_previews_and_requests_for_a_decision_change_no_record(name: str, event_type: str) -> None:
    assert CATALOG.resolve(name).ignores(event_type)


def test_only_types_of_deletions_delete() -> None:
    deleting = [name for collection in CATALOG.values() for name in collection.events.deleted]
    assert deleting
    assert all(name.endswith(".deleted") for name in deleting)


def test_lists_request_what_stripe_leaves_out_by_default() -> None:
    assert CATALOG.resolve("subscription").lists[0].params == {"status": "all"}
    both = ({"active": "true"}, {"active": "false"})
    for name in ("price", "plan", "product", "promotion_code"):
        assert CATALOG.resolve(name).lists[0].variants == both
    assert {"type": "custom"} in CATALOG.resolve("payment_method").lists[0].variants
    assert [call.parent for call in CATALOG.resolve("tax_id").lists] == [None, "stripe:customer"]


def test_collections_without_change_signal_are_retired_or_never_change() -> None:
    catalog = load_catalog()
    no_change_signal = {
        collection.name for collection in catalog.values() if not catalog.change_signals(collection)
    }
    retired = {"bitcoin_receiver", "bitcoin_transaction", "order", "order_return", "recipient"}
    assert no_change_signal == retired | {"event", "platform_tax_fee", "token", "usage_record"}


@pytest.mark.parametrize(
    ("name", "parents"),
    [
        ("customer", ()),
        ("tax_id", ("stripe:customer",)),
        ("item", ("stripe:checkout.session", "stripe:payment_link", "stripe:quote")),
        ("upcoming_customer_invoice", ("stripe:customer",)),
        (
            "upcoming_line_item",
            ("stripe:upcoming_customer_invoice", "stripe:upcoming_subscription_invoice"),
        ),
    ],
)
def test_parents_are_the_collections_that_objects_are_listed_for(
    name: str, parents: tuple[str, ...]
) -> None:
    assert load_catalog().resolve(name).parents == parents


def test_legacy_collections_pin_a_version_that_served_them() -> None:
    legacy = {r.name: r.api_version for r in CATALOG.values() if r.availability is LEGACY}
    assert legacy == {
        "bitcoin_receiver": "2020-08-27",
        "bitcoin_transaction": "2020-08-27",
        "order": "2020-08-27",
        "order_return": "2020-08-27",
        "platform_tax_fee": "2024-04-10",
        "recipient": "2020-08-27",
        "three_d_secure": "2020-08-27",
        "usage_record": "2025-02-24.acacia",
        "usage_record_summary": "2025-02-24.acacia",
    }


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("customer", {"id": "cus_1"}, ("/v1/customers/{id}", {"id": "cus_1"})),
        (
            "bank_account",
            {"id": "ba_1", "customer": "cus_1", "account": None},
            ("/v1/customers/{customer}/sources/{id}", {"id": "ba_1", "customer": "cus_1"}),
        ),
        (
            "bank_account",
            {"id": "ba_1", "customer": None, "account": {"id": "acct_1", "object": "account"}},
            (
                "/v1/accounts/{account}/external_accounts/{id}",
                {"id": "ba_1", "account": "acct_1"},
            ),
        ),
        (
            "discount",
            {"id": "di_1", "customer": "cus_1"},
            ("/v1/customers/{customer}/discount", {"customer": "cus_1"}),
        ),
        ("discount", {"id": "di_1", "customer": None}, None),
        ("line_item", {"id": "il_1", "invoice": "in_1"}, None),
    ],
)
def test_the_retrieve_request_is_filled_from_the_object(
    name: str, payload: object, expected: object
) -> None:
    assert CATALOG.resolve(name).retrieve_request(payload) == expected  # type: ignore[arg-type]


LEGACY = Availability.LEGACY


@pytest.mark.parametrize("collection", CATALOG.values(), ids=lambda collection: collection.name)
def test_a_restricted_key_can_be_given_what_a_collection_needs(collection: Collection) -> None:
    needed = collection.permissions
    assert needed.read or needed.note
    assert needed.write or needed.note or not collection.mutations.all
    retired = collection.availability is Availability.LEGACY
    assert all(name.endswith("_write") for name in needed.write)
    assert needed.read or retired, "only what Stripe retired cannot be granted"
