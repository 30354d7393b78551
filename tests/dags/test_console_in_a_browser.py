"""The console in a real browser: what needs JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dags.api_server import ApiServer, serving
from e2e.browser import chromium, log_in
from e2e.console_browser import Console
from integration.streams.conftest import Streams, make_streams
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.pages.syncs import sync
from stripe_sync import (
    backfill,
    create_consumer,
    create_sync,
    get_consumer,
    get_sync,
    update_sync,
)
from stripe_sync.warehouse import Warehouse

SECONDS = 20
WIDE = "return [...document.querySelectorAll('.plot canvas')].map((each) => each.clientWidth)"
PIXELS = """
return [...document.querySelectorAll(".plot canvas")].map((each) => each.toDataURL());
"""
ASKED = """
const requests = performance.getEntriesByType("resource");
return requests.filter((each) => each.name.includes("changes")).length;
"""
HIDE = """
const hidden = arguments[0];
Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
"""


class Browser:
    """A browser on a page of the console."""

    def __init__(self, driver: Any, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        self.driver.get(f"{self.base}/stripe/ui{path}")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def one(self, css: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def seen(self, css: str) -> list[str]:
        """Texts of the elements of a selector that are seen."""
        found = "return [...document.querySelectorAll(arguments[0])]"
        return list(
            self.run(f"{found}.filter((e) => e.checkVisibility()).map((e) => e.innerText)", css)
        )

    def double_click(self, css: str) -> None:
        """Click twice, as people do who are used to it."""
        button = self.one(css)
        self.run("arguments[0].scrollIntoView()", button)
        ActionChains(self.driver).double_click(button).perform()

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, SECONDS, 0.1).until(lambda _: condition())

    def faults(self) -> list[str]:
        """Errors in the browser's console since the last call."""
        return [each["message"] for each in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def base(server: ApiServer) -> Iterator[str]:
    with serving(server) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def driver(server: ApiServer, base: str, tmp_path_factory: Any) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        log_in(driver, base, server.token("admin"))
        yield driver


@pytest.fixture
def browser(server: ApiServer, driver: Any, base: str, connections: None) -> Iterator[Browser]:
    create_sync(warehouse_url(), "default", livemode=False)
    driver.get_log("browser")
    yield Browser(driver, base)
    driver.get("about:blank")  # no page asks for the warehouse of a test that has ended
    server.forget_warehouse()


def running(percent: float) -> None:
    """As a backfill of customers stores it while it runs."""
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status, percent)"
            " SELECT id, 'stripe:customer', 'running', %s FROM stripe_sync.syncs"
            " ON CONFLICT (sync_id, collection_id) DO UPDATE SET percent = excluded.percent",
            (percent,),
        )


def test_a_bar_moves_and_the_rest_of_the_page_stays(browser: Browser) -> None:
    running(25)
    browser.open("/syncs/default")
    bar = browser.one("progress[aria-label='Customer']")
    assert bar.get_property("value") == 25
    browser.one("#filter").send_keys("customer")
    few = browser.seen("#collections tbody tr strong")
    assert "Customer" in few
    assert len(few) < 10
    browser.one("#freshness-title").find_element(By.XPATH, "../..//summary").click()
    running(60)
    browser.until(lambda: bar.get_property("value") == 60)  # the same element
    assert browser.seen("#head .badge")[-1].endswith("backfilling 60 %")
    assert browser.seen("#collections tbody tr strong") == few
    assert browser.one("#filter").get_attribute("value") == "customer"
    assert browser.one("figure details").get_property("open")
    assert browser.faults() == []


