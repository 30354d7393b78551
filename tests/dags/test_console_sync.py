"""The console's page of a sync: what it shows, and what people do there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from dags.api_server import ApiServer
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.pages.syncs.sync import forget_sync
from stripe_airflow.ui.pages.syncs.sync_state import with_begun_period
from stripe_sync import (
    RequestPoint,
    SyncActivity,
    backfill,
    create_sync,
    get_sync,
    load_catalog,
    pause_sync,
    update_sync,
)
from stripe_sync.records.canonical_json import dumps, loads

PAGE = "/ui/syncs/default"


@pytest.fixture
def api(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    create_sync(warehouse_url(), "default", livemode=False)
    yield server
    server.forget_warehouse()


def shown(api: ApiServer, path: str = PAGE, role: str = "admin") -> str:
    forget_sync()
    page = api.call(role, "GET", path)
    assert page.status_code == 200, page.text
    return str(page.text)


def changes(api: ApiServer, page: str, part: str = "changes") -> Any:
    """What a page that shows this is sent a moment later."""
    forget_sync()
    seen = ".".join(re.findall(r'data-version="(\w+)"', page))
    return api.call("admin", "GET", f"{PAGE}/{part}?seen={seen}")


def parts(answer: str) -> list[str]:
    return re.findall(r'<hx-partial hx-target="#([\w-]+)"', answer)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def rows(page: str) -> dict[str, str]:
    found = re.findall(r'<tr id="row-([\w-]+)"(.*?)</tr>', page, re.DOTALL)
    return {name: text("<tr" + row) for name, row in found}


def send(api: ApiServer, action: str, role: str = "admin", **fields: Any) -> Any:
    return api.call(role, "POST", f"{PAGE}/{action}", data=fields)


def runs(dag_id: str) -> list[Any]:
    from airflow.models.dagrun import DagRun

    found = DagRun.find(dag_id=dag_id)
    return sorted(found, key=lambda run: run.id)


def sql(query: str, *values: Any) -> None:
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(query, values)


def test_every_collection_has_a_row_with_what_is_known_of_it(api: ApiServer, sandbox: Any) -> None:
    sandbox.control.seed({"customer": 3})
    backfill(connections_for("default"), "default", ["customer", "coupon"])
    page = shown(api)
    found = rows(page)
    assert len(found) == len(load_catalog())
    assert "Customer stripe.customers done 3 3 " in found["customer"]
    assert "Coupon stripe.coupons empty 0 0 " in found["coupon"]
    assert "Item stripe.line_items not started — — " in found["item"]
    assert get_sync(warehouse_url(), "default").account_id in page
    by_id = shown(api, f"/ui/syncs/{get_sync(warehouse_url(), 'default').id}")
    assert "<title>default · Stripe</title>" in by_id
    assert "/ui/syncs/default/changes" in by_id


def test_a_missing_permission_is_named_with_the_remedy(
    api: ApiServer, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.add_key("rk_test_some", permissions=["rak_product_read"])
    stored = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]) | {"password": "rk_test_some"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", dumps(stored).decode())
    backfill(connections_for("default"), "default", ["customer", "product"])
    page = shown(api)
    assert "no permission" in rows(page)["customer"]
    assert "rak_customer_read" in rows(page)["customer"]
    assert "The key may not read 1 collection: Customer (rak_customer_read)." in text(page)
    assert 'href="/stripe/new-key/test"' in page


def test_collections_that_the_sync_does_not_have_are_shown_as_such(api: ApiServer) -> None:
    update_sync(warehouse_url(), "default", collections=["coupon"])
    found = rows(shown(api))
    assert "Customer stripe.customers not synced" in found["customer"]
    assert "not started" in found["coupon"]


def running(percent: float | None) -> None:
    """As a backfill of customers stores it while it runs."""
    sql(
        "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status, objects,"
        " requests, percent, objects_per_second, eta, started_at)"
        " SELECT id, 'stripe:customer', 'running', 1200, 12, %s, 60.4,"
        " now() + interval '10 minutes', now() FROM stripe_sync.syncs"
        " ON CONFLICT (sync_id, collection_id) DO UPDATE SET percent = excluded.percent",
        percent,
    )


def test_a_running_backfill_has_bars_that_move(api: ApiServer) -> None:
    assert "<progress" not in shown(api)
    running(25)
    page = shown(api)
    assert "backfilling 25 %" in page
    assert '<progress max="100" value="25.0" aria-label="The whole backfill">' in page
    assert '<progress max="100" value="25.0" aria-label="Customer">' in page
    assert "25 % · 1,200 objects · 60 a second · 10 min left" in text(page)
    running(50)
    now = changes(api, page)
    assert {"head", "progress", "row-customer"} <= {*parts(now.text)}
    assert "row-coupon" not in parts(now.text)
    assert 'value="50.0" aria-label="Customer"' in now.text
    running(None)
    assert '<progress max="100" aria-label="Customer">' in changes(api, page).text


def test_nothing_is_sent_again_of_a_page_that_has_not_changed(api: ApiServer) -> None:
    page = shown(api)
    for part in ("changes", "plots"):
        answer = changes(api, page, part)
        assert (answer.status_code, answer.text) == (204, "")
    sql(
        "INSERT INTO stripe_sync.poll_state (sync_id, message) SELECT id, 'a <b>bad</b> key'"
        " FROM stripe_sync.syncs ON CONFLICT (sync_id) DO UPDATE SET message = excluded.message"
    )
    now = changes(api, page)
    assert parts(now.text) == ["head", "warnings"]
    assert "a &lt;b&gt;bad&lt;/b&gt; key" in now.text


def test_a_long_message_is_cut_and_can_be_opened(api: ApiServer) -> None:
    running(25)
    sql("UPDATE stripe_sync.collection_state SET message = %s", "<i>no</i> " * 100_000)
    page = shown(api)
    assert len(page) < 300_000
    [message] = re.findall(r'<td class="message small"><details>(.*?)</details>', page)
    summary, full = message.split("</summary>")
    assert len(summary) < 1000 < len(full) < 20_000
    assert "<i>" not in full


def test_plots_have_a_text_and_a_table(api: ApiServer, sandbox: Any) -> None:
    page = shown(api)
    assert "No Stripe events in the last 24 hours." in page
    assert "No requests in the last 24 hours; the limit is 25 a second." in page
    assert "0 reads in 30 days. Stripe's allotment is not known yet." in text(page).replace(
        "&#39;", "'"
    )
    backfill(connections_for("default"), "default", ["customer"])
    now = shown(api, f"{PAGE}/plots")
    assert {"requests-summary", "requests-values", "reads-values"} <= {*parts(now)}
    assert re.search(r"At most \d+\.\d requests a second", now)
    for name, count in (("freshness", 144), ("requests", 144), ("reads", 30)):
        [table] = re.findall(rf'<div id="{name}-values".*?</table>', now, re.DOTALL)
        assert len(re.findall(r'<th scope="row" data-value="\d+">', table)) == count


def test_requests_of_the_period_that_has_begun_are_per_second_that_has_passed() -> None:
    begin = datetime(2026, 11, 27, 12, tzinfo=UTC)
    times = [begin + timedelta(minutes=10 * place) for place in range(3)]
    points = tuple(RequestPoint(at, 6.0, 0.0, 1.5, 0.0) for at in times)
    activity = SyncActivity((), points, (), 25.0, None)
    for minutes, scale in ((5, 2), (10, 1), (11, 1), (0.1, 10), (-3, 10)):
        scaled = with_begun_period(activity, times[-1] + timedelta(minutes=minutes)).requests
        assert scaled[:-1] == points[:-1]
        assert scaled[-1] == RequestPoint(times[-1], 6.0 * scale, 0.0, 1.5 * scale, 0.0)


def test_a_gap_is_shown_with_its_repair(api: ApiServer) -> None:
    assert "Periods without Stripe events" not in shown(api)
    sql(
        "INSERT INTO stripe_sync.retention_gaps (sync_id, began_at, ended_at, reason)"
        " SELECT id, now() - interval '40 days', now(), 'Stripe deleted <its> events'"
        " FROM stripe_sync.syncs"
    )
    page = shown(api)
    assert "Periods without Stripe events" in page
    assert "Stripe deleted &lt;its&gt; events" in page


def test_a_backfill_is_started_and_linked(api: ApiServer) -> None:
    answer = send(
        api,
        "backfill",
        "user",
        collection_ids=["stripe:customer", "stripe:coupon"],
        since="2026-01-01",
        requests_per_second="",
    )
    assert answer.status_code == 200, answer.text
    run = runs("stripe_backfill")[-1]
    assert run.conf == {
        "sync": "default",
        "collections": ["customer", "coupon"],
        "since": "2026-01-01",
        "full": False,
        "requests_per_second": None,
    }
    assert run.triggering_user_name == "user"
    [link] = re.findall(r'href="(/dags/stripe_backfill/runs/[^"]+)" data-leaves', answer.text)
    assert link.endswith(run.run_id.replace(":", "%3A").replace("+", "%2B"))
    assert "The DAG stripe_backfill is paused" in answer.text  # as new DAGs are


def test_a_reconcile_is_started(api: ApiServer) -> None:
    assert send(api, "reconcile", everything="true", window_days="7").status_code == 200
    conf = runs("stripe_reconcile")[-1].conf
    assert (conf["everything"], conf["window"], conf["collections"]) == (True, 7, [])


@pytest.mark.parametrize(
    ("action", "fields", "message"),
    [
        ("backfill", {"since": "yesterday"}, "since: "),
        ("backfill", {"requests_per_second": "0"}, "requests_per_second: "),
        ("backfill", {"collection_ids": ["stripe:nothing"]}, "stripe:nothing"),
        ("backfill", {"surprise": "1"}, "surprise: "),
        ("reconcile", {"window_days": "0"}, "window_days: "),
        ("reconcile", {"window_days": "9" * 30}, "window_days: "),
    ],
)
def test_a_form_that_is_wrong_starts_nothing(
    api: ApiServer, action: str, fields: dict[str, Any], message: str
) -> None:
    before = len(runs(f"stripe_{action}"))
    answer = api.call(
        "admin", "POST", f"{PAGE}/{action}", data=fields, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 400
    assert message in answer.text
    assert "<html" not in answer.text
    assert len(runs(f"stripe_{action}")) == before


def test_a_paused_sync_starts_nothing_and_says_why(api: ApiServer) -> None:
    pause_sync(warehouse_url(), "default")
    answer = send(api, "backfill")
    assert answer.status_code == 409
    assert "paused" in answer.text


def test_a_sync_is_paused_and_resumed(api: ApiServer) -> None:
    assert "Pause…" in shown(api)
    answer = send(api, "pause")
    assert (answer.status_code, answer.headers["stripe-go"]) == (204, "/stripe/ui/syncs/default")
    page = shown(api)
    assert "Resume…" in page
    assert "Pause…" not in page
    assert "This sync is paused" in page
    send(api, "resume")
    assert get_sync(warehouse_url(), "default").status == "active"
    assert "Pause…" in shown(api)


SETTINGS = {"rate": "", "frequency": "", "max_age_days": "", "collections": "all"}


def save(api: ApiServer, **fields: Any) -> Any:
    return send(api, "settings", **(SETTINGS | fields))


def stored() -> dict[str, Any]:
    return dict(get_sync(warehouse_url(), "default").settings)


def test_settings_are_stored_and_removed(api: ApiServer) -> None:
    answer = save(api, rate="12.5", frequency="60000", max_age_days="90")
    assert (answer.status_code, answer.headers["stripe-go"]) == (204, "/stripe/ui/syncs/default")
    assert stored() == {
        "total_requests_per_second": 12.5,
        "requests_per_second": 12.5,
        "cadence": "adaptive",
        "longest_poll_interval": 60,
        "max_age_days": 90,
    }
    page = shown(api)
    assert (
        'name="rate" inputmode="decimal" size="8" autocomplete="off" placeholder="25" value="12.5"'
        in page
    )
    assert '<option value="60000" selected>' in page
    assert save(api).status_code == 204
    assert stored() == {}


def test_settings_that_stay_as_they_are_are_not_touched(api: ApiServer) -> None:
    settings = {"total_requests_per_second": 8, "requests_per_second": 3, "cadence": "adaptive"}
    update_sync(warehouse_url(), "default", settings=settings)
    page = shown(api)
    [frequency] = re.findall(r'<option value="(\w*)" selected>', page)
    assert save(api, rate="8", frequency=frequency, max_age_days="30").status_code == 204
    assert stored() == settings | {"max_age_days": 30}


def test_what_somebody_else_changed_meanwhile_stays(api: ApiServer) -> None:
    update_sync(warehouse_url(), "default", settings={"max_age_days": 30})
    was = dict(re.findall(r'type="hidden" name="(was:\w+)" value="([^"]*)"', shown(api)))
    assert was.keys() == {f"was:{name}" for name in SETTINGS}
    update_sync(warehouse_url(), "default", settings={"max_age_days": 60}, collections=["customer"])
    wrong = save(api, rate="fast", max_age_days="30", **was)
    again = dict(re.findall(r'type="hidden" name="(was:\w+)" value="([^"]*)"', wrong.text))
    assert (wrong.status_code, again) == (400, was)
    assert save(api, rate="8", max_age_days="30", **again).status_code == 204
    assert (stored()["total_requests_per_second"], stored()["max_age_days"]) == (8, 60)
    assert get_sync(warehouse_url(), "default").collection_ids == ("stripe:customer",)


def test_collections_are_chosen(api: ApiServer) -> None:
    chosen = ["stripe:coupon", "stripe:product"]
    assert save(api, collections="some", collection_ids=chosen).status_code == 204
    assert get_sync(warehouse_url(), "default").collection_ids == tuple(chosen)
    page = shown(api)
    checked = re.findall(r'value="(stripe:[\w.]+)" checked', page)
    assert checked == chosen
    save(api)
    assert get_sync(warehouse_url(), "default").collection_ids is None


def test_parents_that_a_sync_stores_stay_among_its_collections(api: ApiServer) -> None:
    update_sync(warehouse_url(), "default", settings={"include_parents": ["quote"]})
    update_sync(warehouse_url(), "default", collections=["customer", "quote"])
    page = shown(api)
    was = dict(re.findall(r'type="hidden" name="(was:\w+)" value="([^"]*)"', page))
    chosen = re.findall(r'value="(stripe:[\w.]+)" checked', page)
    for rate, status in (("fast", 400), ("8", 204)):
        answer = save(api, rate=rate, collections="some", collection_ids=chosen, **was)
        assert answer.status_code == status
    assert 'value="stripe:quote" checked' in page
    assert get_sync(warehouse_url(), "default").collection_ids == (
        "stripe:customer",
        "stripe:quote",
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"rate": "fast"}, "rate"),
        ({"rate": "-1"}, "rate"),
        ({"rate": "1e99"}, "rate"),
        ({"frequency": "soon"}, "frequency"),
        ({"max_age_days": "0"}, "max_age_days"),
        ({"max_age_days": "1.5"}, "max_age_days"),
        ({"collections": "some"}, "collections"),
        ({"collections": "some", "collection_ids": ["stripe:nothing"]}, "collections"),
    ],
)
def test_an_error_stands_beside_its_field(
    api: ApiServer, fields: dict[str, Any], name: str
) -> None:
    answer = save(api, **fields)
    assert answer.status_code == 400
    errors = re.findall(r'<span class="error" id="settings-(\w+)-error" role="alert">', answer.text)
    assert (errors, "Input should" in answer.text) == ([name], False)
    assert f'aria-invalid="true" aria-describedby="settings-{name}-error"' in answer.text
    if name in ("rate", "max_age_days"):
        assert f'value="{fields[name]}"' in answer.text  # to be corrected
    assert stored() == {}
    assert get_sync(warehouse_url(), "default").collection_ids is None


def test_viewers_see_the_buttons_with_the_reason(api: ApiServer) -> None:
    page = shown(api, role="viewer")
    buttons = re.findall(r"<button[^>]* disabled title=\"([^\"]+)\"[^>]*>([^<]+)…<", page)
    assert buttons == [
        ("you lack the right to trigger the DAG stripe_backfill in Airflow", "Backfill"),
        ("you lack the right to trigger the DAG stripe_reconcile in Airflow", "Reconcile"),
        ("you lack the right to edit connections in Airflow", "Pause"),
        ("you lack the right to edit connections in Airflow", "Settings"),
    ]
    assert " disabled" not in shown(api, role="admin")


def test_only_a_test_mode_sync_is_replicated(api: ApiServer) -> None:
    assert 'href="/stripe/ui/syncs/default/replicate"' in shown(api)
    create_sync(warehouse_url(), "production", livemode=True)
    assert "/replicate" not in shown(api, "/ui/syncs/production")


def test_a_sync_that_is_not_there_is_an_error(api: ApiServer) -> None:
    for path in ("", "/changes", "/plots"):
        page = api.call("viewer", "GET", f"/ui/syncs/nothing{path}")
        assert page.status_code == 404
        assert "there is no such sync" in page.text
