"""The table of resources: what exists, where, and how each one behaves.

A row says everything that sets one resource apart; the code that reads the rows knows none of
them by name. Fields, list filters and accepted parameters come from the official SDK's classes.
"""

from __future__ import annotations

from collections.abc import Mapping

from stripe_sandbox.kin import ELSEWHERE, KIN, PARENTS, PAYMENT_SOURCES
from stripe_sandbox.rows import (
    LAST_LEGACY,
    Action,
    Events,
    Include,
    Listed,
    Resource,
    life,
)

_ACTIVE = Listed("active", True, param="active")
_CUD = ("created", "updated", "deleted")
_CU = ("created", "updated")

_BILLING = (
    Resource(
        "coupon", "/v1/coupons", key="coupon", ops="lrcud", own_id=True,
        includable=("applies_to", "currency_options"), events=life("coupon", *_CUD),
    ),
    Resource(
        "credit_note", "/v1/credit_notes", "cn_", ops="lrcu", events=life("credit_note", *_CU),
        actions={"void": Action({"status": "void"}, "credit_note.voided")},
    ),
    Resource(
        "invoice", "/v1/invoices", "in_", "invoice", "lrcud", clocked=("customer",),
        includes={"payments": Include(
            ("invoice_payment",), "invoice", "/v1/invoice_payments?invoice={id}"
        )},
        paths={"subscription": "parent.subscription_details.subscription"},
        events=life("invoice", *_CUD),
        actions={
            "finalize": Action({"status": "open"}, "invoice.finalized", ("status", ("open",))),
            "pay": Action({"status": "paid"}, "invoice.paid", ("status", ("paid", "void"))),
            "void": Action({"status": "void"}, "invoice.voided", ("status", ("paid", "void"))),
            "mark_uncollectible": Action(
                {"status": "uncollectible"}, "invoice.marked_uncollectible"
            ),
        },
    ),
    Resource(
        "invoiceitem", "/v1/invoiceitems", "ii_", "invoiceitem", "lrcud", timestamp="date",
        paths={"pending": "invoice"}, events=life("invoiceitem", "created", "deleted"),
    ),
    Resource(
        "plan", "/v1/plans", "plan_", "plan", "lrcud", listed=_ACTIVE, own_id=True,
        includable=("tiers",), events=life("plan", *_CUD),
    ),
    Resource(
        "price", "/v1/prices", "price_", "price", "lrcu", listed=_ACTIVE,
        includable=("tiers", "currency_options"), paths={"lookup_keys": "lookup_key"},
        events=life("price", *_CU),
    ),
    Resource(
        "product", "/v1/products", "prod_", ops="lrcud", listed=_ACTIVE, own_id=True,
        paths={"ids": "id"}, events=life("product", *_CUD),
    ),
    Resource(
        "promotion_code", "/v1/promotion_codes", "promo_", "promotion_code", "lrcu",
        listed=_ACTIVE, paths={"coupon": "promotion.coupon"}, events=life("promotion_code", *_CU),
    ),
    Resource(
        "subscription", "/v1/subscriptions", "sub_", "subscription_exposed_id", "lrcud",
        listed=Listed("status", "canceled", equal=False, param="status"),
        wider={"all": (), "ended": ("canceled", "incomplete_expired")},
        clocked=("customer", "test_clock"), gone="cancel",
        paths={
            "price": "items.data.price.id", "plan": "items.data.plan.id",
            "current_period_end": "items.data.current_period_end",
            "current_period_start": "items.data.current_period_start",
        },
        events=life("customer.subscription", *_CUD),
    ),
    Resource(
        "subscription_schedule", "/v1/subscription_schedules", "sub_sched_", "schedule", "lrcu",
        clocked=("customer",), paths={"scheduled": "status"},
        events=life("subscription_schedule", *_CU),
        actions={
            "cancel": Action({"status": "canceled"}, "subscription_schedule.canceled"),
            "release": Action({"status": "released"}, "subscription_schedule.released"),
        },
    ),
)  # fmt: skip

