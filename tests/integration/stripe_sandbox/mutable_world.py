"""The demo's shop, and what each verb of the catalogue needs to be written there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from integration.stripe_sandbox.api import Api
from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.catalog.calls import placeholders, reference
from stripe_sync.mutations.sdk_params import params_of
from stripe_sync.mutations.verbs import mutable_collections, routes_of, verbs_of

NOW = 1_790_000_000
ROUTES = [
    (collection, kind, method, template)
    for collection in mutable_collections(load_catalog())
    for kind in verbs_of(collection)
    for method, template in routes_of(collection, kind)
]
PARENTS = {"fee": "application_fee"}
"""Kinds of parents that are not named like their placeholders."""

SIBLINGS = ("person", "usage_record")
"""Kinds that some parents may not have: the parent of an existing one is taken."""

STUB = ("id", "object", "deleted")
"""Fields of the answer to most deletions."""

ENDED = ("source", "subscription")
"""Kinds that DELETE ends: the object stays, and is no longer what it was."""

WHOLE = (*ENDED, "discount")
"""Kinds that a DELETE answers whole."""

SILENT = (
    "POST /v1/3d_secure",
    "POST /v1/checkout/sessions",
    "POST /v1/checkout/sessions/{id}",
    "POST /v1/customers/{customer}/balance_transactions/{id}",
    "POST /v1/entitlements/features",
    "POST /v1/entitlements/features/{id}",
    "POST /v1/invoiceitems/{id}",
    "POST /v1/invoices/{id}/attach_payment",
    "POST /v1/payment_intents/{id}",
    "POST /v1/payment_methods",
    "POST /v1/reporting/report_runs",
    "POST /v1/setup_intents/{id}",
    "POST /v1/shipping_rates",
    "POST /v1/shipping_rates/{id}",
    "POST /v1/sources/{id}",
    "POST /v1/sources/{id}/verify",
    "POST /v1/subscription_items/{subscription_item}/usage_records",
    "POST /v1/tax_ids",
    "POST /v1/tokens",
    "POST /v1/topups/{id}",
    "POST /v1/transfers/{transfer}/reversals/{id}",
)
"""Requests that no Stripe event reports."""

PRICE = {"currency": "usd", "unit_amount": 500, "recurring": {"interval": "month"}}
CARD = {"payment_method": "pm_card_visa"}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "bank_account create": {"source": "btok_1", "external_account": "btok_1"},
    "bank_account verify": {"amounts": [32, 45]},
    "billing.credit_grant create": {
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 500}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "paid",
        "customer": "{customer}",
        "name": "Rope",
    },
    "billing.meter create": {
        "default_aggregation": {"formula": "sum"},
        "display_name": "Rope",
        "event_name": "rope",
    },
    "billing.meter update": {"display_name": "Rope"},
    "billing_portal.session create": {"customer": "{customer}"},
    "capability update": {"requested": True},
    "charge create": {"amount": 500, "currency": "usd", "source": "tok_visa"},
    "checkout.session create": {"mode": "payment"},
    "coupon create": {"percent_off": 12.5},
    "credit_note create": {"invoice": "{invoice}", "amount": 100},
    "customer create": {"name": "Zoë 漢字", "metadata": {"a": 1.5}},
    "customer update": {"name": None, "metadata": {}},
    "customer_balance_transaction create": {"amount": -5, "currency": "usd"},
    "entitlements.feature create": {"lookup_key": "rope", "name": "Rope"},
    "fee_refund create": {"amount": 1},
    "invoice add_lines": {"lines": [{"amount": 5, "description": "Rope"}]},
    "invoice create": {"customer": "{customer}"},
    "invoice remove_lines": {"lines": [{"id": "{line}", "behavior": "delete"}]},
    "invoice update_lines": {"lines": [{"id": "{line}", "description": "Sail"}]},
    "invoiceitem create": {"customer": "{customer}", "amount": 500, "currency": "usd"},
    "issuing.card create": {"currency": "usd", "type": "virtual"},
    "issuing.cardholder create": {"name": "Ada", "billing": {"address": {"city": "Oslo"}}},
    "line_item update": {"description": "Rope"},
    "order create": {"currency": "usd", "items": [{"parent": "sku_1", "quantity": 2}]},
    "payment_intent confirm": CARD,
    "payment_intent create": {"amount": 500, "currency": "usd", "confirm": True, **CARD},
    "payment_intent increment_authorization": {"amount": 900},
    "payment_intent verify_microdeposits": {"amounts": [32, 45]},
    "payment_method attach": {"customer": "{customer}"},
    "payment_method create": {"type": "card", "card": {"token": "tok_visa"}},
    "payout create": {"amount": 500, "currency": "usd"},
    "person create": {"first_name": "Ada"},
    "person update": {"first_name": "Chani"},
    "plan create": {"currency": "usd", "interval": "month", "amount": 500},
    "price create": PRICE,
    "product create": {"name": "Rope", "default_price_data": PRICE},
    "promotion_code create": {"promotion": {"type": "coupon", "coupon": "{coupon}"}},
    "recipient create": {"name": "Ada", "type": "individual"},
    "refund create": {"charge": "{charge}", "amount": 1},
    "reporting.report_run create": {"report_type": "balance.summary.1"},
    "setup_intent confirm": CARD,
    "setup_intent verify_microdeposits": {"amounts": [32, 45]},
    "shipping_rate create": {
        "display_name": "Rope",
        "type": "fixed_amount",
        "fixed_amount": {"amount": 500, "currency": "usd"},
    },
    "source create": {"type": "card"},
    "source verify": {"values": ["32", "45"]},
    "subscription create": {"customer": "{customer}", "items": [{"price": "{price}"}]},
    "subscription delete": {"invoice_now": True, "prorate": True},
    "subscription migrate": {"billing_mode": {"type": "flexible"}},
    "subscription_item create": {"subscription": "{subscription}", "price": "{price}"},
    "subscription_schedule create": {"customer": "{customer}"},
    "tax_id create": {"type": "eu_vat", "value": "DE123456789"},
    "tax_rate create": {"display_name": "VAT", "inclusive": False, "percentage": 25},
    "test_helpers.test_clock advance": {"frozen_time": NOW + 60},
    "test_helpers.test_clock create": {"frozen_time": NOW},
    "three_d_secure create": {"amount": 500, "currency": "usd"},
    "token create": {"bank_account": {"country": "US", "account_number": "000123456789"}},
    "topup create": {"amount": 500, "currency": "usd"},
    "transfer create": {"amount": 500, "currency": "usd", "destination": "{account}"},
    "transfer_reversal create": {"amount": 1},
    "usage_record create": {"quantity": 5, "timestamp": NOW},
}
"""Parameters of each verb; a name in braces is an object's id. Updates set metadata by default."""

