"""The console in a real browser, on the running stack."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from e2e.browser import leave
from e2e.conftest import START_SECONDS, Up, newest_customer, warehouse_url
from e2e.console_browser import (
    DOCS_IMAGES_ARE_MADE,
    NARROW,
    WIDE,
    Console,
    Page,
    keep_for_docs,
    token_of,
)
from stripe_stack.airflow.components import airflow_command
from stripe_stack.airflow.environment import airflow_environment
from stripe_stack.database.postgres import Postgres
from stripe_stack.settings import Settings, free_port, stack_secrets

pytestmark = pytest.mark.e2e

PAGES = (
    # A page of the console has a row here. The ids of its path are those of the fixture `ids`.
    Page("overview", "", ("Syncs", "sandbox"), in_docs=True),
    Page("add-sync", "/add-sync", ("Paste a key", "Use this key")),
    Page("collections", "/add-sync/collections?credential=stripe_sandbox", ("Start the sync",)),
    Page("replicate", "/syncs/sandbox/replicate", ("To which sync", "Paste a live mode key")),
    Page("sync", "/syncs/sandbox", ("Activity", "Customer Balance Transaction"), in_docs=True),
    Page("stream", "/stream", ("Stream", "Live", "Older changes"), in_docs=True),
    Page("record", "/records/stripe:customer/{customer}", ("{customer}", "History", "created")),
    Page("find", "/records?q=cus_0", ("No sync has an object with the id",)),
    Page("consumers", "/consumers", ("crm", "Add a consumer")),
    Page("consumer", "/consumers/crm", ("What it reads", "Dead letters")),
    Page("edit-consumer", "/consumers/crm/edit", ("Edit crm", "It goes on from where it is")),
    Page("add-consumer", "/add-consumer?kind=webhook", ("Add a webhook consumer", "From where")),
)
PATH = "/af"

of_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def console(up: Up, browser: Any) -> Iterator[Console]:
    """The console of the stack, after its first backfill."""
    assert up.finished("stripe_backfill")["state"] == "success"
    console = Console(browser, up.base)
    console.log_in(up.token)
    console.errors()
    if DOCS_IMAGES_ARE_MADE:
        be_busy(up)
    yield console
    console.log_in(up.token)
    leave(browser)


def be_busy(up: Up) -> None:
    """Be a sync that has run for a while, for the pictures of the docs.

    The sandbox's first events are as old as its data: the freshness of the catch-up is forgotten.
    """
    with psycopg.connect(warehouse_url(up.stack_dir)) as connection:
        for table in ("poll_latency", "poll_latency_by_half_hour"):
            connection.execute(f"DELETE FROM stripe_sync.{table}")
    login = {"Authorization": "Bearer sk_test_sandbox"}
    with httpx.Client(base_url=f"{up.sandbox}/v1", headers=login, trust_env=False) as stripe:
        customers = stripe.get("/customers").json()["data"]
        for number in range(80):
            name = f"/customers/{customers[number % len(customers)]['id']}"
            stripe.post(name, data={"balance": number * 125}).raise_for_status()
            time.sleep(0.25)


@pytest.fixture(scope="module")
def ids(up: Up) -> Iterator[dict[str, str]]:
    """Ids for the paths of pages; there is a consumer ``crm``."""
    login = {"Authorization": f"Bearer {up.token}"}
    with httpx.Client(base_url=f"{up.base}/stripe/v1", headers=login, timeout=60) as api:
        api.post("/consumers", json={"name": "crm", "kind": "pull"}).raise_for_status()
        yield {"customer": newest_customer(up)}
        api.delete("/consumers/crm").raise_for_status()


@pytest.fixture(scope="module")
def console_below_a_path(up: Up, browser: Any) -> Iterator[Console]:
    """The same by another API server, which serves Airflow below a path.

    Another host, because a browser keeps one cookie for all ports of a host.
    """
    port = free_port()
    base = f"http://127.0.0.2:{port}{PATH}"
    settings = Settings(stack_dir=up.stack_dir)
    secrets = stack_secrets(up.stack_dir)
    environment = airflow_environment(settings, secrets, Postgres(settings, secrets), "sandbox")
    changed = {"HOST": "127.0.0.2", "PORT": str(port), "BASE_URL": base}
    server = subprocess.Popen(
        airflow_command("api-server"),
        env=environment | {f"AIRFLOW__API__{name}": value for name, value in changed.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(base):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        console = Console(browser, base)
        console.log_in(up.token)
        console.errors()
        yield console
        leave(browser)
    finally:
        server.kill()
        server.wait()


def shows(console: Console, page: Page, ids: dict[str, str]) -> None:
    """Wait until a page is complete."""
    console.shows(*(text.format(**ids) for text in page.texts))


def is_up(base: str) -> bool:
    """Whether the console answers at an address."""
    try:
        return httpx.get(f"{base}/stripe/v1/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@of_each_page
def test_a_page_in_the_frame_is_sound_light_and_dark_wide_and_narrow(
    console: Console, ids: dict[str, str], page: Page
) -> None:
    for theme in ("light", "dark"):
        for size in (WIDE, NARROW):
            with console.window(size):
                if (theme, size) == ("light", WIDE):
                    console.open(page.path.format(**ids), framed=True)
                    console.theme(theme)
                shows(console, page, ids)
                picture = console.picture(f"{page.name}-{theme}-{size[0]}")
                if (theme, size) in {("light", WIDE), ("dark", NARROW)}:
                    assert console.violations() == [], page.name
                assert console.overflow() == 0, size
                if page.in_docs and (theme, size) == ("light", WIDE):
                    keep_for_docs(picture)
        console.theme("dark")
    console.theme("light")
    assert console.errors() == []


@of_each_page
def test_a_page_stands_alone(console: Console, ids: dict[str, str], page: Page) -> None:
    console.open(page.path.format(**ids))
    shows(console, page, ids)
    assert console.violations() == []
    assert console.errors() == []


def test_a_page_in_the_frame_can_be_loaded_again(console: Console, ids: dict[str, str]) -> None:
    page = PAGES[-1]
    console.open(page.path.format(**ids), framed=True, anew=True)
    shows(console, page, ids)
    assert console.errors() == []


@of_each_page
def test_a_page_works_below_a_path(
    console_below_a_path: Console, ids: dict[str, str], page: Page
) -> None:
    console = console_below_a_path
    console.open(page.path.format(**ids))
    shows(console, page, ids)
    every = "return [...document.querySelectorAll('[href], [src], [action], [hx-get], [hx-post]')]"
    names = "'href', 'src', 'action', 'hx-get', 'hx-post'"
    paths = console.browser.execute_script(
        f"{every}.flatMap((each) => [{names}].map((name) => each.getAttribute(name)))"
        ".filter((path) => path && !/^(#|https?:)/.test(path))"
    )
    assert paths
    assert [path for path in paths if not path.startswith(f"{PATH}/")] == []
    assert console.errors() == []


def test_airflow_below_a_path_frames_the_console(console_below_a_path: Console) -> None:
    console = console_below_a_path
    console.open(framed=True)
    console.shows("Syncs", "sandbox")
    assert console.errors() == []


@pytest.fixture
def as_viewer(up: Up, console: Console) -> Iterator[Console]:
    """The console, for somebody who may only look."""
    console.log_in(token_of(up.token, stack_secrets(up.stack_dir).jwt_secret, "viewer"))
    yield console
    console.log_in(up.token)


def test_a_viewer_sees_pages_and_can_press_nothing(as_viewer: Console, ids: dict[str, str]) -> None:
    """What opens a dialog, and what sends a form, is disabled and says why."""
    buttons = """
        const found = [...document.querySelectorAll("button[data-opens], main > * button.primary")];
        return found.filter((each) => !each.closest("dialog, form[role=search], form[method=get]"))
            .map((each) => [each.textContent, each.disabled, each.title]);
    """
    seen = []
    for page in PAGES:
        if page.path.startswith("/add-sync") or page.name == "replicate":
            continue  # they show what only those see who may change keys
        as_viewer.open(page.path.format(**ids))
        shows(as_viewer, page, ids)
        seen += as_viewer.browser.execute_script(buttons)
        assert as_viewer.violations() == [], page.name
    names = {name for name, _, _ in seen}
    assert {"Pause…", "Replay…", "Update in Stripe", "Add the consumer"} <= names
    assert [each for each in seen if not each[1] or "you lack the right to" not in each[2]] == []
    assert as_viewer.errors() == []
