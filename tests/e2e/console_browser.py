"""The console in a browser: inside Airflow's frame or alone, light or dark, wide or narrow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from e2e.browser import SCREENSHOTS, log_in, page_text

SECONDS = 30
WIDE, NARROW = (1440, 1000), (400, 900)
"""Windows; Airflow's side bar takes 68 of their pixels."""

DOCS_IMAGES = Path(__file__).parents[2] / "docs" / "images"
DOCS_IMAGES_ARE_MADE = bool(os.environ.get("STRIPE_SYNC_DOCS_IMAGES"))
MOST_BYTES = 300_000
"""Of a picture in the docs."""

_AXE = Path(__file__).parent / "vendored" / "axe-4.14.1.min.js"
_GRAVE = ("serious", "critical")
_KNOWN = (
    # Chromium about the frame of every plugin, and Airflow's page before it knows the login.
    "allow-scripts and allow-same-origin for its sandbox attribute can escape its sandboxing",
    "/ui/config - Failed to load resource: the server responded with a status of 401",
)
_VIOLATIONS = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then((found) => done(found.violations.flatMap(
    (each) => each.nodes.map((node) =>
        [each.impact, `${each.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`])
)), (error) => done([["critical", `axe: ${error}`]]));
"""
_THEME = """
localStorage.setItem("theme", arguments[0]);
dispatchEvent(new StorageEvent("storage", {key: "theme", newValue: arguments[0]}));
"""


@dataclass(frozen=True)
class Page:
    """A page of the console that is looked at in every way.

    Attributes:
        name: Name of its pictures.
        path: Its path after ``/ui``; ``{customer}`` and such stand for ids of the stack.
        texts: What it shows when it is complete.
        in_docs: Whether the docs show it.
    """

    name: str
    path: str
    texts: tuple[str, ...]
    in_docs: bool = False


class Console:
    """A browser on the pages of the console, logged in.

    Args:
        browser: The browser.
        base: Address of Airflow, with its path if it has one.
    """

    def __init__(self, browser: Any, base: str) -> None:
        self.browser = browser
        self.base = base
        self._path = urlsplit(base).path
        self._framed = False

    def log_in(self, token: str) -> None:
        """Be the person of a token (see :func:`token_of`)."""
        log_in(self.browser, self.base, token, self._path or "/")

    def open(self, path: str = "", *, framed: bool = False, anew: bool = False) -> None:
        """Load a page.

        Args:
            path: Its path after ``/ui``.
            framed: Inside Airflow's page, where a loaded frame goes on to the path, as by a link.
            anew: Load Airflow's page again, at the address that it shows of the page.
        """
        page = f"{self._path}/stripe/ui{path}"
        if not framed:
            self.browser.get(f"{self.base}/stripe/ui{path}")
        elif anew or not self._framed:
            self.browser.get(f"{self.base}/plugin/stripe{page}")
        else:
            before = self.browser.find_element(By.TAG_NAME, "html")
            self.browser.execute_script("location.assign(arguments[0])", page)
            self.until(lambda: _is_gone(before))
        self._framed = framed
        self._enter()

    def _enter(self) -> None:
        """Be in the document of the console."""
        self.browser.switch_to.default_content()
        if self._framed:
            frame = self.until(lambda: self.browser.find_elements(By.TAG_NAME, "iframe"))[0]
            self.browser.switch_to.frame(frame)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for something true; a document that is just replaced counts as not yet."""
        ignored = (JavascriptException, StaleElementReferenceException)
        wait = WebDriverWait(self.browser, SECONDS, 0.1, ignored_exceptions=ignored)
        return wait.until(lambda _: condition())

    def shows(self, *texts: str) -> None:
        """Wait until the page shows all these texts."""

        def missing() -> list[str]:
            body = page_text(self.browser)
            return [text for text in texts if text not in body]

        try:
            self.until(lambda: not missing())
        except Exception:
            self.picture("failed")
            print(f"not shown: {missing()} in:\n{page_text(self.browser)[:4000]}")
            raise

    def find(self, css: str) -> Any:
        """The element of a selector, as soon as it is seen."""

        def seen() -> Any:
            found = self.browser.find_elements(By.CSS_SELECTOR, css)
            return next((each for each in found if each.is_displayed()), None)

        return self.until(seen)

    def click(self, text: str, css: str = "button, a, summary") -> None:
        """Click what has a text, as soon as it is seen and can be."""

        def able() -> Any:
            for each in self.browser.find_elements(By.CSS_SELECTOR, css):
                if each.text.strip() == text and each.is_displayed() and each.is_enabled():
                    return each
            return None

        self.until(able).click()

    def fill(self, **fields: str) -> None:
        """Fill in the fields with these names that are seen: a text, or the value of a choice."""
        for name, value in fields.items():
            field = self.find(f"[name='{name}']")
            if field.tag_name == "select":
                field.find_element(By.CSS_SELECTOR, f"option[value='{value}']").click()
            else:
                field.clear()
                field.send_keys(value)

    def theme(self, theme: str) -> None:
        """Choose ``light`` or ``dark`` as Airflow's button does, and wait until the page has it."""
        self.browser.switch_to.default_content()
        self.browser.execute_script(_THEME, theme)
        self._enter()
        chosen = "return document.documentElement.dataset.theme"
        self.until(lambda: self.browser.execute_script(chosen) == theme)

    @contextmanager
    def window(self, size: tuple[int, int]) -> Iterator[None]:
        """A window of another size, in pixels."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        root = "document.documentElement"
        return int(self.browser.execute_script(f"return {root}.scrollWidth - {root}.clientWidth"))

    def errors(self) -> list[str]:
        """What stands in the browser's console since the last call, without what is known.

        Errors of every document, and warnings of ours.
        """
        found = []
        for entry in self.browser.get_log("browser"):
            grave = entry["level"] == "SEVERE" or "/stripe/ui" in entry["message"].split(" ")[0]
            if grave and not any(known in entry["message"] for known in _KNOWN):
                found.append(f"{entry['level']}: {entry['message']}")
        return found

    def violations(self) -> list[str]:
        """What axe-core calls serious or critical in the page."""
        if not self.browser.execute_script("return Boolean(window.axe)"):
            self.browser.execute_script(_axe())
        found = self.browser.execute_async_script(_VIOLATIONS)
        return [text for impact, text in found if impact in _GRAVE]

    def picture(self, name: str) -> Path:
        """A picture of the window, with Airflow around the page if it is framed."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"console-{name}.png"
        self.browser.save_screenshot(str(file))
        return file


def token_of(token: str, secret: str, role: str) -> str:
    """A token of a person with another role.

    Args:
        token: A token of the same Airflow, with its simple auth manager.
        secret: The secret that Airflow signs with.
        role: ``viewer``, ``user``, ``op`` or ``admin``.
    """
    claims = jwt.decode(token, options={"verify_signature": False})
    claims |= {"sub": role, "role": role.upper()}
    header = jwt.get_unverified_header(token)
    return jwt.encode(claims, secret, algorithm=header["alg"], headers=header)


def keep_for_docs(picture: Path) -> None:
    """Copy a picture to the docs if ``STRIPE_SYNC_DOCS_IMAGES`` is set."""
    if DOCS_IMAGES_ARE_MADE:
        assert picture.stat().st_size <= MOST_BYTES, picture
        DOCS_IMAGES.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, DOCS_IMAGES)


@cache
def _axe() -> str:
    return _AXE.read_text()


def _is_gone(element: Any) -> bool:
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False