def test_a_hidden_page_asks_for_nothing(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.until(lambda: browser.run(ASKED) >= 1)
    browser.run(HIDE, True)
    # The page still tries every two seconds; each try ends before the request.
    browser.run(
        "window.tries = 0; document.addEventListener('htmx:config:request', () => window.tries++)"
    )
    before = browser.run(ASKED)
    browser.until(lambda: browser.run("return window.tries") >= 2)
    assert browser.run(ASKED) == before
    browser.run(HIDE, False)
    browser.run("document.dispatchEvent(new Event('visibilitychange'))")
    browser.until(lambda: browser.run(ASKED) > before)


def test_plots_follow_the_theme_and_the_window(browser: Browser, sandbox: Any) -> None:
    sandbox.control.seed({"customer": 3})
    backfill(connections_for("default"), "default", ["customer"])
    browser.open("/syncs/default")
    browser.until(lambda: len(browser.run(WIDE)) == 3)
    light, wide = browser.run(PIXELS), browser.run(WIDE)
    theme = "document.documentElement.dataset.theme"
    browser.run(
        "localStorage.setItem('theme', arguments[0]);"
        " dispatchEvent(new StorageEvent('storage', {key: 'theme'}))",
        "dark" if browser.run(f"return {theme}") == "light" else "light",
    )
    browser.until(
        lambda: all(one != other for one, other in zip(light, browser.run(PIXELS), strict=True))
    )
    metrics = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.until(lambda: max(browser.run(WIDE)) < min(400, *wide))
        root = "document.documentElement"
        assert browser.run(f"return {root}.scrollWidth - {root}.clientWidth") == 0
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.faults() == []


def test_a_value_between_gaps_is_seen_in_the_plot(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.until(lambda: len(browser.run(WIDE)) == 3)
    [empty, *_] = browser.run(PIXELS)
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.poll_latency (sync_id, minute, within_seconds, stripe_events)"
            " SELECT id, date_trunc('minute', now() - interval '3 hours'), 1, 5"
            " FROM stripe_sync.syncs"
        )
    sync.forget_sync()
    browser.open("/syncs/default")
    browser.until(lambda: "median 1.0 s" in "".join(browser.seen("#freshness-summary")))
    browser.until(lambda: len(browser.run(WIDE)) == 3)
    assert browser.run(PIXELS)[0] != empty


def test_collections_are_sorted_by_a_column(browser: Browser) -> None:
    running(25)
    update_sync(warehouse_url(), "default", collections=["customer", "coupon"])
    browser.open("/syncs/default")
    status = browser.one("#collections th:nth-child(2) button")
    status.click()
    states = browser.seen("#collections td:nth-child(2)")
    assert states == sorted(states)
    assert status.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    status.click()
    assert browser.seen("#collections td:nth-child(2)") == states[::-1]


def test_settings_are_corrected_and_saved(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.one("#settings-opens").click()
    browser.one("#settings-rate").send_keys("fast")
    browser.one("#settings .primary").click()
    browser.until(lambda: browser.seen("#settings-rate-error"))
    assert len(browser.faults()) == 1  # the answer's status 400
    rate = browser.one("#settings-rate")
    assert rate.get_attribute("value") == "fast"
    rate.clear()
    rate.send_keys("5")
    browser.one("#settings .primary").click()
    browser.until(lambda: not browser.seen("#settings"))
    settings = get_sync(warehouse_url(), "default").settings
    assert settings["total_requests_per_second"] == 5


def test_a_pause_is_confirmed_and_shown(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.one("#pause-opens").click()
    assert browser.seen("#pause h2") == ["Pause default?"]
    browser.one("#pause [data-closes]").click()
    assert get_sync(warehouse_url(), "default").status == "active"
    browser.one("#pause-opens").click()
    browser.one("#pause .primary").click()
    browser.until(lambda: browser.seen("#resume-opens"))
    assert get_sync(warehouse_url(), "default").status == "paused"


def test_a_new_sync_appears_among_the_cards(browser: Browser) -> None:
    browser.open("")
    assert browser.seen(".card h2 a") == ["default"]
    create_sync(warehouse_url(), "eu", livemode=True)
    browser.until(lambda: browser.seen(".card h2 a") == ["default", "eu"])
    assert browser.faults() == []


def number_of_runs(dag_id: str) -> int:
    from airflow.models.dagrun import DagRun

    return len(DagRun.find(dag_id=dag_id))


def test_a_double_click_starts_one_run_and_the_dialog_begins_anew(browser: Browser) -> None:
    before = number_of_runs("stripe_backfill")
    browser.open("/syncs/default")
    browser.one("#backfill-opens").click()
    browser.one("#backfill-rate").send_keys("5")
    browser.double_click("#backfill .primary")
    browser.until(lambda: browser.seen("#backfill [data-done]"))
    assert browser.seen("#backfill button") == ["Close"]
    browser.driver.switch_to.active_element.click()
    browser.one("#backfill-opens").click()
    assert browser.seen("#backfill button") == ["Cancel", "Start the backfill"]
    assert browser.seen("#backfill .answer *") == []
    assert browser.one("#backfill-rate").get_attribute("value") == ""
    assert number_of_runs("stripe_backfill") == before + 1


def test_what_was_refused_is_not_in_the_dialog_when_it_opens_again(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.one("#settings-opens").click()
    browser.one("#settings-rate").send_keys("fast")
    browser.one("#settings .primary").click()
    browser.until(lambda: browser.seen("#settings-rate-error"))
    refused = browser.one("#settings-rate-error")
    browser.one("#settings [data-closes]").click()
    browser.until(lambda: gone(refused))
    browser.one("#settings-opens").click()
    assert browser.one("#settings-rate").get_attribute("value") == ""


def gone(element: Any) -> bool:
    try:
        return not element.is_enabled()
    except StaleElementReferenceException:
        return True


def test_what_is_entered_for_a_choice_makes_the_choice(browser: Browser) -> None:
    browser.open("/syncs/default")
    browser.one("#settings-opens").click()
    browser.one("#settings [value='stripe:charge']").click()
    browser.one("#settings .primary").click()
    browser.until(lambda: get_sync(warehouse_url(), "default").collection_ids)
    assert "stripe:charge" in (get_sync(warehouse_url(), "default").collection_ids or ())

    create_consumer(warehouse_url(), "crm", "pull", deliver_policy="new")
    browser.open("/consumers/crm")
    browser.one("[data-opens='replay']").click()
    browser.one("#replay [name='other']").send_keys("next week")
    browser.one("#replay .primary").click()
    browser.until(lambda: "a duration such as 30m" in "".join(browser.seen("#replay .answer")))


def test_a_secret_that_is_shown_once_stays_at_a_second_click(browser: Browser) -> None:
    browser.open("/add-consumer?kind=webhook")
    browser.one("#name").send_keys("hook")
    browser.one("#setting_url").send_keys("https://example.com/hook")
    browser.double_click("form.card > .buttons .primary")
    browser.until(lambda: browser.seen("#secret"))
    [secret] = browser.seen("#secret")
    browser.driver.switch_to.active_element.click()  # the button that copies it
    browser.until(lambda: browser.seen("[data-copies]") == ["Copied"])
    assert browser.seen("#secret") == [secret]
    assert browser.seen("form.card > .buttons > *") == []
    assert browser.faults() == []


def test_what_a_person_opened_stays_open(browser: Browser) -> None:
    problem("too long to be shown at once " * 20)
    browser.open("/syncs/default")
    browser.one("#warnings summary").click()
    problem("another one, as long as it " * 20)
    browser.until(lambda: "another one" in "".join(browser.seen("#warnings details")))
    assert browser.one("#warnings details").get_property("open")


def problem(text: str) -> None:
    """What keeps the sync from being polled."""
    with psycopg.connect(warehouse_url()) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.poll_state (sync_id, message) SELECT id, %s"
            " FROM stripe_sync.syncs ON CONFLICT (sync_id) DO UPDATE SET message = %s",
            (text, text),
        )


@pytest.fixture
def streams(browser: Browser) -> Iterator[Streams]:
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)


def test_a_paused_stream_counts_all_that_comes(browser: Browser, streams: Streams) -> None:
    browser.open("/stream")
    browser.until(lambda: browser.seen("#live-state") == ["Live"])
    browser.one("#live-pause").click()
    streams.customers(*range(300))
    browser.until(lambda: browser.seen("#live-state") == ["Paused: 300 new"])
    browser.one("#live-pause").click()
    assert len(browser.seen("#changes > [data-change]")) == 50
    [note] = browser.seen("#changes [data-left-out]")
    assert note.startswith("250 older changes")


def test_a_dead_letter_is_delivered_again_where_it_stands(
    browser: Browser, streams: Streams
) -> None:
    create_consumer(streams.url, "crm", "pull", stream="events")
    streams.customers(1, 2)
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.consumer_items (sync_id, consumer, seq, collection_id,"
            " upstream_id, state, deliveries) SELECT sync_id, 'crm', seq, collection_id,"
            " upstream_id, 'dead', 3 FROM stripe_raw.events"
        )
    browser.open("/consumers/crm")
    assert Console(browser.driver, browser.base).violations() == []
    browser.one("tbody tr:nth-child(2) td form button").click()
    browser.until(lambda: browser.seen("td form [data-done]"))
    assert len(browser.seen("td form button")) == 1
    assert get_consumer(streams.url, "crm").dead == 1


def test_changes_and_forms_fit_into_a_narrow_window(browser: Browser, streams: Streams) -> None:
    streams.customers(1, name="A", created=1, metadata={"k" * 60: "v"})
    streams.customers(1, when=1, name="B" * 60, created=1_000_000_000, metadata={"k" * 60: "w"})
    console = Console(browser.driver, browser.base)
    with console.window((330, 900)):
        for path in ("/records/stripe:customer/cus_1?sync=north", "/stream"):
            browser.open(path)
            assert browser.seen(".difference")
            assert console.overflow() == 0
            assert console.violations() == []
