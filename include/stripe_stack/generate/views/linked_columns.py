"""Columns that only another collection can answer: Stripe moved them off the object.

An invoice's payments are objects of their own since API version 2025-03-31.basil. The columns are
subqueries of the views, which PostgreSQL leaves out where no query asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from stripe_stack.generate.views.column import Column

_PAYMENT = """(
        select {value}
        from {{{{ source('typed_tables', 'invoice_payments') }}}} as payments
        left join {{{{ source('typed_tables', 'payment_intents') }}}} as intents
            on intents.id = payments.payment_intent and intents._sync_id = payments._sync_id
        where
            payments._sync_id = typed._sync_id
            and payments.{field} = typed.{key}
            and not payments._deleted
        order by payments.status = 'paid' desc, payments.is_default desc, payments.created desc
        limit 1
    )"""
_MOVED = "Moved by later API versions: of its payment in `{{ target.schema }}.invoice_payments`."


def _column(name: str, value: str, field: str, key: str, meaning: str) -> Column:
    expression = _PAYMENT.format(value=value, field=field, key=key)
    return Column(name, expression, "text", f"{meaning} {_MOVED}")


LINKED_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "stripe:invoice": (
        _column(
            "charge",
            "coalesce(payments.charge, intents.latest_charge)",
            "invoice",
            "id",
            "Charge that paid the invoice, or is to pay it.",
        ),
        _column(
            "payment_intent",
            "payments.payment_intent",
            "invoice",
            "id",
            "Payment intent that paid the invoice, or is to pay it.",
        ),
    ),
    "stripe:charge": (
        _column(
            "invoice",
            "payments.invoice",
            "payment_intent",
            "payment_intent",
            "Invoice that the charge pays.",
        ),
    ),
    "stripe:payment_intent": (
        _column(
            "invoice",
            "payments.invoice",
            "payment_intent",
            "id",
            "Invoice that the payment intent pays.",
        ),
    ),
}
"""Further columns of the views, by collection id."""
