"""The verbs of every collection, and the requests that they make."""

from __future__ import annotations

import re
from typing import Any

import pytest

from stripe_sync.catalog import Availability, Collection, load_catalog
from stripe_sync.catalog.calls import placeholders
from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.verbs import request_of, routes_of, verbs_of

CATALOG = load_catalog()
VERBS = [(collection, kind) for collection in CATALOG.values() for kind in verbs_of(collection)]
ROUTES = [
    (collection, kind, method, template)
    for collection, kind in VERBS
    for method, template in routes_of(collection, kind)
]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Collection) else None


def request(name: str, kind: str, record: dict[str, Any]) -> tuple[str, dict[str, str], Any]:
    made = request_of(CATALOG.resolve(name), kind, record)
    return f"{made.method} {made.template}", dict(made.path_params), made.body


def test_the_verbs_are_all_requests_of_the_catalogue_that_write() -> None:
    current = [c for c in CATALOG.values() if c.availability is Availability.CURRENT]
    routes = [f"{method} {path}" for _, _, method, path in ROUTES]
    calls = [call.lower() for collection in CATALOG.values() for call in collection.mutations.all]
    assert sorted(routes) == sorted(calls)
    assert sum(1 for each in current if verbs_of(each)) == 47
    assert not [route for route in routes if re.search(r"^get|/search|preview", route)]


def test_the_actions_are_those_that_stripe_has() -> None:
    actions = {kind for _, kind in VERBS} - {"create", "update", "delete"}
    assert actions == {
        *("cancel", "capture", "confirm", "verify", "verify_microdeposits", "close", "submit"),
        *("increment_authorization", "apply_customer_balance", "attach", "detach", "approve"),
        *("finalize", "pay", "send", "void", "mark_uncollectible", "attach_payment", "decline"),
        *("add_lines", "update_lines", "remove_lines", "pause", "resume", "migrate", "expire"),
        *("reverse", "release", "advance", "deactivate", "reactivate"),
    }


@pytest.mark.parametrize(("collection", "kind", "method", "template"), ROUTES, ids=named)
def test_each_route_is_chosen_by_the_ids_in_the_record(
    collection: Collection, kind: str, method: str, template: str
) -> None:
    ids = {name: f"{name}_1" for name in placeholders(template)}
    made = request_of(collection, kind, {"note": "text", **ids})
    assert (made.method, made.template) == (method, template)
    assert made.path_params == ids
    assert made.body == {"note": "text"}
    assert made.api_version == collection.api_version


@pytest.mark.parametrize("value", ["", " ", "a/b", ".", "..", "a\nb", "cus_1\x00", 7, [], {}, True])
def test_an_impossible_id_is_refused(value: object) -> None:
    for collection, kind, _, template in ROUTES:
        ids = {name: f"{name}_1" for name in placeholders(template)}
        for name in ids:
            with pytest.raises(ConfigurationError) as refused:
                request_of(collection, kind, {**ids, name: value})
            assert refused.value.param == name


@pytest.mark.parametrize(("collection", "kind"), VERBS, ids=named)
def test_a_missing_id_is_named(collection: Collection, kind: str) -> None:
    routes = routes_of(collection, kind)
    if any(not placeholders(template) for _, template in routes):
        return
    with pytest.raises(ConfigurationError, match="in each record") as refused:
        request_of(collection, kind, {})
    assert refused.value.param in placeholders(*(template for _, template in routes))


@pytest.mark.parametrize(
    ("name", "kind", "record", "expected"),
    [
        (
            "subscription",
            "create",
            {"customer": "cus_1"},
            ("post /v1/subscriptions", {}, {"customer": "cus_1"}),
        ),
        ("coupon", "create", {"id": "SPRING"}, ("post /v1/coupons", {}, {"id": "SPRING"})),
        (
            "tax_id",
            "create",
            {"type": "eu_vat", "customer": None},
            ("post /v1/tax_ids", {}, {"type": "eu_vat"}),
        ),
        (
            "bank_account",
            "delete",
            {"id": "ba_1", "customer": None, "account": {"id": "acct_1", "object": "account"}},
            (
                "delete /v1/accounts/{account}/external_accounts/{id}",
                {"account": "acct_1", "id": "ba_1"},
                {},
            ),
        ),
        (
            "discount",
            "delete",
            {"id": "di_1", "customer": None, "subscription": "sub_1"},
            ("delete /v1/subscriptions/{subscription}/discount", {"subscription": "sub_1"}, {}),
        ),
        (
            "transfer_reversal",
            "create",
            {"transfer": "tr_1", "amount": 5},
            ("post /v1/transfers/{transfer}/reversals", {"transfer": "tr_1"}, {"amount": 5}),
        ),
        (
            "payment_method",
            "attach",
            {"id": "pm_1", "customer": "cus_1"},
            ("post /v1/payment_methods/{id}/attach", {"id": "pm_1"}, {"customer": "cus_1"}),
        ),
        (
            "refund",
            "create",
            {"charge": "ch_1", "amount": None},
            ("post /v1/refunds", {}, {"charge": "ch_1", "amount": None}),
        ),
    ],
)
def test_ids_of_the_path_are_not_in_the_body(
    name: str, kind: str, record: dict[str, Any], expected: object
) -> None:
    assert request(name, kind, record) == expected


@pytest.mark.parametrize(
    ("name", "kind", "instead"),
    [
        ("charge", "refund", "a refund is a create on stripe:refund"),
        ("subscription", "cancel", "delete cancels a subscription"),
        ("source", "detach", "delete detaches it"),
        ("payment_intent", "delete", "cancel ends it"),
        ("customer", "upsert", "it has create, update, delete$"),
        ("customer", "all", "it has create, update, delete$"),
    ],
)
def test_a_verb_that_is_not_offered_is_refused_with_those_that_are(
    name: str, kind: str, instead: str
) -> None:
    with pytest.raises(ConfigurationError, match=instead) as refused:
        request_of(CATALOG.resolve(name), kind, {"id": "x_1"})
    assert refused.value.param == "kind"