STATES: Mapping[str, Mapping[str, Any]] = {
    "bank_account verify": {"status": "new"},
    "billing.meter deactivate": {"status": "active"},
    "billing.meter reactivate": {"status": "inactive"},
    "charge capture": {"captured": False, "status": "succeeded"},
    "checkout.session expire": {"status": "open"},
    "credit_note void": {"status": "issued"},
    "dispute close": {"status": "needs_response"},
    "invoice add_lines": {"status": "draft"},
    "invoice attach_payment": {"status": "open"},
    "invoice delete": {"status": "draft", "parent": None},
    "invoice finalize": {"status": "draft"},
    "invoice mark_uncollectible": {"status": "open"},
    "invoice pay": {"status": "open"},
    "invoice remove_lines": {"status": "draft"},
    "invoice send": {"status": "open"},
    "invoice update_lines": {"status": "draft"},
    "invoice void": {"status": "open"},
    "invoiceitem delete": {"invoice": None},
    "issuing.authorization approve": {"status": "pending"},
    "issuing.authorization decline": {"status": "pending"},
    "issuing.dispute submit": {"status": "unsubmitted"},
    "order pay": {"status": "created"},
    "payment_intent apply_customer_balance": {"status": "requires_payment_method"},
    "payment_intent cancel": {"status": "requires_payment_method"},
    "payment_intent capture": {"status": "requires_capture", "amount_capturable": 500},
    "payment_intent confirm": {"status": "requires_payment_method"},
    "payment_intent increment_authorization": {
        "status": "requires_capture", "amount": 500, "amount_capturable": 500,
    },
    "payment_intent verify_microdeposits": {"status": "requires_action"},
    "payment_method attach": {"customer": None},
    "payout cancel": {"status": "pending"},
    "payout reverse": {"status": "paid", "reversed_by": None},
    "refund cancel": {"status": "requires_action"},
    "review approve": {"open": True},
    "setup_intent cancel": {"status": "requires_payment_method"},
    "setup_intent confirm": {"status": "requires_payment_method"},
    "setup_intent verify_microdeposits": {"status": "requires_action"},
    "subscription delete": {"status": "active"},
    "subscription pause": {"status": "active"},
    "subscription resume": {"status": "paused"},
    "subscription_schedule cancel": {"status": "not_started"},
    "subscription_schedule release": {"status": "not_started"},
    "test_helpers.test_clock advance": {"status": "ready"},
    "topup cancel": {"status": "pending"},
}  # fmt: skip
"""The state that Stripe asks for."""


