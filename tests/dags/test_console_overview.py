"""The console's first page: a card for each sync, kept up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dags.api_server import ApiServer
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.pages.syncs.overview import forget_cards
from stripe_sync import backfill, create_sync, pause_sync
from stripe_sync.warehouse import Warehouse


@pytest.fixture
def api(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    with Warehouse(warehouse_url()):
        yield server
    server.forget_warehouse()


def overview(api: ApiServer) -> str:
    page = api.call("viewer", "GET", "/ui")
    assert page.status_code == 200
    return str(page.text)


def changes(api: ApiServer, page: str) -> Any:
    """What a page that shows this is sent a moment later."""
    forget_cards()
    seen = ".".join(re.findall(r'data-version="(\w+)"', page))
    return api.call("viewer", "GET", f"/ui/overview-changes?seen={seen}")


def names(page: str) -> list[str]:
    return re.findall(r'id="sync-([\w-]+)"', page)


def card(page: str, name: str) -> str:
    [found] = re.findall(rf'<section id="sync-{name}".*?</section>', page, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found)).strip()


def needs_attention(name: str, message: str) -> None:
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.poll_state (sync_id, message)"
            " SELECT id, %s FROM stripe_sync.syncs WHERE name = %s"
            " ON CONFLICT (sync_id) DO UPDATE SET message = excluded.message",
            (message, name),
        )


def test_without_a_sync_there_is_one_button(api: ApiServer) -> None:
    page = overview(api)
    assert re.findall(r'<a class="button[^>]*href="([^"]+)">([^<]+)', page) == [
        ("/stripe/ui/add-sync", "Connect Stripe")
    ]
    assert changes(api, page).status_code == 204
    create_sync(warehouse_url(), "eu", livemode=True)
    now = changes(api, page)
    assert 'hx-target="#list"' in now.text
    assert names(now.text) == ["eu"]
    assert 'id="paused-dags"' in page  # the place of a warning that a sync may need
    assert "Add a sync" in overview(api)


def test_syncs_that_need_attention_come_first_with_their_warning(api: ApiServer) -> None:
    for name in ("a", "b", "c"):
        create_sync(warehouse_url(), name, livemode=False)
    needs_attention("c", "the key <script>alert(1)</script> is refused: put in another one")
    pause_sync(warehouse_url(), "a")
    page = overview(api)
    assert names(page) == ["c", "b", "a"]
    assert "needs attention" in card(page, "c")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is refused: put in another one" in page
    assert "<script>alert" not in page
    assert card(page, "b").startswith("b test mode new account not known yet It has no data yet:")
    assert "paused" in card(page, "a")
    assert "resume it within 30 days" in card(page, "a")


def test_a_card_has_the_figures_of_its_sync(api: ApiServer, sandbox: Any) -> None:
    sandbox.control.seed({"customer": 3})
    named = {"dashboard": {"display_name": "Arrakis Spice"}}
    sandbox.control.mutate("account", "acct_1SandboxShop0001", {"settings": named})
    backfill(connections_for("default"), "default", ["customer"])
    shown = card(overview(api), "default")
    assert shown.startswith("default test mode live Arrakis Spice · acct_")
    assert "Objects 3 " in shown
    assert "of 25 requests a second" in shown
    assert re.search(r'href="https://dashboard.stripe.com/acct_\w+/test/dashboard"', overview(api))


def test_only_cards_that_have_changed_are_sent_again(api: ApiServer) -> None:
    for name in ("a", "b"):
        create_sync(warehouse_url(), name, livemode=False)
        needs_attention(name, "first")
    page = overview(api)
    unchanged = changes(api, page)
    assert (unchanged.status_code, unchanged.text) == (204, "")
    needs_attention("b", "second")
    now = changes(api, page)
    assert names(now.text) == ["b"]
    assert 'hx-target="#sync-b"' in now.text
    assert "second" in now.text
    pause_sync(warehouse_url(), "a")  # now behind b
    assert names(changes(api, page).text) == ["b", "a"]
