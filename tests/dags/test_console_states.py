"""What the console says of a sync that is not simply live, and of DAGs that are paused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from dags.api_server import ApiServer
from dags.console_person import text_of
from dags.dag_runs import paused
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.pages.syncs.sync import forget_sync
from stripe_sync import create_sync, pause_sync

PAGE = "/ui/syncs/default"


@pytest.fixture
def api(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    forget_runs()
    create_sync(warehouse_url(), "default", livemode=False)
    yield server
    forget_runs()
    server.forget_warehouse()


def forget_runs() -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(DagRun).delete()


def shown(api: ApiServer, path: str = PAGE) -> str:
    forget_sync()
    page = api.call("viewer", "GET", path)
    assert page.status_code == 200, page.text
    return str(page.text)


def start_backfill(api: ApiServer) -> None:
    assert api.call("admin", "POST", f"{PAGE}/backfill").status_code == 200


def sql(query: str) -> None:
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(query)


def test_a_paused_dag_is_said_before_anything_is_started(api: ApiServer) -> None:
    with paused("stripe_poll", "stripe_reconcile"):
        for path in ("/ui", PAGE):
            page = shown(api, path)
            assert "The DAG stripe_poll is paused in Airflow, so no sync gets changes" in page
            assert 'href="/dags/stripe_poll" data-leaves>unpause it' in page
            assert ("DAG stripe_reconcile is" in page) == (path == PAGE)
            assert "DAG stripe_backfill is" not in page
    with paused():
        assert "stripe_poll is paused" not in shown(api, "/ui")
        seen = ".".join(re.findall(r'data-version="(\w+)"', page))
        assert 'hx-target="#paused-dags"' in shown(api, f"{PAGE}/changes?seen={seen}")


def test_a_new_sync_says_whether_its_backfill_is_under_way(api: ApiServer) -> None:
    assert "It has no data yet: start its backfill" in text_of(shown(api))
    assert "start its backfill" in text_of(shown(api, "/ui"))
    start_backfill(api)
    for path in (PAGE, "/ui"):
        page = text_of(shown(api, path))
        assert "Its first backfill begins in a moment" in page
        assert "start its backfill" not in page


def test_a_backfill_that_stands_still_says_how_it_goes_on(api: ApiServer) -> None:
    sql(
        "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status)"
        " SELECT id, 'stripe:customer', 'pending' FROM stripe_sync.syncs"
    )
    assert "start a backfill, which goes on where this one has stopped" in text_of(shown(api))
    start_backfill(api)
    assert "The next collection begins in a moment" in text_of(shown(api))
    pause_sync(warehouse_url(), "default")
    assert "It goes on when the sync is resumed" in text_of(shown(api))
    page = api.call("admin", "GET", PAGE).text
    assert page.count('disabled title="the sync is paused: resume it first"') == 2


def test_nothing_is_started_for_a_sync_that_is_being_deleted(api: ApiServer) -> None:
    sql("UPDATE stripe_sync.syncs SET status = 'deleting'")
    page = shown(api)
    assert "its records and files are removed" in text_of(page)
    page = api.call("admin", "GET", PAGE).text
    steering = re.findall(r'<button[^>]*data-opens="[^>]*>', page)
    assert len(steering) == 4
    assert all('title="the sync is being deleted"' in each for each in steering)
    assert "/replicate" not in page
