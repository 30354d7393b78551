"""The way from a key to a running sync, and on to live mode, as a person clicks it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.browser import leave
from e2e.conftest import RUN_SECONDS, Up
from e2e.console_browser import NARROW, WIDE, Console
from stripe_sandbox.control import SandboxControl

pytestmark = pytest.mark.e2e

ACCOUNT = "acct_1Second"
KEYS = {"test": "rk_test_few00000000000000", "live": "rk_live_few00000000000000"}
MAY = ["rak_customer_read", "rak_invoice_read", "rak_event_read"]


@pytest.fixture(scope="module")
def console(up: Up, browser: Any) -> Iterator[Console]:
    """The console, for a person with two restricted keys of a second account."""
    assert up.finished("stripe_backfill")["state"] == "success"
    control = SandboxControl(up.sandbox)
    control.add_account(ACCOUNT)
    for key in KEYS.values():
        control.add_key(key, account=ACCOUNT, permissions=MAY)
    console = Console(browser, up.base)
    console.log_in(up.token)
    console.errors()
    yield console
    leave(browser)
    for name in ("second-test", "second"):  # other tests know one sync
        deadline = time.monotonic() + RUN_SECONDS
        while ask(up, "DELETE", name, keep_data=False).status_code not in {200, 404}:
            assert time.monotonic() < deadline  # 202: more is left; 409: it is being read
            time.sleep(0.5)
    for each in ("test", "live"):
        up.api.call("DELETE", f"/connections/stripe_{ACCOUNT}_{each}")


def ask(up: Up, method: str, name: str, **query: Any) -> httpx.Response:
    """Read or delete a sync by the HTTP API."""
    url, headers = f"{up.base}/stripe/v1/syncs/{name}", {"Authorization": f"Bearer {up.token}"}
    return httpx.request(method, url, params=query, headers=headers, timeout=60)


def is_ticked(console: Console, collection: str) -> bool:
    return bool(console.find(f"input[value='stripe:{collection}']").is_selected())


def leads_to(console: Console, path: str) -> None:
    """Wait until a page of the console is loaded."""
    location = "return location.pathname"
    console.until(lambda: console.browser.execute_script(location).endswith(f"/stripe/ui{path}"))


def test_a_sync_is_added_with_a_restricted_key_and_replicated_to_live(
    up: Up, console: Console
) -> None:
    console.open("/add-sync", framed=True)
    console.fill(secret_key=KEYS["test"])
    console.click("Store the key and go on")
    console.shows("this is a test mode key, and Test mode is not ticked")
    console.find("input[name='test']").click()
    console.click("Store the key and go on")

    console.shows("collections, checked", "The key lacks", ACCOUNT)
    for size in (WIDE, NARROW):
        with console.window(size):
            assert console.violations() == [], size
            assert console.overflow() == 0, size
    console.click("Choose collections")
    console.shows("Start the sync", "not permitted: the key lacks payout_read")
    assert (is_ticked(console, "invoice"), is_ticked(console, "payout")) == (True, False)
    assert console.violations() == []
    console.click("Untick all")
    console.find("input[value='stripe:customer']").click()
    console.fill(name="second-test", days="30")

    # Nothing is lost on Back.
    console.click("Back")
    console.shows("collections, checked")
    console.click("Choose collections")
    console.shows("Collections: 1 of")
    assert (is_ticked(console, "customer"), is_ticked(console, "invoice")) == (True, False)
    assert console.find("input[name='days']").get_attribute("value") == "30"
    console.click("Start the sync")

    leads_to(console, "/syncs/second-test")
    sync = ask(up, "GET", "second-test").json()
    assert sync["settings"] == {"max_age_days": 30}
    assert "stripe:customer" in sync["collection_ids"]
    assert up.finished("stripe_backfill")["state"] == "success"

    console.open("/syncs/second-test/replicate", framed=True)
    console.fill(secret_key=KEYS["live"])
    console.click("Store the key and go on")
    console.until(lambda: ACCOUNT in console.find("select[name='credential']").text)
    console.click("Show the difference")
    console.shows("differences between second-test and second", ACCOUNT)
    assert console.violations() == []
    console.click("Replicate to live", "button[data-opens]")
    console.shows("This adds the sync second in live mode")
    console.find("dialog input[name='backfill']").click()
    console.click("Replicate to live", "dialog button")
    leads_to(console, "/syncs/second")
    live = ask(up, "GET", "second").json()
    assert (live["livemode"], live["settings"]) == (True, {"max_age_days": 30})
    # Chromium calls the answer to a key of the other mode an error.
    assert [each for each in console.errors() if "add-sync/key - Failed" not in each] == []
