"""What is refused before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from stripe_sync.catalog import Availability, Collection, load_catalog
from stripe_sync.catalog.calls import placeholders
from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.encoding import encode
from stripe_sync.mutations.sdk_params import ParamType, params_of, sdk_options
from stripe_sync.mutations.validation import MAX_RECORDS, check
from stripe_sync.mutations.verbs import mutable_collections, routes_of, verbs_of

CATALOG = load_catalog()
MUTABLE = mutable_collections(CATALOG)
ROUTES = [
    (collection, kind, method, template)
    for collection in MUTABLE
    for kind in verbs_of(collection)
    for method, template in routes_of(collection, kind)
]
CURRENT = [each for each in ROUTES if each[0].availability is Availability.CURRENT]
READ_ONLY = [
    each for each in (*CATALOG.values(), *CATALOG.parent_only.values()) if each not in MUTABLE
]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Collection) else None


def ids_of(template: str) -> dict[str, str]:
    return {name: f"{name}_1" for name in placeholders(template)}


def refusal(*arguments: Any, **options: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        check(*arguments, **options)
    return refused.value


@pytest.mark.parametrize(("collection", "kind", "method", "template"), CURRENT, ids=named)
def test_every_parameter_of_the_sdk_is_accepted(
    collection: Collection, kind: str, method: str, template: str
) -> None:
    known = params_of(method, template)
    assert known is not None
    assert not sdk_options() & set(known)
    body = {name: _example(kind_of) for name, kind_of in known.items() if name != "expand"}
    (request,) = check(collection.id, kind, [{**body, **ids_of(template)}])
    assert request.template == template
    assert encode(request.body) or not body


@pytest.mark.parametrize(("collection", "kind", "method", "template"), CURRENT, ids=named)
def test_an_unknown_parameter_is_refused_by_name(
    collection: Collection, kind: str, method: str, template: str
) -> None:
    record = {"nonsense": "x", **ids_of(template)}
    refused = refusal(collection.id, kind, [ids_of(template), record])
    assert refused.param == "records[1].nonsense"
    (request,) = check(collection.id, kind, [record], allow_unknown_params=True)
    assert request.body["nonsense"] == "x"


@pytest.mark.parametrize("name", [*sorted(sdk_options()), "expand"])
def test_settings_of_a_request_are_no_parameters(name: str) -> None:
    for collection, kind, _, template in ROUTES:
        record = {**ids_of(template), name: "x"}
        for allowed in (False, True):
            refused = refusal(collection.id, kind, [record], allow_unknown_params=allowed)
            assert refused.param == f"records[0].{name}"


@pytest.mark.parametrize("collection", READ_ONLY, ids=named)
def test_a_collection_that_nobody_can_write_says_why(collection: Collection) -> None:
    refused = refusal(collection.id, "create", [{}])
    assert refused.param == "collection_id"
    assert "cannot be written: " in str(refused)


@pytest.mark.parametrize(
    ("collection_id", "text"),
    [
        ("stripe:custmer", "did you mean customer"),
        ("stripe:item", "write stripe:checkout.session"),
        ("stripe:account", "only read"),
        ("stripe.upcoming_line_item", "Stripe computes it"),
        ("balance_transaction", "Stripe makes it itself"),
        ("", "there is no collection"),
        (None, "such as stripe:customer"),
    ],
)
def test_a_wrong_collection_is_refused(collection_id: object, text: str) -> None:
    refused = refusal(collection_id, "create", [{}])
    assert refused.param == "collection_id"
    assert text in str(refused)


@pytest.mark.parametrize("kind", ["", "CREATE", "all", "search", "cancel", None, 7])
def test_a_wrong_kind_is_refused_with_the_right_ones(kind: object) -> None:
    refused = refusal("stripe:customer", kind, [{}])
    assert refused.param == "kind"
    assert "it has create, update, delete" in str(refused)


@pytest.mark.parametrize(
    ("records", "param"),
    [
        (None, "records"),
        ({}, "records"),
        ({"name": "x"}, "records"),
        ("text", "records"),
        ([], "records"),
        ([{}] * (MAX_RECORDS + 1), "records"),
        ([{}, {}, "x"], "records[2]"),
        ([{}, None], "records[1]"),
        ([[]], "records[0]"),
    ],
)
def test_wrong_records_are_refused(records: object, param: str) -> None:
    assert refusal("stripe:customer", "create", records).param == param


def test_a_full_batch_keeps_its_order_and_repetitions() -> None:
    records = [{"id": f"cus_{n % 3}", "name": str(n)} for n in range(MAX_RECORDS)]
    requests = check("stripe.customer", "update", records)
    assert [request.path_params["id"] for request in requests] == [each["id"] for each in records]
    assert [request.body["name"] for request in requests] == [each["name"] for each in records]


@pytest.mark.parametrize(
    ("name", "kind", "record", "param", "text"),
    [
        ("customer", "create", {"nme": "x"}, "nme", "did you mean name?"),
        ("customer", "create", {"id": "cus_1"}, "id", "Stripe gives the id"),
        ("customer", "create", {"shipping": {"adress": {}}}, "shipping.adress", "mean address?"),
        (
            "subscription",
            "create",
            {"items": [{"price": "p"}, {"prise": "p"}]},
            "items[1].prise",
            "mean price?",
        ),
        (
            "bank_account",
            "create",
            {"customer": "cus_1", "account": "acct_1"},
            "account",
            "give either account or customer",
        ),
        ("subscription", "delete", {"id": "sub_1", "prorat": True}, "prorat", "mean prorate?"),
        ("customer", "update", {"name": "x"}, "id", "needs id"),
        ("person", "update", {"id": "person_1"}, "account", "needs account"),
        ("customer", "create", {"metadata": {"a": [None]}}, "metadata.a[0]", "null or empty"),
        ("customer", "create", {"name": b"x"}, "name", "is a file"),
    ],
)
def test_a_wrong_field_is_named(
    name: str, kind: str, record: dict[str, Any], param: str, text: str
) -> None:
    refused = refusal(name, kind, [record])
    assert refused.param == f"records[0].{param}"
    assert text in str(refused)


@pytest.mark.parametrize("value", [10.0, "10.00", "1e3", ".5", Decimal(10), True])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("customer", "balance"),
        ("coupon", "amount_off"),
        ("coupon", "currency_options.eur.amount_off"),
        ("subscription", "items[0].quantity"),
        ("subscription", "trial_end"),
    ],
)
def test_amounts_and_counts_are_whole_numbers(name: str, place: str, value: object) -> None:
    refused = refusal(name, "create", [_nested(place, value)])
    assert refused.param == f"records[0].{place}"
    assert "whole number" in str(refused)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("customer", {"balance": -10}),
        ("customer", {"balance": "10"}),
        ("subscription", {"trial_end": "now"}),
        ("coupon", {"percent_off": 12.5}),
        ("price", {"unit_amount_decimal": "0.5"}),
        ("customer", {"metadata": {"anything": 1.5}}),
        ("bank_account", {"customer": "cus_1", "source": {"object": "bank_account"}}),
    ],
)
def test_other_values_are_left_to_stripe(name: str, record: dict[str, Any]) -> None:
    (request,) = check(name, "create", [record])
    assert {**request.body, **request.path_params} == record


def test_no_value_of_a_record_is_repeated() -> None:
    record = {"id": "cus_1/secret", "name": {"secret"}}
    assert "secret" not in str(refusal("customer", "update", [record]))
    assert "secret" not in str(refusal("customer", "create", [{"name": {"secret"}}]))


def _example(kind: ParamType) -> Any:
    """A value that the SDK's type allows."""
    if kind.fields:
        return {name: _example(inner) for name, inner in kind.fields.items()}
    if kind.items:
        return [_example(kind.items)]
    return 1 if kind.is_integer else "x"


def _nested(place: str, value: object) -> dict[str, Any]:
    head, dot, rest = place.partition(".")
    name, bracket, _ = head.partition("[")
    inner = _nested(rest, value) if dot else value
    return {name: [inner] if bracket else inner}
