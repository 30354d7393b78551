from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import LAST_LEGACY, Resource
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL

NOW = 1_790_000_000
SEEDABLE = [
    pytest.param(resource, id=resource.object)
    for resource in TOP_LEVEL
    if resource.object != "event"
]


def header(resource: Resource) -> dict[str, str]:
    return {"stripe_version": LAST_LEGACY} if resource.is_legacy else {}


def fields_of(resource: Resource) -> dict[str, Any]:
    """Fields of an object that the default filter lets through."""
    fields: dict[str, Any] = {"object": resource.object}
    if resource.default_filter is not None:
        fields[resource.default_filter.field] = (
            resource.default_filter.value if resource.default_filter.equal else "other"
        )
    return fields


def fill(api: Any, resource: Resource, count: int) -> list[str]:
    """Create objects, one per second. Returns their ids, newest first."""
    docs = [
        {"id": f"x_{n:04d}", resource.created_field: NOW - 10_000 + n, **fields_of(resource)}
        for n in range(count)
    ]
    api.control.put(*docs)
    return [doc["id"] for doc in reversed(docs)]


@pytest.mark.parametrize("resource", SEEDABLE)
def test_pages_walk_down_and_up_again(api: Any, resource: Resource) -> None:
    ids, head = fill(api, resource, 7), header(resource)
    first = api.get(resource.path, {"limit": 3}, **head)
    assert (first["object"], first["url"], first["has_more"]) == ("list", resource.path, True)
    assert [r["id"] for r in first["data"]] == ids[:3]
    second = api.get(resource.path, {"limit": 3, "starting_after": ids[2]}, **head)
    assert ([r["id"] for r in second["data"]], second["has_more"]) == (ids[3:6], True)
    last = api.get(resource.path, {"limit": 3, "starting_after": ids[5]}, **head)
    assert ([r["id"] for r in last["data"]], last["has_more"]) == (ids[6:], False)
    up = api.get(resource.path, {"limit": 3, "ending_before": ids[5]}, **head)
    assert ([r["id"] for r in up["data"]], up["has_more"]) == (ids[2:5], True)
    top = api.get(resource.path, {"limit": 3, "ending_before": ids[2]}, **head)
    assert ([r["id"] for r in top["data"]], top["has_more"]) == (ids[:2], False)


@pytest.mark.parametrize("resource", SEEDABLE)
def test_seeded_objects_have_every_field_and_come_back_one_by_one(
    api: Any, resource: Resource
) -> None:
    api.control.seed({"customer": 3, "product": 2, "price": 2})
    api.control.seed({resource.object: 9}, start=NOW - 1000, end=NOW)
    head = header(resource)
    everything = {"status": "all"} if resource.object == "subscription" else {}
    listed = api.get(resource.path, {"limit": 100, **everything}, **head)["data"]
    fields = set(sdk_schema.object_fields(resource.object))
    absent = {*resource.expandable_fields, *resource.expandable_lists, *resource.internal_fields}
    for doc in listed:
        assert doc["object"] == resource.object
        assert doc["id"].startswith(resource.prefix)
        assert not absent & set(doc)
        if "r" in resource.ops:
            assert api.get(f"{resource.path}/{doc['id']}", **head) == doc
    if fields and "type" not in fields:
        assert fields - absent == set(listed[0])


@pytest.mark.parametrize("resource", SEEDABLE)
def test_refuses_bad_parameters(api: Any, resource: Resource) -> None:
    fill(api, resource, 3)
    head = header(resource)
    for limit in ("0", "101", "-1", "x", ""):
        if limit:
            error = api.refused(400, "GET", resource.path, params={"limit": limit}, **head)
            assert error["param"] == "limit"
    error = api.refused(400, "GET", resource.path, params={"foo": "1"}, **head)
    assert error["message"] == "Received unknown parameter: foo"
    assert (error["code"], error["param"]) == ("parameter_unknown", "foo")
    both = {"starting_after": "x_0001", "ending_before": "x_0002"}
    api.refused(400, "GET", resource.path, params=both, **head)
    for param in both:
        error = api.refused(400, "GET", resource.path, params={param: "nobody"}, **head)
        assert (error["code"], error["param"]) == ("resource_missing", param)
        assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("resource", SEEDABLE)
