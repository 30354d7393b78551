"""A person's way through the console while a sync runs, in a real browser on the running stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.browser import leave
from e2e.conftest import RUN_SECONDS, Up, newest_customer
from e2e.console_browser import Console

pytestmark = pytest.mark.e2e

LOGIN = {"Authorization": "Bearer sk_test_sandbox"}


@pytest.fixture(scope="module")
def console(up: Up, browser: Any) -> Iterator[Console]:
    """The console inside Airflow."""
    assert up.finished("stripe_backfill")["state"] == "success"
    console = Console(browser, up.base)
    console.log_in(up.token)
    console.errors()
    yield console
    leave(browser)


@pytest.fixture(autouse=True)
def no_errors(console: Console) -> Iterator[None]:
    yield
    assert console.errors() == []


def rename(up: Up, customer: str, name: str) -> None:
    """Change a customer in Stripe."""
    url = f"{up.sandbox}/v1/customers/{customer}"
    httpx.post(url, data={"name": name}, headers=LOGIN).raise_for_status()


def name_of(up: Up, customer: str) -> str:
    found = httpx.get(f"{up.sandbox}/v1/customers/{customer}", headers=LOGIN).json()
    return str(found["name"])


def answer(console: Console, opener: str, submit: str) -> None:
    """Open a dialog, and confirm it."""
    console.click(opener, "button[data-opens]")
    console.click(submit, "dialog[open] button")


def test_the_bar_of_a_backfill_moves_until_it_is_done(up: Up, console: Console) -> None:
    console.open("/syncs/sandbox", framed=True)
    console.click("Backfill…", "button[data-opens]")
    console.click("Only some collections", "dialog[open] summary")
    for name in ("charge", "customer", "invoice", "payment_intent", "subscription"):
        console.find(f"dialog[open] input[value='stripe:{name}']").click()
    console.find("dialog[open] input[name='full']").click()
    console.fill(requests_per_second="4")
    console.click("Start the backfill", "dialog[open] button")
    console.shows("The run is started")

    seen: list[float] = []
    deadline = time.monotonic() + RUN_SECONDS
    while not (up.newest("stripe_backfill")["state"] == "success" and bar(console) is None):
        found = bar(console)
        if found is not None and found not in seen:
            seen.append(found)
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    assert len(seen) > 2
    # It may step back a little: how many requests are left is an estimate, which grows at times.
    assert seen[-1] > seen[0]
    console.shows("live", "Activity")


def bar(console: Console) -> float | None:
    """How far the bar of the backfill is, of 100; None if there is none."""
    value = "return document.querySelector('#progress progress')?.value ?? null"
    found: float | None = console.browser.execute_script(value)
    return found


def test_a_change_in_stripe_comes_with_its_old_value(up: Up, console: Console) -> None:
    customer = newest_customer(up)
    rename(up, customer, "Gurney the old")
    console.open("/stream?collection=stripe:customer", framed=True)
    console.shows("Live", "Gurney the old")

    rename(up, customer, "Gurney the new")
    console.until(lambda: row(console, customer, "Gurney the new"))
    assert row(console, customer, "Gurney the new") == ["name", "Gurney the old", "Gurney the new"]

    console.click("Pause")
    rename(up, customer, "Gurney the unseen")
    console.shows("Paused: 1 new")
    assert "Gurney the unseen" not in console.find("#changes").text
    console.click("Go on")
    console.shows("Live", "Gurney the unseen")


def row(console: Console, upstream_id: str, text: str) -> list[str]:
    """Field, old and new value where a change of an object has a text."""
    cells = """
        const found = [...document.querySelectorAll("#changes article")].filter(
            (each) => each.textContent.includes(arguments[0]));
        const rows = found.flatMap((each) => [...each.querySelectorAll("tbody tr")]);
        const first = rows.find((each) => each.textContent.includes(arguments[1]));
        return first ? [...first.cells].map((each) => each.innerText.trim()) : [];
    """
    return list(console.browser.execute_script(cells, upstream_id, text))


def test_a_customer_is_updated_by_the_form_and_the_history_has_it(up: Up, console: Console) -> None:
    customer = newest_customer(up)
    before = name_of(up, customer)
    console.open(framed=True)
    console.fill(q=customer)
    console.find("#search").submit()
    # A preview of the next invoice has the id of its customer.
    console.click("customer", "main td a, main th a")
    console.shows(customer, "History", "Update in Stripe")

    console.fill(**{"field:name": "Thufir of the form"})
    console.click("Update in Stripe")
    console.shows("Stripe has the change, and so have the streams")
    assert name_of(up, customer) == "Thufir of the form"
    newest = console.find("#record-history article").text
    assert before in newest
    assert "Thufir of the form" in newest
    assert console.find("#record-fields").text.count("Thufir of the form") == 1


def test_a_sync_is_paused_and_resumed(up: Up, console: Console) -> None:
    console.open("/syncs/sandbox", framed=True)
    answer(console, "Pause…", "Pause")
    console.shows("This sync is paused", "Resume…")
    answer(console, "Resume…", "Resume")
    console.until(lambda: console.find("#pause-opens"))
    customer = newest_customer(up)
    rename(up, customer, "Stilgar after the pause")
    console.open("/stream", framed=True)
    console.shows("Stilgar after the pause")


def test_a_consumer_is_added_paused_resumed_replayed_and_deleted(up: Up, console: Console) -> None:
    console.open("/consumers", framed=True)
    console.click("Add a pull consumer")
    console.shows("Add a pull consumer", "From where")
    console.fill(name="audit")
    console.find("input[name='start'][value='new']").click()
    console.click("Add the consumer")
    console.shows("audit", "What it reads", "active")
    assert behind(console) == 0

    answer(console, "Pause…", "Pause")
    console.shows("Resume…", "paused")
    answer(console, "Resume…", "Resume")
    console.shows("Pause…", "active")

    answer(console, "Replay…", "Replay")
    console.until(lambda: behind(console) > 10)
    console.open("/consumers", framed=True)
    console.shows("audit", "pull")
    console.click("audit")
    console.shows("What it reads")
    answer(console, "Delete…", "Delete")
    console.until(lambda: "audit" not in console.find("#consumers").text)


def behind(console: Console) -> int:
    """Items that the consumer of the page has not got."""
    text = "return document.querySelectorAll('#state dd')[1]?.innerText ?? '-1'"
    return int(console.browser.execute_script(text).replace(",", ""))
