"""The resources that have a list of their own.

A resource holds everything that sets it apart; the code that reads the table names none of them.
Fields, list filters and accepted parameters come from the official SDK's classes.
"""

from __future__ import annotations

from stripe_sandbox.resources.child_resources import PAYMENT_SOURCES
from stripe_sandbox.resources.resource_spec import (
    LAST_LEGACY,
    Action,
    DefaultFilter,
    EventTypes,
    ExpandableList,
    FilterTarget,
    Resource,
    event_types,
)

_ACTIVE = DefaultFilter("active", True, param="active")
_CUD = ("created", "updated", "deleted")
_CU = ("created", "updated")
_UNPAID = ("requires_payment_method", "requires_confirmation", "requires_action")
_RUNNING = ("not_started", "active")
_DISPUTED = (
    "warning_needs_response", "warning_under_review", "needs_response", "under_review",
)  # fmt: skip


def _status(status: str, event: str, *before: str) -> Action:
    """An action that moves the status, and is allowed in some statuses only."""
    return Action({"status": status}, event, ("status", before))


_BILLING = (
    Resource(
        "coupon", "/v1/coupons", id_param="coupon", ops="lrcud", custom_id=True,
        expandable_fields=("applies_to", "currency_options"), events=event_types("coupon", *_CUD),
    ),
    Resource(
        "credit_note", "/v1/credit_notes", "cn_", ops="lrcu", events=event_types("credit_note",
        *_CU),
        actions={"void": _status("void", "credit_note.voided", "issued")},
    ),
    Resource(
        "invoice", "/v1/invoices", "in_", "invoice", "lrcud", test_clock_params=("customer",),
        expandable_lists={"payments": ExpandableList(
            ("invoice_payment",), "invoice", "/v1/invoice_payments?invoice={id}"
        )},
        filter_paths={"subscription": "parent.subscription_details.subscription"},
        events=event_types("invoice", *_CUD),
        actions={
            "attach_payment": Action({}, None, ("status", ("open",))),
            "finalize": _status("open", "invoice.finalized", "draft"),
            "mark_uncollectible": _status("uncollectible", "invoice.marked_uncollectible", "open"),
            "pay": Action({}, "invoice.paid", ("status", ("draft", "open", "uncollectible"))),
            "send": _status("open", "invoice.sent", "draft", "open"),
            "void": _status("void", "invoice.voided", "open", "uncollectible"),
        },
    ),
    Resource(
        "invoiceitem", "/v1/invoiceitems", "ii_", "invoiceitem", "lrcud", created_field="date",
        filter_paths={"pending": "invoice"}, events=event_types("invoiceitem", "created",
        "deleted"),
    ),
    Resource(
        "plan", "/v1/plans", "plan_", "plan", "lrcud", default_filter=_ACTIVE, custom_id=True,
        expandable_fields=("tiers",), events=event_types("plan", *_CUD),
    ),
    Resource(
        "price", "/v1/prices", "price_", "price", "lrcu", default_filter=_ACTIVE,
        expandable_fields=("tiers", "currency_options"), filter_paths={"lookup_keys": "lookup_key"},
        events=event_types("price", *_CU),
    ),
    Resource(
        "product", "/v1/products", "prod_", ops="lrcud", default_filter=_ACTIVE, custom_id=True,
        filter_paths={"ids": "id"}, events=event_types("product", *_CUD),
    ),
    Resource(
        "promotion_code", "/v1/promotion_codes", "promo_", "promotion_code", "lrcu",
        default_filter=_ACTIVE, filter_paths={"coupon": "promotion.coupon"},
        events=event_types("promotion_code", *_CU),
    ),
    Resource(
        "subscription", "/v1/subscriptions", "sub_", "subscription_exposed_id", "lrcud",
        default_filter=DefaultFilter("status", "canceled", equal=False, param="status"),
        filter_groups={"all": (), "ended": ("canceled", "incomplete_expired")},
        test_clock_params=("customer", "test_clock"), on_delete="cancel",
        filter_paths={
            "price": "items.data.price.id", "plan": "items.data.plan.id",
            "current_period_end": "items.data.current_period_end",
            "current_period_start": "items.data.current_period_start",
        },
        events=event_types("customer.subscription", *_CUD),
        actions={
            "migrate": Action({}, "customer.subscription.updated", merges=False),
            "pause": _status("paused", "customer.subscription.paused", "active", "trialing"),
            "resume": _status("active", "customer.subscription.resumed", "paused"),
        },
    ),
    Resource(
        "subscription_schedule", "/v1/subscription_schedules", "sub_sched_", "schedule", "lrcu",
        test_clock_params=("customer",), filter_paths={"scheduled": "status"},
        events=event_types("subscription_schedule", *_CU),
        actions={
            "cancel": _status("canceled", "subscription_schedule.canceled", *_RUNNING),
            "release": _status("released", "subscription_schedule.released", *_RUNNING),
        },
    ),
)  # fmt: skip

