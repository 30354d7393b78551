"""Fields as the SDK's annotations tell them."""

from __future__ import annotations

import pytest
import stripe

from stripe_stack.generate.annotations import object_fields
from stripe_stack.generate.timestamps import check_timestamp, is_timestamp
from stripe_sync.catalog.fields import Field, FieldKind
from stripe_sync.errors import CatalogError


@pytest.mark.parametrize(
    ("object_name", "name", "kind"),
    [
        ("charge", "id", FieldKind.TEXT),
        ("charge", "object", FieldKind.TEXT),
        ("charge", "amount", FieldKind.INTEGER),
        ("charge", "captured", FieldKind.BOOLEAN),
        ("charge", "metadata", FieldKind.JSON),
        ("charge", "refunds", FieldKind.JSON),
        ("charge", "outcome", FieldKind.JSON),
        ("charge", "created", FieldKind.TIMESTAMP),
        ("customer", "deleted", FieldKind.BOOLEAN),
        ("customer", "tax_exempt", FieldKind.TEXT),
        ("customer", "cash_balance", FieldKind.JSON),
        ("customer", "discount", FieldKind.REFERENCE),
        ("invoice", "default_tax_rates", FieldKind.JSON),
        ("price", "unit_amount_decimal", FieldKind.DECIMAL),
        ("coupon", "percent_off", FieldKind.DECIMAL),
        ("plan", "trial_period_days", FieldKind.INTEGER),
        ("subscription", "billing_cycle_anchor", FieldKind.TIMESTAMP),
        ("subscription_item", "plan", FieldKind.REFERENCE),
    ],
)
def test_kinds_follow_the_annotations(object_name: str, name: str, kind: FieldKind) -> None:
    fields = object_fields(object_name)
    assert fields is not None
    assert fields[name].kind is kind


@pytest.mark.parametrize(
    ("object_name", "name", "to"),
    [
        ("charge", "customer", ("customer",)),
        ("payout", "destination", ("bank_account", "card")),
        ("issuing.transaction", "card", ("issuing.card",)),
        ("issuing.card", "replaced_by", ("issuing.card",)),
        ("issuing.dispute", "transaction", ("issuing.transaction",)),
        ("customer_balance_transaction", "checkout_session", ("checkout.session",)),
    ],
)
def test_references_have_their_target(object_name: str, name: str, to: tuple[str, ...]) -> None:
    fields = object_fields(object_name)
    assert fields is not None
    assert fields[name] == Field(kind=FieldKind.REFERENCE, to=to)


def test_the_id_comes_first_and_no_field_is_left_out() -> None:
    fields = object_fields("refund")
    assert fields is not None
    assert next(iter(fields)) == "id"
    assert set(fields) == set(stripe.Refund.__annotations__) - {"OBJECT_NAME"} - {
        name for name in stripe.Refund.__annotations__ if name.startswith("_")
    }


def test_an_object_unknown_to_the_sdk_has_no_fields() -> None:
    assert object_fields("bitcoin_receiver") is None


@pytest.mark.parametrize("name", ["created", "voided_at", "due_date", "period_end", "redeem_by"])
def test_timestamps_are_recognised_by_name(name: str) -> None:
    assert is_timestamp(name)


@pytest.mark.parametrize("name", ["amount", "days_until_due", "duration_in_months", "exp_year"])
def test_other_numbers_are_no_timestamps(name: str) -> None:
    assert not is_timestamp(name)


def test_a_timestamp_with_an_unknown_kind_of_name_is_reported() -> None:
    check_timestamp("thing.amount", "amount", "How much, in cents.")
    with pytest.raises(CatalogError, match=r"thing\.when_sent"):
        check_timestamp("thing.when_sent", "when_sent", "Measured in seconds since the Unix epoch.")