def test_created_selects_by_the_second_where_stripe_has_it(api: Any, resource: Resource) -> None:
    ids, head, base = fill(api, resource, 5), header(resource), NOW - 10_000
    has_filter = "created" in (sdk_schema.params(resource.object, "list") or resource.extra_filters)
    if not has_filter:
        error = api.refused(400, "GET", resource.path, params={"created[gte]": base}, **head)
        assert error["code"] == "parameter_unknown"
        return
    assert api.ids(resource.path, {"created": base + 1}, **head) == [ids[3]]
    window = {"created[gte]": base + 1, "created[lt]": base + 4}
    assert api.ids(resource.path, window, **head) == ids[1:4]
    assert (
        api.ids(resource.path, {"created[gt]": base + 1, "created[lte]": base + 3}, **head)
        == ids[1:3]
    )
    assert api.ids(resource.path, {"created[lt]": base}, **head) == []
    up = api.get(resource.path, {**window, "limit": 1, "ending_before": ids[3]}, **head)
    assert ([r["id"] for r in up["data"]], up["has_more"]) == ([ids[2]], True)


@pytest.mark.parametrize("resource", [p for p in SEEDABLE if p.values[0].is_legacy])
def test_retired_routes_answer_in_old_versions_only(api: Any, resource: Resource) -> None:
    fill(api, resource, 1)
    assert api.ids(resource.path, stripe_version="2019-12-03") == ["x_0000"]
    for version in ({}, {"stripe_version": "2022-11-15"}):
        error = api.refused(404, "GET", resource.path, **version)
        assert error["message"].startswith(f"Unrecognized request URL (GET: {resource.path})")
        assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("resource", SEEDABLE)
def test_all_documented_filters_are_accepted(api: Any, resource: Resource) -> None:
    fill(api, resource, 2)
    samples = {"int": "1", "bool": "true", "str": "active", "any": "active", "decimal": "1"}
    for name, schema in (sdk_schema.params(resource.object, "list") or {}).items():
        if (resource.object, name) == ("balance_transaction", "payout"):
            payout = {"id": "po_1", "object": "payout", "automatic": True, "created": NOW}
            api.control.put(payout)
            api.get(resource.path, {name: "po_1"})  # any other id is refused
        elif schema.kind in samples and name not in ("limit", "starting_after", "ending_before"):
            api.get(
                resource.path, {name: schema.choices[0] if schema.choices else samples[schema.kind]}
            )
        elif schema.kind == "list" and name != "expand":
            api.get(resource.path, {f"{name}[0]": "a"})


def test_same_second_keeps_the_order_of_insertion(api: Any) -> None:
    docs = [{"id": f"cus_{n}", "object": "customer", "created": NOW - 5} for n in range(5)]
    api.control.put(*docs)
    assert api.ids("/v1/customers") == ["cus_4", "cus_3", "cus_2", "cus_1", "cus_0"]
    assert api.ids("/v1/customers", {"starting_after": "cus_3"}) == ["cus_2", "cus_1", "cus_0"]


def test_a_cursor_that_left_the_list_is_refused(api: Any) -> None:
    subs = [
        {"id": f"sub_{n}", "object": "subscription", "created": NOW - 9 + n, "status": "active"}
        for n in range(3)
    ]
    api.control.put(*subs)
    api.control.mutate("subscription", "sub_1", {"status": "canceled"})
    error = api.refused(400, "GET", "/v1/subscriptions", params={"starting_after": "sub_1"})
    assert (error["code"], error["param"]) == ("resource_missing", "starting_after")
    everything = {"starting_after": "sub_1", "status": "all"}
    assert api.ids("/v1/subscriptions", everything) == ["sub_0"]
    api.control.remove("subscription", "sub_2")
    error = api.refused(400, "GET", "/v1/subscriptions", params={"ending_before": "sub_2"})
    assert error["param"] == "ending_before"


def test_subscriptions_hide_the_canceled_unless_asked(api: Any) -> None:
    for status in ("active", "canceled", "past_due", "incomplete_expired"):
        api.control.put({"id": status, "object": "subscription", "created": NOW, "status": status})
    assert api.ids("/v1/subscriptions") == ["incomplete_expired", "past_due", "active"]
    assert len(api.ids("/v1/subscriptions", {"status": "all"})) == 4
    ended = api.ids("/v1/subscriptions", {"status": "ended"})
    assert ended == ["incomplete_expired", "canceled"]
    assert api.ids("/v1/subscriptions", {"status": "canceled"}) == ["canceled"]


@pytest.mark.parametrize("kind", ["price", "plan", "product", "promotion_code"])
def test_lists_have_the_active_only_by_default(api: Any, kind: str) -> None:
    path = RESOURCES[kind].path
    api.control.put({"id": "on", "object": kind, "created": NOW, "active": True})
    api.control.put({"id": "off", "object": kind, "created": NOW, "active": False})
    assert api.ids(path) == ["on"]
    assert api.ids(path, {"active": "true"}) == ["on"]
    assert api.ids(path, {"active": "false"}) == ["off"]