_PAYMENTS = (
    Resource(
        "balance_transaction", "/v1/balance_transactions", "txn_", internal_fields=("payout",),
        filter_targets={"payout": FilterTarget(
            "payout", "automatic",
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
        )},
        retired_targets={"source": ("platform_tax_fee",)},
    ),
    Resource(
        "charge", "/v1/charges", "ch_", "charge", "lrcu",
        events=EventTypes(("charge.succeeded",), ("charge.updated",)),
        expandable_lists={"refunds": ExpandableList(("refund",), "charge",
        "/v1/charges/{id}/refunds")},
        actions={
            "capture": Action(
                {"captured": True}, "charge.captured", ("captured", (False,)), merges=False
            )
        },
    ),
    Resource(
        "checkout.session", "/v1/checkout/sessions", "cs_test_", "session", "lrcu",
        expandable_fields=("line_items", "total_details.breakdown"),
        actions={"expire": _status("expired", "checkout.session.expired", "open")},
    ),
    Resource(
        "customer", "/v1/customers", "cus_", "customer", "lrcud", on_delete="stub",
        test_clock_params=("test_clock",), expandable_fields=("tax", "invoice_credit_balance"),
        expandable_lists={
            "sources": ExpandableList(PAYMENT_SOURCES, "customer", "/v1/customers/{id}/sources"),
            "subscriptions": ExpandableList(
                ("subscription",), "customer", "/v1/customers/{id}/subscriptions"
            ),
            "tax_ids": ExpandableList(("tax_id",), "customer", "/v1/customers/{id}/tax_ids"),
        },
        events=event_types("customer", *_CUD),
    ),
    Resource(
        "dispute", "/v1/disputes", "du_", "dispute", "lru", events=event_types("charge.dispute",
        *_CU),
        actions={"close": _status("lost", "charge.dispute.closed", *_DISPUTED)},
    ),
    Resource(
        "payment_intent", "/v1/payment_intents", "pi_", "intent", "lrcu",
        events=event_types("payment_intent", "created"),
        actions={
            "apply_customer_balance": Action(
                {}, "payment_intent.succeeded", ("status", _UNPAID), merges=False
            ),
            "cancel": _status("canceled", "payment_intent.canceled", *_UNPAID, "requires_capture"),
            "capture": Action({}, "payment_intent.succeeded", ("status", ("requires_capture",))),
            "confirm": Action({}, None, ("status", _UNPAID)),
            "increment_authorization": Action(
                {}, "payment_intent.amount_capturable_updated", ("status", ("requires_capture",))
            ),
            "verify_microdeposits": _status(
                "processing", "payment_intent.processing", "requires_action"
            ),
        },
    ),
    Resource(
        "payment_method", "/v1/payment_methods", "pm_", "payment_method", "lrcu",
        default_filter=DefaultFilter("type", "custom", equal=False, param="type"),
        lists_all_since="2025-12-15",
        events=EventTypes(updated=("payment_method.updated",)),
        actions={
            "attach": Action({}, "payment_method.attached", ("customer", (None,)), merges=False),
            "detach": Action({"customer": None}, "payment_method.detached"),
        },
    ),
    Resource(
        "payout", "/v1/payouts", "po_", "payout", "lrcu", events=event_types("payout", *_CU),
        actions={
            "cancel": _status("canceled", "payout.canceled", "pending"),
            "reverse": Action({}, "payout.updated", ("status", ("paid", "pending")), merges=False),
        },
    ),
    Resource(
        "refund", "/v1/refunds", "re_", "refund", "lrcu",
        events=EventTypes(("refund.created",), ("refund.updated", "charge.refund.updated")),
        actions={"cancel": _status("canceled", "refund.updated", "requires_action")},
    ),
    Resource(
        "review", "/v1/reviews", "prv_", "review", "lr", default_filter=DefaultFilter("open", True),
        events=EventTypes(("review.opened",), ("review.closed",)),
        actions={
            "approve": Action(
                {"open": False, "closed_reason": "approved", "reason": "approved"},
                "review.closed",
                ("open", (True,)),
            )
        },
    ),
    Resource(
        "setup_intent", "/v1/setup_intents", "seti_", "intent", "lrcu",
        events=event_types("setup_intent", "created"),
        actions={
            "cancel": _status("canceled", "setup_intent.canceled", *_UNPAID),
            "confirm": Action({}, None, ("status", _UNPAID)),
            "verify_microdeposits": _status(
                "succeeded", "setup_intent.succeeded", "requires_action"
            ),
        },
    ),
    Resource(
        "transfer", "/v1/transfers", "tr_", "transfer", "lrcu", events=event_types("transfer",
        *_CU),
    ),
    Resource("event", "/v1/events", "evt_"),
)  # fmt: skip

