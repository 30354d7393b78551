"""The resources without a list of their own, and the parents of some of them."""

from __future__ import annotations

from stripe_sandbox.resources.resource_spec import (
    LAST_LEGACY,
    Action,
    EventTypes,
    Resource,
    event_types,
)

PAYMENT_SOURCES = ("bank_account", "card", "source")
"""Kinds of object in a customer's list of sources."""

PARENT_RESOURCES = (
    Resource(
        "account", "/v1/accounts", "acct_", "account", "lrcu", events=event_types("account",
        "updated"),
    ),
    Resource(
        "application_fee", "/v1/application_fees", "fee_",
        events=event_types("application_fee", "created"),
    ),
    Resource("invoice_payment", "/v1/invoice_payments", "inpay_", "invoice_payment"),
    Resource(
        "payment_link", "/v1/payment_links", "plink_", "payment_link", "lrcu",
        expandable_fields=("line_items",), events=event_types("payment_link", "created", "updated"),
    ),
    Resource(
        "quote", "/v1/quotes", "qt_", "quote", "lrcu", expandable_fields=("line_items",),
        internal_fields=("computed_upfront_line_items",), test_clock_params=("customer",
        "test_clock"),
        events=event_types("quote", "created"),
        actions={
            "finalize": Action({"status": "open"}, "quote.finalized", ("status", ("draft",))),
            "accept": Action({"status": "accepted"}, "quote.accepted", ("status", ("open",))),
            "cancel": Action(
                {"status": "canceled"}, "quote.canceled", ("status", ("draft", "open"))
            ),
        },
    ),
    Resource(
        "tax_id", "/v1/tax_ids", "txi_", ops="lrcd", default_params={"owner": {"type": "self"}},
        events=event_types("customer.tax_id", "created", "updated", "deleted"),
    ),
    Resource(
        "test_helpers.test_clock", "/v1/test_helpers/test_clocks", "clock_", "test_clock", "lrcd",
        events=event_types("test_helpers.test_clock", "created", "deleted"),
        actions={
            "advance": Action(
                {"status": "advancing"}, "test_helpers.test_clock.advancing",
                ("status", ("ready",)),
            )
        },
    ),
)  # fmt: skip
"""Parents with a list of their own."""

CHILD_RESOURCES = (
    Resource("bank_account", prefix="ba_", ops=""),
    Resource("capability", ops="", id_scope="account"),
    Resource("card", prefix="card_", ops=""),
    Resource("credit_note_line_item", prefix="cnli_", ops=""),
    Resource("customer_balance_transaction", prefix="cbtxn_", ops=""),
    Resource("fee_refund", prefix="fr_", ops=""),
    Resource("item", prefix="li_", ops=""),
    Resource("line_item", prefix="il_", ops=""),
    Resource("person", prefix="person_", ops=""),
    Resource("setup_attempt", prefix="setatt_", ops=""),
    Resource("source_transaction", prefix="srctxn_", ops="",
             events=event_types("source.transaction", "created", "updated")),
    Resource("subscription_item", prefix="si_", ops=""),
    Resource("transfer_reversal", prefix="trr_", ops=""),
    Resource("usage_record", prefix="mbur_", ops="", created_field="timestamp",
             extra_params={"quantity": "int", "timestamp": "int", "action": "str"}),
    Resource("usage_record_summary", prefix="sis_", ops="", created_field=""),
)  # fmt: skip
"""Kinds that only a list under a parent contains."""

UNLISTED_RESOURCES = (
    Resource(
        "billing_portal.session", "/v1/billing_portal/sessions", "bps_", ops="c",
        events=event_types("billing_portal.session", "created"),
    ),
    Resource("connect_collection_transfer", prefix="connct_", ops=""),
    Resource("discount", prefix="di_", ops="", created_field="start",
             events=event_types("customer.discount", "created", "updated", "deleted")),
    Resource("mandate", "/v1/mandates", "mandate_", "mandate", "r",
             events=EventTypes(updated=("mandate.updated",))),
    Resource("platform_tax_fee", prefix="ptf_", ops="", last_version="2024-04-10"),
    Resource("reserve_transaction", prefix="rtx_", ops=""),
    Resource(
        "source", "/v1/sources", "src_", "source", "rcu",
        events=EventTypes(("source.chargeable",)), actions={"verify": Action({}, None)},
    ),
    Resource(
        "source_mandate_notification", prefix="srcmn_", ops="",
        events=EventTypes(("source.mandate_notification",)),
    ),
    Resource("tax_deducted_at_source", prefix="itds_", ops=""),
    Resource(
        "three_d_secure", "/v1/3d_secure", "tdsrc_", "three_d_secure", "rc",
        last_version=LAST_LEGACY,
        extra_params={
            "amount": "int", "currency": "str", "return_url": "str", "card": "str",
            "customer": "str",
        },
    ),
    Resource("token", "/v1/tokens", "tok_", "token", "rc"),
)  # fmt: skip
"""Kinds that no list contains: only retrieved, expanded, sent in Stripe events or created."""