class World:
    """The demo's shop, which these tests change."""

    def __init__(self, api: Api) -> None:
        self.api = api
        records, persons = api.control.objects("usage_record"), api.control.objects("person")
        self._used = {("subscription_item", each["subscription_item"]) for each in records}
        self._used |= {("account", each["account"]) for each in persons}

    def find(self, kind: str, *present: str, **state: Any) -> dict[str, Any]:
        """An object in a state, if possible one that no other test has."""
        found = [
            doc for doc in self.api.control.objects(kind) if all(doc.get(name) for name in present)
        ]
        unused = [doc for doc in found if (kind, doc["id"]) not in self._used] or found
        fitting = [doc for doc in unused if all(doc.get(k) == v for k, v in state.items())]
        doc = (fitting or unused)[0]
        self._used.add((kind, doc["id"]))
        if doc not in fitting:
            self.api.control.mutate(kind, doc["id"], state)
        return {**doc, **state}

    def record(self, collection: Collection, kind: str, template: str) -> dict[str, Any]:
        """A record for one route of a verb."""
        verb = f"{collection.name} {kind}"
        names = placeholders(template)
        ids: dict[str, Any] = {}
        if kind == "create" and collection.name in SIBLINGS:
            sibling = self.find(collection.object)
            ids = {name: sibling[name] for name in names}
        elif kind == "create":
            ids = {name: self.find(PARENTS.get(name, name))["id"] for name in names}
        elif verb == "product delete":
            ids = {"id": self.api.post("/v1/products", {"name": "Rope"})["id"]}
        else:
            owners = [name for name in names if name != "id"]
            doc = self.find(collection.object, *owners, **STATES.get(verb, {}))
            ids = {name: reference(doc[name]) for name in names}
        default = {"metadata": {"a": "b"}} if kind == "update" else {}
        body = self._filled(BODIES.get(verb, default), ids)
        accepted = params_of("post" if kind != "delete" else "delete", template)
        return ids | {k: v for k, v in body.items() if accepted is None or k in accepted}

    def events_of(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """The Stripe events that a request caused."""
        events: list[dict[str, Any]] = self.api.get("/v1/events", {"limit": 20})["data"]
        return [e for e in events if e["request"]["id"] == answer.headers["request-id"]]

    def _filled(self, value: Any, ids: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(inner, ids) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, ids) for inner in value]
        if value == "{line}":
            invoice = self.api.get(f"/v1/invoices/{ids['id']}")
            return invoice["lines"]["data"][0]["id"]
        if isinstance(value, str) and value.startswith("{"):
            return self.find(value.strip("{}"))["id"]
        return value