_ISSUING = (
    Resource(
        "issuing.authorization", "/v1/issuing/authorizations", "iauth_", "authorization", "lru",
        filter_paths={"card": "card.id"}, events=event_types("issuing_authorization", *_CU),
        actions={
            "approve": Action(
                {"approved": True}, "issuing_authorization.updated", ("status", ("pending",))
            ),
            "decline": Action(
                {"approved": False}, "issuing_authorization.updated", ("status", ("pending",))
            ),
        },
    ),
    Resource(
        "issuing.card", "/v1/issuing/cards", "ic_", "card", "lrcu", expandable_fields=("number",
        "cvc"),
        filter_paths={"cardholder": "cardholder.id"}, events=event_types("issuing_card", *_CU),
    ),
    Resource(
        "issuing.cardholder", "/v1/issuing/cardholders", "ich_", "cardholder", "lrcu",
        events=event_types("issuing_cardholder", *_CU),
    ),
    Resource(
        "issuing.dispute", "/v1/issuing/disputes", "idp_", "dispute", "lrcu",
        events=event_types("issuing_dispute", *_CU),
        actions={"submit": _status("submitted", "issuing_dispute.submitted", "unsubmitted")},
    ),
    Resource(
        "issuing.transaction", "/v1/issuing/transactions", "ipi_", "transaction", "lru",
        events=event_types("issuing_transaction", *_CU),
    ),
)  # fmt: skip

_LEGACY = (
    Resource(
        "bitcoin_receiver", "/v1/bitcoin/receivers", "btcrcv_", last_version=LAST_LEGACY,
        extra_filters={"active": "bool", "filled": "bool", "uncaptured_funds": "bool"},
    ),
    Resource(
        "bitcoin_transaction", "/v1/bitcoin/transactions", "btctxn_", ops="l",
        last_version=LAST_LEGACY,
        extra_filters={"customer": "str", "receiver": "str"},
    ),
    Resource(
        "order", "/v1/orders", "or_", ops="lrcu", last_version=LAST_LEGACY,
        filter_paths={"ids": "id"},
        extra_filters={
            "created": "range", "customer": "str", "ids": "list", "status": "str",
            "status_transitions": "ranges", "upstream_ids": "ranges",
        },
        extra_params={
            "coupon": "str", "currency": "str", "customer": "str", "email": "str", "items": "any",
            "metadata": "map", "selected_shipping_method": "str", "shipping": "any",
            "source": "str", "status": "str",
        },
        events=event_types("order", *_CU),
        actions={"pay": _status("paid", "order.payment_succeeded", "created")},
    ),
    Resource(
        "order_return", "/v1/order_returns", "orret_", last_version=LAST_LEGACY,
        extra_filters={"created": "range", "order": "str"}, extra_params={"items": "any"},
        events=event_types("order_return", "created"),
    ),
    Resource(
        "recipient", "/v1/recipients", "rp_", ops="lrcud", last_version=LAST_LEGACY,
        extra_filters={"created": "range", "type": "str", "verified": "bool"},
        extra_params={
            "bank_account": "any", "card": "any", "default_card": "str", "description": "str",
            "email": "str", "metadata": "map", "name": "str", "tax_id": "str", "type": "str",
        },
        events=event_types("recipient", *_CUD),
    ),
)  # fmt: skip

TOP_LEVEL = (*_BILLING, *_PAYMENTS, *_ISSUING, *_LEGACY)
"""The resources with a list of their own."""
