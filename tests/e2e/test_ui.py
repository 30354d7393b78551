"""The UI in a real browser: DAGs, runs, collections by name, links, data docs, forms."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from e2e.conftest import Up
from stripe_sandbox.control import SandboxControl

pytestmark = pytest.mark.e2e

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,1000",
)


@pytest.fixture(scope="module")
def browser(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that is logged in."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver must be installed where CI is set")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=driver)
    chromium = webdriver.Chrome(options=options, service=service)
    try:
        chromium.get(up.base)
        chromium.add_cookie({"name": "_token", "value": up.token, "sameSite": "Lax"})
        yield chromium
    finally:
        chromium.quit()


def shows(browser: Any, *texts: str) -> None:
    """Wait until the page shows all these texts, and keep a picture of it."""

    def visible(driver: Any) -> bool:
        body = driver.find_element(By.TAG_NAME, "body").text
        return all(text in body for text in texts)

    name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    try:
        WebDriverWait(browser, 30).until(visible)
    finally:
        browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def click(browser: Any, path: str) -> None:
    """Click an element as soon as it can be."""
    WebDriverWait(browser, 30).until(
        expected_conditions.element_to_be_clickable((By.XPATH, path))
    ).click()


def test_the_dags_are_listed(up: Up, browser: Any) -> None:
    browser.get(f"{up.base}/dags")

    shows(browser, "stripe_backfill", "stripe_poll", "stripe_reconcile", "stripe_dbt")


def test_the_backfill_succeeds_and_lists_its_collections_by_name(up: Up, browser: Any) -> None:
    run = up.finished("stripe_backfill")
    assert run["state"] == "success"

    browser.get(f"{up.base}/dags/stripe_backfill/runs/{run['dag_run_id']}/tasks/backfill/mapped")

    shows(browser, "balance_transaction", "customer", "charge", "Success")


def test_the_report_is_in_the_task_log(up: Up, browser: Any) -> None:
    run = up.finished("stripe_backfill")

    browser.get(f"{up.base}/dags/stripe_backfill/runs/{run['dag_run_id']}/tasks/report")

    shows(browser, "Backfill of", "subscription_schedule", "usage_record_summary")


def test_a_task_links_to_the_data_docs(up: Up, browser: Any) -> None:
    run = up.finished("stripe_backfill")
    path = f"dags/stripe_backfill/runs/{run['dag_run_id']}/tasks/backfill/mapped/0"

    browser.get(f"{up.base}/{path}/details")

    shows(browser, "Data docs")
    link = browser.find_element(By.XPATH, "//a[contains(., 'Data docs')]").get_attribute("href")
    assert link == f"{up.base}/plugin/stripe_data_docs"


def test_the_form_offers_the_collections(up: Up, browser: Any) -> None:
    browser.get(f"{up.base}/dags/stripe_backfill")
    click(browser, "//button[contains(., 'Trigger')]")

    shows(browser, "Sync", "Collections", "Created since", "Read everything again")


def test_the_docs_open_inside_the_ui(up: Up, browser: Any) -> None:
    assert up.finished("stripe_dbt")["state"] == "success"

    browser.get(f"{up.base}/plugin/stripe_data_docs")
    frame = WebDriverWait(browser, 30).until(
        lambda driver: driver.find_element(By.TAG_NAME, "iframe")
    )
    browser.switch_to.frame(frame)

    shows(browser, "stripe_views")
    browser.switch_to.default_content()


def test_the_connection_form_asks_for_what_stripe_needs(up: Up, browser: Any) -> None:
    browser.get(f"{up.base}/connections")
    click(browser, "//button[contains(., 'Add Connection')]")
    kind = WebDriverWait(browser, 30).until(
        lambda driver: driver.find_element(By.XPATH, "//*[@role='dialog']//*[@role='combobox']")
    )
    kind.send_keys("stripe", Keys.ENTER)

    shows(browser, "Secret or restricted key", "API base")


def test_the_test_button_says_what_a_restricted_key_may_do(up: Up, browser: Any) -> None:
    SandboxControl(up.sandbox).add_key("rk_test_few", permissions=["rak_customer_read"])
    fields = {"connection_id": "stripe_few", "conn_type": "stripe", "host": up.sandbox}
    up.api.call("POST", "/connections", {**fields, "password": "rk_test_few"})
    try:
        browser.get(f"{up.base}/connections")
        click(browser, "//button[@aria-label='Test Connection']")

        shows(
            browser, "Test Connection Successful", "Account acct_", "test mode", "/stripe/new-key"
        )
    finally:
        up.api.call("DELETE", "/connections/stripe_few")
