"""Sample values that make generated objects look like those of a small shop.

Paths are dotted. Values are cycled through by the object's number, or computed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Values = Sequence[Any] | Callable[[int], Any]

_FIRST_NAMES = (
    "Ada", "Noor", "Mateo", "Ingrid", "Kwame", "Yuki", "Priya", "Lars", "Chidi", "Zoë",
    "Emre", "Sofía", "Ravi", "Maja", "Tomás", "Leila", "Oscar", "Hana", "Felix", "Amara",
)  # fmt: skip
_LAST_NAMES = (
    "Moreno", "Haddad", "Okafor", "Lindqvist", "Tanaka", "Novak", "Silva", "Baker", "Ferrari",
    "Kowalski", "Nguyen", "Schmidt", "Iyer", "O'Neill", "Dubois", "Demir", "Rossi",
)  # fmt: skip
_PRODUCTS = (
    "Canvas tote", "Sail repair kit", "Deck lamp", "Oak tiller", "Rope bundle", "Chart table",
    "Harbor membership", "Weather service", "Mooring plan", "Storm jacket",
)  # fmt: skip


def person(number: int) -> str:
    """A full name."""
    last = _LAST_NAMES[(number // 3) % len(_LAST_NAMES)]
    return f"{_FIRST_NAMES[number % len(_FIRST_NAMES)]} {last}"


def email(number: int) -> str:
    """An email address made from the name."""
    name = person(number).encode("ascii", "ignore").decode("ascii")
    return f"{name.lower().replace(' ', '.').replace(chr(39), '')}{number}@example.com"


def amount(number: int) -> int:
    """A price in cents."""
    return 900 + (number * 7_919) % 240 * 50


def _fee_details(number: int) -> list[dict[str, Any]]:
    """What a charge's fee is made of."""
    return [
        {
            "amount": 30 + amount(number) * 29 // 1000,
            "application": None,
            "currency": "usd",
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]


def _product(number: int) -> str:
    return _PRODUCTS[number % len(_PRODUCTS)]


def _declined(number: int) -> bool:
    return number % 10 == 9  # noqa: PLR2004 - one in ten


def _none(_: int) -> None:
    return None


SAMPLE_VALUES: Mapping[str, Mapping[str, Values]] = {
    "customer": {
        "name": person, "email": email, "balance": (0,), "currency": ("usd", "usd", "eur"),
        "delinquent": (False, False, False, False, True), "test_clock": _none,
        "phone": lambda n: f"+1503555{n % 10_000:04d}", "invoice_prefix": lambda n: f"HS{n:06X}",
        "default_source": _none, "discount": _none, "shipping": _none,
        "description": ("Walk-in", None, "Wholesale", None),
        "invoice_credit_balance": lambda _: {},
    },
    "product": {
        "name": _product, "active": (True, True, True, True, False), "type": ("good", "service"),
        "default_price": _none, "images": lambda _: [], "url": _none,
    },
    "price": {
        "unit_amount": amount, "unit_amount_decimal": lambda n: str(amount(n)),
        "active": (True, True, True, False), "billing_scheme": ("per_unit",), "tiers": _none,
        "type": ("recurring", "one_time"), "tiers_mode": _none, "transform_quantity": _none,
        "currency_options": _none, "lookup_key": lambda n: f"goods-{n}",
        "custom_unit_amount": _none,
        "recurring": lambda n: None if n % 2 else {
            "interval": ("month", "year")[n // 2 % 2], "interval_count": 1, "meter": None,
            "trial_period_days": None, "usage_type": "licensed",
        },
    },
    "plan": {
        "amount": amount, "amount_decimal": lambda n: str(amount(n)), "tiers": _none,
        "active": (True, True, False), "billing_scheme": ("per_unit",), "tiers_mode": _none,
        "interval": ("month", "year"), "transform_usage": _none, "meter": _none,
    },
    "coupon": {
        "percent_off": (10.0, 25.0, 12.5), "amount_off": _none, "currency": _none,
        "duration": ("once", "forever", "repeating"), "duration_in_months": (None, None, 3),
        "name": lambda n: f"Spring tide {n + 1}", "applies_to": _none, "currency_options": _none,
    },
    "promotion_code": {"code": lambda n: f"TIDE{n:04d}", "active": (True, True, False)},
    "subscription": {
        "status": ("active", "active", "active", "canceled", "past_due", "trialing", "active"),
        "test_clock": _none, "schedule": _none, "pending_update": _none, "items.has_more": (False,),
    },
    "subscription_schedule": {"test_clock": _none},
    "invoice": {
        "status": ("paid", "paid", "open", "paid", "draft", "uncollectible", "void"),
        "total": amount, "test_clock": _none, "number": lambda n: f"HS-{n + 1:05d}",
        "customer_email": email, "customer_name": person, "latest_revision": _none,
        "from_invoice": _none, "last_finalization_error": _none, "amount_overpaid": (0,),
        "amount_paid_off_stripe": (0,), "amount_shipping": (0,), "ending_balance": (0,),
        "starting_balance": (0,), "default_tax_rates": lambda _: [],
        "pre_payment_credit_notes_amount": (0,), "post_payment_credit_notes_amount": (0,),
    },
    "invoiceitem": {"amount": amount, "test_clock": _none, "description": _product},
    "charge": {
        "amount": amount, "amount_refunded": (0,), "status": ("succeeded",) * 9 + ("failed",),
        "paid": (True,) * 9 + (False,), "captured": (True,), "refunded": (False,),
        "disputed": (False,), "source": _none, "description": _product, "review": _none,
        "failure_code": (None,) * 9 + ("card_declined",), "failure_balance_transaction": _none,
        "billing_details.name": person, "billing_details.email": email, "application": _none,
        "application_fee": _none, "on_behalf_of": _none, "transfer": _none,
        "source_transfer": _none, "level3": _none, "application_fee_amount": _none,
        "failure_message": (None,) * 9 + ("Your card was declined.",),
        "outcome": lambda n: {
            "advice_code": None, "network_advice_code": None, "network_decline_code": None,
            "network_status": "declined_by_network" if _declined(n) else "approved_by_network",
            "reason": "generic_decline" if _declined(n) else None, "risk_level": "normal",
            "risk_score": n * 7 % 60, "rule": None,
            "seller_message": "The bank declined." if _declined(n) else "Payment complete.",
            "type": "issuer_declined" if _declined(n) else "authorized",
        },
    },
    "payment_intent": {
        "amount": amount, "description": _product, "source": _none, "application": _none,
        "status": ("succeeded", "succeeded", "requires_payment_method", "canceled"),
        "last_payment_error": _none, "on_behalf_of": _none,
    },
    "refund": {"amount": amount, "status": ("succeeded",), "reason": ("requested_by_customer",)},
    "payout": {
        "amount": lambda n: amount(n) * 12, "status": ("paid", "paid", "in_transit"),
        "reconciliation_status": ("not_applicable",),
    },
    "balance_transaction": {
        "amount": amount, "fee": lambda n: 30 + amount(n) * 29 // 1000, "type": ("charge",),
        "net": lambda n: amount(n) - 30 - amount(n) * 29 // 1000, "exchange_rate": _none,
        "status": ("available", "available", "pending"), "reporting_category": ("charge",),
        "balance_type": ("payments",), "fee_details": _fee_details,
    },
    "dispute": {
        "amount": amount, "reason": ("fraudulent", "product_not_received"),
        "status": ("needs_response", "won", "lost"), "balance_transactions": lambda _: [],
    },
    "transfer": {"amount": amount, "amount_reversed": (0,), "reversed": (False,)},
    "review": {"open": (True, True, False), "closed_reason": (None, None, "approved")},
    "issuing.cardholder": {"name": person, "email": email, "status": ("active",)},
    "issuing.card": {"status": ("active", "inactive"), "last4": lambda n: f"{n % 10_000:04d}"},
    "issuing.transaction": {"amount": lambda n: -amount(n), "type": ("capture", "refund")},
    "account": {
        "controller": lambda n: {
            "fees": {"payer": "application"}, "is_controller": True,
            "losses": {"payments": "application"},
            "requirement_collection": "stripe" if n % 5 == 4 else "application",  # noqa: PLR2004
            "stripe_dashboard": {"type": "none"}, "type": "application",
        },
        "capabilities": lambda _: {}, "country": ("US",), "type": ("custom",), "email": email,
        "charges_enabled": (True,), "payouts_enabled": (True,), "details_submitted": (True,),
        "default_currency": ("usd",), "individual": _none,
    },
    "application_fee": {"amount": amount, "amount_refunded": (0,), "refunded": (False,)},
    "bank_account": {
        "account": _none, "bank_name": ("HARBOR BANK",), "country": ("US",), "currency": ("usd",),
        "last4": lambda n: f"{n % 10_000:04d}", "status": ("new", "verified"),
    },
    "card": {
        "account": _none, "brand": ("Visa", "MasterCard"), "funding": ("credit", "debit"),
        "last4": lambda n: f"{n % 10_000:04d}", "name": person,
    },
    "customer_balance_transaction": {
        "amount": lambda n: amount(n) * (-1) ** n, "type": ("adjustment",), "currency": ("usd",),
    },
    "payment_link": {
        "active": (True, True, True, False), "currency": ("usd",),
        "url": lambda n: f"https://buy.example.com/{n:05d}",
    },
    "person": {
        "first_name": lambda n: person(n).split()[0], "last_name": lambda n: person(n).split()[1],
        "email": email,
    },
    "quote": {
        "status": ("draft", "open", "accepted", "canceled"), "test_clock": _none,
        "number": lambda n: f"QT-{n + 1:04d}", "total_details.breakdown": _none,
        "computed.recurring": _none, "computed.upfront.total_details.breakdown": _none,
    },
    "setup_attempt": {"status": ("succeeded", "failed", "succeeded")},
    "source": {
        "type": ("ach_credit_transfer",), "flow": ("receiver",), "usage": ("reusable",),
        "status": ("chargeable", "pending"), "amount": _none,
    },
    "source_transaction": {"amount": amount, "status": ("succeeded",)},
    "tax_id": {
        "type": ("eu_vat", "gb_vat"), "value": lambda n: f"DE{n:09d}", "owner.type": ("customer",),
        "owner.account": _none, "owner.application": _none,
    },
    "order": {"amount": amount, "email": email},
    "order_return": {"amount": amount},
    "recipient": {"name": person, "email": email},
    "bitcoin_receiver": {"amount": amount, "email": email},
    "bitcoin_transaction": {"amount": amount},
}  # fmt: skip

COPIED_FIELDS: Mapping[str, Mapping[str, str]] = {
    "tax_id": {"owner.customer": "customer"},
    "charge": {"amount_captured": "amount"},
    "payment_intent": {"amount_received": "amount"},
    "invoice": {
        "amount_due": "total", "subtotal": "total", "amount_remaining": "total",
    },
    "subscription": {"start_date": "created", "billing_cycle_anchor": "created"},
}  # fmt: skip
"""Fields that equal another field of the same object."""

REQUIRED_REFERENCES: Mapping[str, tuple[str, ...]] = {
    "bank_account": ("customer",), "card": ("customer",), "source": ("customer",),
    "tax_id": ("customer", "owner"), "customer_balance_transaction": ("customer",),
    "person": ("account",), "setup_attempt": ("setup_intent",), "application_fee": ("charge",),
}  # fmt: skip
"""Fields that always have a value in seeds: no list contains a child without a parent."""

PARENT_REFERENCES: Mapping[str, str] = {
    "fee_refund": "fee", "line_item": "invoice", "subscription_item": "subscription",
    "transfer_reversal": "transfer",
}  # fmt: skip
"""Fields that name the parent in children that are stored inside it."""

ID_PREFIXES: Mapping[str, str] = {
    "application": "ca_", "tax_rate": "txr_", "topup": "tu_", "file": "file_",
    "shipping_rate": "shr_", "tax_code": "txcd_", "issuing.token": "intok_",
    "issuing.personalization_design": "ics_", "payment_record": "pr_",
}  # fmt: skip
"""Id prefixes of kinds that are no resource."""
