from __future__ import annotations

from typing import Any

import pytest

NOW = 1_790_000_000
DAY = 86_400


def event(number: int, kind: str = "customer.updated", created: int = NOW) -> dict[str, Any]:
    body = {"id": "cus_1", "object": "customer"}
    return {
        "id": f"evt_{number}", "object": "event", "created": created, "type": kind,
        "data": {"object": body}, "api_version": "2020-08-27",
    }  # fmt: skip


def test_events_name_their_request(api: Any) -> None:
    answer = api.call("POST", "/v1/customers", data={"name": "x"}, idempotency_key="mine")
    found = api.get("/v1/events")["data"][0]
    assert found["request"] == {
        "id": answer.headers["request-id"], "idempotency_key": "mine",
    }  # fmt: skip
    assert found["pending_webhooks"] == 0
    assert found["livemode"] is False
    assert api.get(f"/v1/events/{found['id']}") == found


def test_types_select(api: Any) -> None:
    kinds = ["customer.created", "customer.updated", "charge.succeeded"]
    api.control.append_events([event(n, kind) for n, kind in enumerate(kinds)])
    assert api.ids("/v1/events", {"type": "customer.updated"}) == ["evt_1"]
    assert api.ids("/v1/events", {"type": "customer.*"}) == ["evt_1", "evt_0"]
    two = {"types[0]": "charge.succeeded", "types[1]": "customer.created"}
    assert api.ids("/v1/events", two) == ["evt_2", "evt_0"]
    api.refused(400, "GET", "/v1/events", params={**two, "type": "customer.*"})
    many = {f"types[{n}]": f"a.{n}" for n in range(21)}
    api.refused(400, "GET", "/v1/events", params=many)
    assert api.ids("/v1/events", {"created[gt]": NOW}) == []


def test_delivery_success_selects(api: Any) -> None:
    api.control.append_events([event(1)])
    api.control.append_events([event(2)], delivered=False)
    assert api.ids("/v1/events", {"delivery_success": "true"}) == ["evt_1"]
    assert api.ids("/v1/events", {"delivery_success": "false"}) == ["evt_2"]


def test_events_age_out_after_thirty_days(api: Any) -> None:
    api.control.append_events([event(1, created=NOW - 5), event(2)])
    assert api.ids("/v1/events") == ["evt_2", "evt_1"]
    api.control.clock(advance=30 * DAY - 2)
    assert api.ids("/v1/events") == ["evt_2"]
    api.refused(404, "GET", "/v1/events/evt_1")
    for param in ("starting_after", "ending_before"):
        error = api.refused(400, "GET", "/v1/events", params={param: "evt_1"})
        assert error["message"].endswith("aged out of our retention policy")
        assert error["type"] == "invalid_request_error"


def test_late_events_appear_behind_later_ones(api: Any) -> None:
    api.control.fault("late_event", endpoint="customer.created", seconds=30, next=1)
    api.post("/v1/customers", {"name": "first"})
    api.control.clock(advance=1)
    api.post("/v1/customers", {"name": "second"})

    def names() -> list[str]:
        return [e["data"]["object"]["name"] for e in api.get("/v1/events")["data"]]

    assert names() == ["second"]
    api.control.clock(advance=29)
    assert names() == ["second", "first"]


def test_one_change_can_have_two_events(api: Any) -> None:
    api.control.fault("duplicate_event")
    api.post("/v1/customers")
    one, two = api.get("/v1/events")["data"]
    assert one["id"] != two["id"]
    assert one["data"] == two["data"]


def test_ids_do_not_grow_with_time(api: Any) -> None:
    for _ in range(20):
        api.post("/v1/customers")
    ids = api.ids("/v1/events", {"limit": 100})
    assert ids != sorted(ids)
    assert ids != sorted(ids, reverse=True)


def test_expanding_into_the_snapshot_is_refused(api: Any) -> None:
    api.refused(400, "GET", "/v1/events", params={"expand[]": "data.data.object.customer"})


def test_silent_changes_write_nothing(api: Any) -> None:
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW, "name": "a"})
    api.control.mutate("customer", "cus_1", {"name": "b"})
    assert api.get("/v1/customers/cus_1")["name"] == "b"
    api.control.remove("customer", "cus_1")
    api.refused(404, "GET", "/v1/customers/cus_1")
    assert api.event_types() == []


def test_put_can_emit_creations_and_updates(api: Any) -> None:
    doc = {"id": "cus_1", "object": "customer", "created": NOW, "name": "a"}
    api.control.put(doc, emit=True)
    api.control.put({**doc, "name": "b", "phone": "1"}, emit=True)
    newest = api.get("/v1/events")["data"][0]
    assert newest["type"] == "customer.updated"
    assert newest["data"]["previous_attributes"] == {"name": "a", "phone": None}
    assert newest["request"] == {"id": None, "idempotency_key": None}


@pytest.mark.parametrize("version", ["2024-06-20", "2025-02-24.acacia", "2026-10-28.endive"])
def test_snapshots_are_in_the_account_default_version(api: Any, version: str) -> None:
    api.control.settings(api_version=version)
    api.control.put({"id": "co", "object": "coupon", "created": NOW})
    made = api.post(
        "/v1/promotion_codes",
        {"promotion[type]": "coupon", "promotion[coupon]": "co"},
        stripe_version="2026-10-28.endive",
    )
    assert made["promotion"]["coupon"] == "co"
    found = api.get("/v1/events", stripe_version="2026-10-28.endive")["data"][0]
    assert found["api_version"] == version
    assert ("coupon" in found["data"]["object"]) is (version < "2025-09-30")