def test_reviews_list_the_open_ones_but_the_closed_can_be_read(api: Any) -> None:
    api.control.put({"id": "prv_1", "object": "review", "created": NOW, "open": False})
    assert api.ids("/v1/reviews") == []
    assert api.get("/v1/reviews/prv_1")["open"] is False


@pytest.mark.parametrize(
    ("kind", "shown_by"),
    [
        ("customer", "test_clock"),
        ("subscription", "test_clock"),
        ("subscription", "customer"),
        ("subscription_schedule", "customer"),
        ("invoice", "customer"),
    ],
)
def test_objects_of_a_test_clock_hide_until_asked_for(api: Any, kind: str, shown_by: str) -> None:
    doc = {"id": "x", "object": kind, "created": NOW, "test_clock": "clock_1", "customer": "cus_1"}
    api.control.put(doc)
    path = RESOURCES[kind].path
    assert api.ids(path) == []
    assert api.ids(path, {shown_by: doc[shown_by]}) == ["x"]


@pytest.mark.parametrize(
    ("kind", "params", "fields"),
    [
        ("charge", {"customer": "cus_1"}, {"customer": "cus_1"}),
        ("charge", {"payment_intent": "pi_1"}, {"payment_intent": {"id": "pi_1"}}),
        ("invoice", {"status": "open"}, {"status": "open"}),
        (
            "invoice",
            {"subscription": "sub_1"},
            {"parent": {"subscription_details": {"subscription": "sub_1"}}},
        ),
        ("invoice", {"due_date[gte]": "5"}, {"due_date": 6}),
        ("invoiceitem", {"pending": "true"}, {"invoice": None, "date": NOW}),
        (
            "subscription",
            {"price": "price_1", "status": "all"},
            {"items": {"object": "list", "data": [{"price": {"id": "price_1"}}]}},
        ),
        ("promotion_code", {"coupon": "c", "active": "true"},
         {"promotion": {"coupon": "c"}, "active": True}),
        ("price", {"lookup_keys[0]": "gold"}, {"lookup_key": "gold", "active": True}),
        ("price", {"recurring[interval]": "month"},
         {"recurring": {"interval": "month"}, "active": True}),
        ("payout", {"arrival_date[lt]": "9"}, {"arrival_date": 8}),
        ("checkout.session", {"customer_details[email]": "a@b.c"},
         {"customer_details": {"email": "a@b.c"}}),
        ("issuing.card", {"cardholder": "ich_1"}, {"cardholder": {"id": "ich_1"}}),
    ],
)  # fmt: skip
def test_filters_select(
    api: Any, kind: str, params: dict[str, str], fields: dict[str, Any]
) -> None:
    resource = RESOURCES[kind]
    other = {"active": True, "invoice": "in_9", "due_date": 1, "arrival_date": 99}
    api.control.put({"id": "no", "object": kind, resource.created_field: NOW, **other})
    api.control.put({"id": "yes", "object": kind, resource.created_field: NOW, **fields})
    assert api.ids(resource.path, params) == ["yes"]


def test_filters_follow_changes(api: Any) -> None:
    api.control.put({"id": "in_1", "object": "invoice", "created": NOW, "status": "open"})
    assert api.ids("/v1/invoices", {"status": "open"}) == ["in_1"]
    api.control.mutate("invoice", "in_1", {"status": "paid"})
    assert api.ids("/v1/invoices", {"status": "open"}) == []
    assert api.ids("/v1/invoices", {"status": "paid"}) == ["in_1"]


def test_the_sdk_pages_through_everything_both_ways(api: Any) -> None:
    api.control.seed({"charge": 250})
    client = stripe.StripeClient(api.server.api_key, base_addresses={"api": api.server.base_url})
    down = [c.id for c in client.v1.charges.list({"limit": 100}).auto_paging_iter()]
    assert len(set(down)) == 250
    page = client.v1.charges.list({"limit": 100, "ending_before": down[-1]})
    assert [c.id for c in page.auto_paging_iter()] == down[-2::-1]


def test_test_and_live_mode_are_apart(api: Any) -> None:
    api.control.put({"id": "cus_t", "object": "customer", "created": NOW})
    api.control.put({"id": "cus_l", "object": "customer", "created": NOW}, livemode=True)
    assert api.ids("/v1/customers") == ["cus_t"]
    assert api.ids("/v1/customers", key="sk_live_sandbox") == ["cus_l"]
    api.refused(404, "GET", "/v1/customers/cus_l")
