"""The table of lists under a parent: where they are, and where their objects live."""

from __future__ import annotations

from stripe_sandbox.kin import PAYMENT_SOURCES
from stripe_sandbox.rows import LAST_BEFORE_BASIL, LAST_LEGACY, Events, Place, Resource, life

_ITEMS = "/v1/subscription_items/{subscription_item}"
_CHANGED = Events(*[("customer.subscription.updated",)] * 3)

PLACES = (
    Place("/v1/invoices/{invoice}/lines", "invoice", ("line_item",), "lines", ops="lu",
          key="line_item_id", parent_events=Events(updated=("invoice.updated",))),
    Place("/v1/credit_notes/{credit_note}/lines", "credit_note", ("credit_note_line_item",),
          "lines"),
    Place("/v1/transfers/{id}/reversals", "transfer", ("transfer_reversal",), "reversals",
          ops="lrcu", noun="reversal", head=True,
          parent_events=Events(created=("transfer.reversed",))),
    Place("/v1/application_fees/{id}/refunds", "application_fee", ("fee_refund",), "refunds",
          ops="lrcu", noun="refund", head=True,
          events=Events(updated=("application_fee.refund.updated",)),
          parent_events=Events(created=("application_fee.refunded",))),
    Place("/v1/checkout/sessions/{session}/line_items", "checkout.session", ("item",),
          "line_items"),
    Place("/v1/payment_links/{payment_link}/line_items", "payment_link", ("item",), "line_items"),
    Place("/v1/quotes/{quote}/line_items", "quote", ("item",), "line_items"),
    Place("/v1/quotes/{quote}/computed_upfront_line_items", "quote", ("item",),
          "computed_upfront_line_items"),
    Place("/v1/subscription_items", "subscription", ("subscription_item",), "items", ops="lrcud",
          key="item", parent_events=_CHANGED),
    Place("/v1/customers/{customer}/sources", "customer", PAYMENT_SOURCES, owner="customer",
          ops="lrcud", noun="source", permission="source",
          events=life("customer.source", "created", "updated", "deleted")),
    Place("/v1/customers/{customer}/balance_transactions", "customer",
          ("customer_balance_transaction",), owner="customer", ops="lrcu", key="transaction",
          noun="balance_transaction", parent_events=Events(created=("customer.updated",))),
    Place("/v1/customers/{customer}/tax_ids", "customer", ("tax_id",), owner="customer",
          ops="lrcd", noun="tax_id", permission="tax_id",
          events=life("customer.tax_id", "created", "updated", "deleted")),
    Place("/v1/customers/{customer}/subscriptions", "customer", ("subscription",),
          owner="customer", permission="subscription"),
    Place("/v1/customers/{customer}/payment_methods", "customer", ("payment_method",),
          owner="customer", ops="lr", key="payment_method", permission="payment_method"),
    Place("/v1/charges/{charge}/refunds", "charge", ("refund",), owner="charge", ops="lr",
          key="refund", permission="refund"),
    Place("/v1/accounts/{account}/external_accounts", "account", ("bank_account", "card"),
          "external_accounts", "account", ops="lrcud", noun="external_account",
          events=life("account.external_account", "created", "updated", "deleted")),
    Place("/v1/accounts/{account}/capabilities", "account", ("capability",), "capabilities",
          "account", ops="lru", key="capability", noun="capability", paged=False,
          events=Events(updated=("capability.updated",))),
    Place("/v1/accounts/{account}/persons", "account", ("person",), owner="account", ops="lrcud",
          key="person", noun="person", guard="controlled", permission="accounts_kyc_basic",
          events=life("person", "created", "updated", "deleted")),
    Place("/v1/setup_attempts", "setup_intent", ("setup_attempt",), owner="setup_intent"),
    Place("/v1/sources/{source}/source_transactions", "source", ("source_transaction",),
          owner="source", ops="lr", key="source_transaction"),
    Place(f"{_ITEMS}/usage_record_summaries", "subscription_item", ("usage_record_summary",),
          owner="subscription_item", guard="metered", permission="usage_record",
          until=LAST_BEFORE_BASIL),
    Place(f"{_ITEMS}/usage_records", "subscription_item", ("usage_record",),
          owner="subscription_item", ops="c", guard="metered", permission="usage_record",
          until=LAST_BEFORE_BASIL),
    Place("/v1/bitcoin/receivers/{receiver}/transactions", "bitcoin_receiver",
          ("bitcoin_transaction",), owner="receiver", until=LAST_LEGACY),
)  # fmt: skip
"""Every list under a parent."""

EMBEDDED = {kind: [p for p in PLACES if not p.owner and kind in p.objects]
            for place in PLACES if not place.owner for kind in place.objects}  # fmt: skip
"""Kinds that live inside their parents, with the places where they do."""

_FIELDS = {(place.parent, place.field): place for place in PLACES if place.field}


def page_url(row: Resource, object_id: str, field: str) -> str:
    """The address of a list that is embedded in an object."""
    place = _FIELDS.get((row.object, field))
    return f"{row.path}/{object_id}/{field}" if place is None else place.url(object_id)
