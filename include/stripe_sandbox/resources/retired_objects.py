"""Examples of objects that Stripe has retired, written by hand: the SDK has no class for them."""

from __future__ import annotations

from typing import Any

_TIME = 1_700_000_000

_ORDER_ITEM: dict[str, Any] = {
    "amount": 2_400,
    "currency": "usd",
    "description": "Canvas tote",
    "object": "order_item",
    "parent": "sk_1CanvasTote",
    "quantity": 1,
    "type": "sku",
}


def _page(url: str) -> dict[str, Any]:
    return {"object": "list", "data": [], "has_more": False, "url": url}


RETIRED_OBJECTS: dict[str, dict[str, Any]] = {
    "bitcoin_receiver": {
        "id": "", "object": "bitcoin_receiver", "active": False, "amount": 4_500,
        "amount_received": 4_500, "bitcoin_amount": 791_200, "bitcoin_amount_received": 791_200,
        "bitcoin_uri": "bitcoin:example", "created": _TIME, "currency": "usd",
        "customer": None, "description": "Harbor Supply order", "email": "till@example.com",
        "filled": True, "inbound_address": "example", "livemode": False, "metadata": {},
        "payment": None, "refund_address": None,
        "transactions": _page("/v1/bitcoin/transactions"),
        "uncaptured_funds": False, "used_for_payment": True,
    },
    "bitcoin_transaction": {
        "id": "", "object": "bitcoin_transaction", "amount": 4_500, "bitcoin_amount": 791_200,
        "created": _TIME, "currency": "usd", "receiver": None,
    },
    "order": {
        "id": "", "object": "order", "amount": 2_400, "amount_returned": None,
        "application": None, "application_fee": None, "charge": None, "created": _TIME,
        "currency": "usd", "customer": None, "email": "orders@example.com", "items": [_ORDER_ITEM],
        "livemode": False, "metadata": {}, "returns": _page("/v1/order_returns"),
        "selected_shipping_method": None,
        "shipping": {
            "address": {
                "city": "Portland", "country": "US", "line1": "12 Harbor Street", "line2": None,
                "postal_code": "97201", "state": "OR",
            },
            "carrier": "UPS", "name": "Ada Moreno", "phone": None, "tracking_number": None,
        },
        "shipping_methods": None, "status": "fulfilled",
        "status_transitions": {
            "canceled": None, "fulfiled": _TIME, "paid": _TIME, "returned": None,
        },
        "updated": _TIME,
    },
    "order_return": {
        "id": "", "object": "order_return", "amount": 2_400, "created": _TIME,
        "currency": "usd", "items": [_ORDER_ITEM], "livemode": False, "order": None, "refund": None,
    },
    "recipient": {
        "id": "", "object": "recipient", "active_account": None, "cards": _page("/v1/recipients"),
        "created": _TIME, "default_card": None, "description": "Supplier of sailcloth",
        "email": "sails@example.com", "livemode": False, "metadata": {}, "migrated_to": None,
        "name": "Noor Haddad", "type": "individual", "verified": True,
    },
    "platform_tax_fee": {
        "account": "acct_1SandboxShop0001", "id": "", "object": "platform_tax_fee",
        "source_transaction": None, "type": "vat",
    },
    "three_d_secure": {
        "id": "", "object": "three_d_secure", "amount": 1_500, "authenticated": True,
        "card": {
            "brand": "Visa", "country": "US", "customer": None, "exp_month": 8, "exp_year": 2031,
            "funding": "credit", "id": "card_1Secure", "last4": "4242", "metadata": {},
            "name": "Ada Moreno", "object": "card",
        },
        "created": _TIME, "currency": "usd", "livemode": False,
        "redirect_url": "https://hooks.example.com/3d_secure", "status": "succeeded",
    },
    "usage_record": {
        "id": "", "livemode": False, "object": "usage_record", "quantity": 100,
        "subscription_item": None, "timestamp": _TIME,
    },
    "usage_record_summary": {
        "id": "", "invoice": None, "livemode": False, "object": "usage_record_summary",
        "period": {"end": _TIME + 2_592_000, "start": _TIME}, "subscription_item": None,
        "total_usage": 123,
    },
}  # fmt: skip
"""By the value of the ``object`` field. Field names and types as Stripe last published them."""
