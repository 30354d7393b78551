"""The lists under a parent: their routes, and where their objects are stored."""

from __future__ import annotations

from stripe_sandbox.resources.child_resources import PAYMENT_SOURCES
from stripe_sandbox.resources.resource_spec import (
    LAST_BEFORE_BASIL,
    LAST_LEGACY,
    EventTypes,
    NestedList,
    Resource,
    event_types,
)

_ITEMS = "/v1/subscription_items/{subscription_item}"
_SUBSCRIPTION_UPDATED = EventTypes(*[("customer.subscription.updated",)] * 3)

NESTED_LISTS = (
    NestedList("/v1/invoices/{invoice}/lines", "invoice", ("line_item",), "lines", ops="lu",
               id_param="line_item_id", parent_events=EventTypes(updated=("invoice.updated",))),
    NestedList("/v1/credit_notes/{credit_note}/lines", "credit_note", ("credit_note_line_item",),
               "lines"),
    NestedList("/v1/transfers/{id}/reversals", "transfer", ("transfer_reversal",), "reversals",
               ops="lrcu", sdk_noun="reversal", newest_first=True,
               parent_events=EventTypes(created=("transfer.reversed",))),
    NestedList("/v1/application_fees/{id}/refunds", "application_fee", ("fee_refund",), "refunds",
               ops="lrcu", sdk_noun="refund", newest_first=True,
               events=EventTypes(updated=("application_fee.refund.updated",)),
               parent_events=EventTypes(created=("application_fee.refunded",))),
    NestedList("/v1/checkout/sessions/{session}/line_items", "checkout.session", ("item",),
               "line_items"),
    NestedList("/v1/payment_links/{payment_link}/line_items", "payment_link", ("item",),
               "line_items"),
    NestedList("/v1/quotes/{quote}/line_items", "quote", ("item",), "line_items"),
    NestedList("/v1/quotes/{quote}/computed_upfront_line_items", "quote", ("item",),
               "computed_upfront_line_items"),
    NestedList("/v1/subscription_items", "subscription", ("subscription_item",), "items",
               ops="lrcud", id_param="item", parent_events=_SUBSCRIPTION_UPDATED),
    NestedList("/v1/customers/{customer}/sources", "customer", PAYMENT_SOURCES, owner="customer",
               ops="lrcud", sdk_noun="source", child_actions=("verify",),
               events=event_types("customer.source", "created", "updated", "deleted")),
    NestedList("/v1/customers/{customer}/balance_transactions", "customer",
               ("customer_balance_transaction",), owner="customer", ops="lrcu",
               id_param="transaction", sdk_noun="balance_transaction",
               parent_events=EventTypes(created=("customer.updated",))),
    NestedList("/v1/customers/{customer}/tax_ids", "customer", ("tax_id",), owner="customer",
               ops="lrcd", sdk_noun="tax_id",
               events=event_types("customer.tax_id", "created", "updated", "deleted")),
    NestedList("/v1/customers/{customer}/subscriptions", "customer", ("subscription",),
               owner="customer", permission="subscription"),
    NestedList("/v1/customers/{customer}/payment_methods", "customer", ("payment_method",),
               owner="customer", ops="lr", id_param="payment_method", permission="payment_method"),
    NestedList("/v1/charges/{charge}/refunds", "charge", ("refund",), owner="charge", ops="lr",
               id_param="refund"),
    NestedList("/v1/accounts/{account}/external_accounts", "account", ("bank_account", "card"),
               "external_accounts", "account", ops="lrcud", sdk_noun="external_account",
               events=event_types("account.external_account", "created", "updated", "deleted")),
    NestedList("/v1/accounts/{account}/capabilities", "account", ("capability",), "capabilities",
               "account", ops="lru", id_param="capability", sdk_noun="capability", paginated=False,
               events=EventTypes(updated=("capability.updated",))),
    NestedList("/v1/accounts/{account}/persons", "account", ("person",), owner="account",
               ops="lrcud", id_param="person", sdk_noun="person", access_rule="platform_controls",
               permission="accounts_kyc_basic",
               events=event_types("person", "created", "updated", "deleted")),
    NestedList("/v1/setup_attempts", "setup_intent", ("setup_attempt",), owner="setup_intent"),
    NestedList("/v1/sources/{source}/source_transactions", "source", ("source_transaction",),
               owner="source", ops="lr", id_param="source_transaction"),
    NestedList(f"{_ITEMS}/usage_record_summaries", "subscription_item", ("usage_record_summary",),
               owner="subscription_item", access_rule="legacy_metering", permission="usage_record",
               last_version=LAST_BEFORE_BASIL),
    NestedList(f"{_ITEMS}/usage_records", "subscription_item", ("usage_record",),
               owner="subscription_item", ops="c", access_rule="legacy_metering",
               permission="usage_record", last_version=LAST_BEFORE_BASIL),
    NestedList("/v1/orders/{order}/returns", "order", ("order_return",), owner="order", ops="c",
               permission="order", last_version=LAST_LEGACY,
               events=event_types("order_return", "created")),
    NestedList("/v1/bitcoin/receivers/{receiver}/transactions", "bitcoin_receiver",
               ("bitcoin_transaction",), owner="receiver", last_version=LAST_LEGACY),
)  # fmt: skip
"""Every list under a parent."""

EMBEDDED_LISTS = {
    kind: [each for each in NESTED_LISTS if not each.owner and kind in each.objects]
    for nested_list in NESTED_LISTS
    if not nested_list.owner
    for kind in nested_list.objects
}
"""The lists of each kind whose objects are stored inside their parents."""

_BY_FIELD = {(each.parent, each.field): each for each in NESTED_LISTS if each.field}


def page_url(resource: Resource, object_id: str, field: str) -> str:
    """The URL of a list that is embedded in an object."""
    nested_list = _BY_FIELD.get((resource.object, field))
    if nested_list is None:
        return f"{resource.path}/{object_id}/{field}"
    return nested_list.url(object_id)