_PAYMENTS = (
    Resource(
        "balance_transaction", "/v1/balance_transactions", "txn_", private=("payout",),
        older={"source": ("platform_tax_fee",)},
    ),
    Resource(
        "charge", "/v1/charges", "ch_", "charge", "lrcu",
        events=Events(("charge.succeeded",), ("charge.updated",)),
        includes={"refunds": Include(("refund",), "charge", "/v1/charges/{id}/refunds")},
        actions={"capture": Action({"captured": True}, "charge.captured")},
    ),
    Resource(
        "checkout.session", "/v1/checkout/sessions", "cs_test_", "session", "lrcu",
        includable=("line_items", "total_details.breakdown"),
        actions={"expire": Action({"status": "expired"}, "checkout.session.expired")},
    ),
    Resource(
        "customer", "/v1/customers", "cus_", "customer", "lrcud", gone="stub",
        clocked=("test_clock",), includable=("tax", "invoice_credit_balance"),
        includes={
            "sources": Include(PAYMENT_SOURCES, "customer", "/v1/customers/{id}/sources"),
            "subscriptions": Include(
                ("subscription",), "customer", "/v1/customers/{id}/subscriptions"
            ),
            "tax_ids": Include(("tax_id",), "customer", "/v1/customers/{id}/tax_ids"),
        },
        events=life("customer", *_CUD),
    ),
    Resource(
        "dispute", "/v1/disputes", "du_", "dispute", "lru", events=life("charge.dispute", *_CU),
        actions={"close": Action({"status": "lost"}, "charge.dispute.closed")},
    ),
    Resource(
        "payment_intent", "/v1/payment_intents", "pi_", "intent", "lrcu",
        events=life("payment_intent", "created"),
        actions={
            "confirm": Action({"status": "succeeded"}, "payment_intent.succeeded"),
            "cancel": Action({"status": "canceled"}, "payment_intent.canceled"),
            "capture": Action({"status": "succeeded"}, "payment_intent.succeeded"),
        },
    ),
    Resource(
        "payment_method", "/v1/payment_methods", "pm_", "payment_method", "lrcu",
        listed=Listed("type", "custom", equal=False, param="type"), bare_since="2025-12-15",
        events=Events(updated=("payment_method.updated",)),
        actions={"detach": Action({"customer": None}, "payment_method.detached")},
    ),
    Resource(
        "payout", "/v1/payouts", "po_", "payout", "lrcu", events=life("payout", *_CU),
        actions={"cancel": Action({"status": "canceled"}, "payout.canceled")},
    ),
    Resource(
        "refund", "/v1/refunds", "re_", "refund", "lrcu",
        events=Events(("refund.created",), ("refund.updated", "charge.refund.updated")),
        actions={"cancel": Action({"status": "canceled"}, "refund.failed")},
    ),
    Resource(
        "review", "/v1/reviews", "prv_", "review", "lr", listed=Listed("open", True),
        events=Events(("review.opened",), ("review.closed",)),
        actions={
            "approve": Action(
                {"open": False, "closed_reason": "approved", "reason": "approved"},
                "review.closed",
            )
        },
    ),
    Resource(
        "setup_intent", "/v1/setup_intents", "seti_", "intent", "lrcu",
        events=life("setup_intent", "created"),
        actions={
            "confirm": Action({"status": "succeeded"}, "setup_intent.succeeded"),
            "cancel": Action({"status": "canceled"}, "setup_intent.canceled"),
        },
    ),
    Resource(
        "transfer", "/v1/transfers", "tr_", "transfer", "lrcu", events=life("transfer", *_CU),
    ),
    Resource("event", "/v1/events", "evt_"),
)  # fmt: skip

_ISSUING = (
    Resource(
        "issuing.authorization", "/v1/issuing/authorizations", "iauth_", "authorization", "lru",
        paths={"card": "card.id"}, events=life("issuing_authorization", *_CU),
    ),
    Resource(
        "issuing.card", "/v1/issuing/cards", "ic_", "card", "lrcu", includable=("number", "cvc"),
        paths={"cardholder": "cardholder.id"}, events=life("issuing_card", *_CU),
    ),
    Resource(
        "issuing.cardholder", "/v1/issuing/cardholders", "ich_", "cardholder", "lrcu",
        events=life("issuing_cardholder", *_CU),
    ),
    Resource(
        "issuing.dispute", "/v1/issuing/disputes", "idp_", "dispute", "lrcu",
        events=life("issuing_dispute", *_CU),
        actions={"submit": Action({"status": "submitted"}, "issuing_dispute.submitted")},
    ),
    Resource(
        "issuing.transaction", "/v1/issuing/transactions", "ipi_", "transaction", "lru",
        events=life("issuing_transaction", *_CU),
    ),
)  # fmt: skip

_LEGACY = (
    Resource(
        "bitcoin_receiver", "/v1/bitcoin/receivers", "btcrcv_", until=LAST_LEGACY,
        filters={"active": "bool", "filled": "bool", "uncaptured_funds": "bool"},
    ),
    Resource(
        "bitcoin_transaction", "/v1/bitcoin/transactions", "btctxn_", ops="l", until=LAST_LEGACY,
        filters={"customer": "str", "receiver": "str"},
    ),
    Resource(
        "order", "/v1/orders", "or_", until=LAST_LEGACY, paths={"ids": "id"},
        filters={
            "created": "range", "customer": "str", "ids": "list", "status": "str",
            "status_transitions": "ranges", "upstream_ids": "ranges",
        },
    ),
    Resource(
        "order_return", "/v1/order_returns", "orret_", until=LAST_LEGACY,
        filters={"created": "range", "order": "str"},
    ),
    Resource(
        "recipient", "/v1/recipients", "rp_", until=LAST_LEGACY,
        filters={"created": "range", "type": "str", "verified": "bool"},
    ),
)  # fmt: skip

TOP_LEVEL = (*_BILLING, *_PAYMENTS, *_ISSUING, *_LEGACY)
"""The resources with a list of their own."""

RESOURCES: Mapping[str, Resource] = {
    row.object: row for row in (*TOP_LEVEL, *PARENTS, *KIN, *ELSEWHERE)
}
"""Every resource, by the value of its ``object`` field."""
