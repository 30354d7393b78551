"""The rows of what has no list of its own, and of the parents it belongs to."""

from __future__ import annotations

from stripe_sandbox.rows import LAST_LEGACY, Action, Events, Resource, life

PAYMENT_SOURCES = ("bank_account", "card", "source")
"""What a customer's list of sources is made of."""

PARENTS = (
    Resource(
        "account", "/v1/accounts", "acct_", "account", "lrcu", events=life("account", "updated"),
    ),
    Resource(
        "application_fee", "/v1/application_fees", "fee_",
        events=life("application_fee", "created"),
    ),
    Resource("invoice_payment", "/v1/invoice_payments", "inpay_", "invoice_payment"),
    Resource(
        "payment_link", "/v1/payment_links", "plink_", "payment_link", "lrcu",
        includable=("line_items",), events=life("payment_link", "created", "updated"),
    ),
    Resource(
        "quote", "/v1/quotes", "qt_", "quote", "lrcu", includable=("line_items",),
        private=("computed_upfront_line_items",), clocked=("customer", "test_clock"),
        events=life("quote", "created"),
        actions={
            "finalize": Action({"status": "open"}, "quote.finalized"),
            "accept": Action({"status": "accepted"}, "quote.accepted"),
            "cancel": Action({"status": "canceled"}, "quote.canceled"),
        },
    ),
    Resource(
        "tax_id", "/v1/tax_ids", "txi_", ops="lrcd", defaults={"owner": {"type": "self"}},
        events=life("customer.tax_id", "created", "updated", "deleted"),
    ),
    Resource(
        "test_helpers.test_clock", "/v1/test_helpers/test_clocks", "clock_", "test_clock", "lrcd",
        events=life("test_helpers.test_clock", "created", "deleted"),
    ),
)  # fmt: skip
"""Parents of others that have a list of their own."""

KIN = (
    Resource("bank_account", prefix="ba_", ops=""),
    Resource("capability", ops="", scope="account"),
    Resource("card", prefix="card_", ops=""),
    Resource("credit_note_line_item", prefix="cnli_", ops=""),
    Resource("customer_balance_transaction", prefix="cbtxn_", ops=""),
    Resource("fee_refund", prefix="fr_", ops=""),
    Resource("item", prefix="li_", ops=""),
    Resource("line_item", prefix="il_", ops=""),
    Resource("person", prefix="person_", ops=""),
    Resource("setup_attempt", prefix="setatt_", ops=""),
    Resource("source_transaction", prefix="srctxn_", ops="",
             events=life("source.transaction", "created", "updated")),
    Resource("subscription_item", prefix="si_", ops=""),
    Resource("transfer_reversal", prefix="trr_", ops=""),
    Resource("usage_record", prefix="mbur_", ops="", timestamp="timestamp",
             accepts={"quantity": "int", "timestamp": "int", "action": "str"}),
    Resource("usage_record_summary", prefix="sis_", ops="", timestamp=""),
)  # fmt: skip
"""Kinds that are listed under a parent only."""

ELSEWHERE = (
    Resource(
        "billing_portal.session", "/v1/billing_portal/sessions", "bps_", ops="c",
        events=life("billing_portal.session", "created"),
    ),
    Resource("connect_collection_transfer", prefix="connct_", ops=""),
    Resource("discount", prefix="di_", ops="", timestamp="start",
             events=life("customer.discount", "created", "updated", "deleted")),
    Resource("mandate", "/v1/mandates", "mandate_", "mandate", "r",
             events=Events(updated=("mandate.updated",))),
    Resource("platform_tax_fee", prefix="ptf_", ops="", until="2024-04-10"),
    Resource("reserve_transaction", prefix="rtx_", ops=""),
    Resource(
        "source", "/v1/sources", "src_", "source", "rcu",
        events=Events(("source.chargeable",)),
    ),
    Resource(
        "source_mandate_notification", prefix="srcmn_", ops="",
        events=Events(("source.mandate_notification",)),
    ),
    Resource("tax_deducted_at_source", prefix="itds_", ops=""),
    Resource(
        "three_d_secure", "/v1/3d_secure", "tdsrc_", "three_d_secure", "rc", until=LAST_LEGACY,
        accepts={
            "amount": "int", "currency": "str", "return_url": "str", "card": "str",
            "customer": "str",
        },
    ),
    Resource("token", "/v1/tokens", "tok_", "token", "rc"),
)  # fmt: skip
"""Kinds that no list has: retrieved, expanded, seen in Stripe events or created only."""
