"""A headless Chromium, and what tests do with a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

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
STILL = """
const sheet = new CSSStyleSheet();
sheet.replaceSync("*, ::before, ::after { animation: none !important; }");
document.adoptedStyleSheets.push(sheet);
"""
"""Stops what moves in a page: to draw it takes a third of a processor while a test waits.

A style sheet of this kind passes every Content-Security-Policy.
"""


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A headless Chromium; the test is skipped without one.

    Args:
        profile: An empty folder for its profile.
    """
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver must be installed where CI is set")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": STILL})
        yield browser
    finally:
        browser.quit()


def log_in(browser: Any, base: str, token: str, path: str = "/") -> None:
    """Give the browser the cookie of a login.

    Args:
        browser: The browser.
        base: Address of Airflow.
        token: The cookie's value.
        path: The cookie's path: that of Airflow.
    """
    browser.get(f"{base}/stripe/v1/health")
    browser.add_cookie({"name": "_token", "value": token, "sameSite": "Lax", "path": path})


def shows(browser: Any, *texts: str) -> None:
    """Wait until the page shows all these texts, and keep a picture of it."""

    def visible(_: Any) -> bool:
        body = page_text(browser)
        return all(text in body for text in texts)

    name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    try:
        WebDriverWait(browser, 30).until(visible)
    finally:
        browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def page_text(browser: Any) -> str:
    """What the page shows; Selenium's own ``text`` takes seconds of CPU time on a long page."""
    return str(browser.execute_script("return document.body?.innerText ?? ''"))


def leave(browser: Any) -> None:
    """Leave the page, which asks Airflow for news all the time."""
    browser.get("about:blank")


def click(browser: Any, path: str) -> None:
    """Click an element as soon as it can be."""
    WebDriverWait(browser, 30).until(
        expected_conditions.element_to_be_clickable((By.XPATH, path))
    ).click()


def find(browser: Any, path: str) -> Any:
    """An element, as soon as it is there."""
    return WebDriverWait(browser, 30).until(lambda driver: driver.find_element(By.XPATH, path))
