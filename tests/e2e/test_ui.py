"""The UI in a real browser: DAGs, runs, collections by name, links, data docs, forms."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from e2e.browser import click, find, leave, page_text, shows
from e2e.conftest import RUN_SECONDS, Up, warehouse_url
from stripe_sandbox.control import SandboxControl

pytestmark = pytest.mark.e2e


def test_the_dags_are_listed(up: Up, browser: Any) -> None:
    browser.get(f"{up.base}/dags")

    shows(browser, "stripe_backfill", "stripe_poll", "stripe_reconcile", "stripe_dbt")


def first_backfill(up: Up) -> dict[str, Any]:
    """The run of all collections that the stack begins with; other tests start further ones."""
    up.finished("stripe_backfill")
    first: dict[str, Any] = up.api.runs("stripe_backfill")[-1]
    return first


def test_the_backfill_succeeds_and_lists_its_collections_by_name(up: Up, browser: Any) -> None:
    run = first_backfill(up)
    assert run["state"] == "success"

    browser.get(f"{up.base}/dags/stripe_backfill/runs/{run['dag_run_id']}/tasks/backfill/mapped")

    shows(browser, "balance_transaction", "customer", "charge", "Success")


def test_the_report_is_in_the_task_log(up: Up, browser: Any) -> None:
    run = first_backfill(up)

    browser.get(f"{up.base}/dags/stripe_backfill/runs/{run['dag_run_id']}/tasks/report")

    shows(browser, "Backfill of", "subscription_schedule", "usage_record_summary")


def test_a_task_links_to_the_data_docs(up: Up, browser: Any) -> None:
    run = first_backfill(up)
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
        row = "//tr[contains(., 'stripe_few')]"
        click(browser, f"{row}//button[@aria-label='Test Connection']")

        shows(
            browser, "Test Connection Successful", "Account acct_", "test mode", "/stripe/new-key"
        )
    finally:
        up.api.call("DELETE", "/connections/stripe_few")


def test_a_sync_is_made_by_forms_and_taken_to_production(up: Up, browser: Any) -> None:
    up.finished("stripe_backfill")  # its runs take turns
    # The views show a new sync without it; it would run after the backfill of each.
    up.api.call("PATCH", "/dags/stripe_dbt", {"is_paused": True})
    control = SandboxControl(up.sandbox)
    control.add_account("acct_shop")
    for key, customers in ("sk_test_shop", 3), ("rk_live_shop", 2):
        control.add_key(key, account="acct_shop")
        control.seed({"customer": customers}, account="acct_shop", livemode="live" in key)
    fields = {"connection_id": "stripe_shop_live", "conn_type": "stripe", "host": up.sandbox}
    up.api.call("POST", "/connections", {**fields, "password": "rk_live_shop"})

    add_connection(up, browser, "stripe_shop", "sk_test_shop")
    click(browser, "//tr[td[.='stripe_shop']]//button[@aria-label='Test Connection']")
    shows(browser, "Test Connection Successful", "Account acct_shop, test mode")

    trigger(up, browser, "stripe_sync_admin", action="create", sync="shop", collections="Customer")
    wait_for_customers(up, [("shop", "done", 3)])
    browser.get(f"{up.base}/dags/stripe_backfill/runs")
    shows(browser, "first__shop__", "Success")

    live = {"source": "shop", "target": "shop-live", "connection_id": "stripe_shop_live"}
    trigger(up, browser, "stripe_replicate", apply=True, **live)
    wait_for_customers(up, [("shop", "done", 3), ("shop-live", "done", 2)])


def add_connection(up: Up, browser: Any, connection_id: str, key: str) -> None:
    """Fill in the form of a new connection, and save it."""
    browser.get(f"{up.base}/connections")
    click(browser, "//button[contains(., 'Add Connection')]")
    find(browser, "//*[@role='dialog']//*[@role='combobox']").send_keys("stripe", Keys.ENTER)
    fields = {"connection_id": connection_id, "host": up.sandbox, "password": key}
    for name, value in fields.items():
        find(browser, f"//input[@name='{name}']").send_keys(value)
    click(browser, "//*[@role='dialog']//button[contains(., 'Save')]")
    shows(browser, connection_id, up.sandbox)


def trigger(up: Up, browser: Any, dag: str, **fields: str | bool) -> None:
    """Fill in the form of a DAG, and trigger it."""
    browser.get(f"{up.base}/dags/{dag}")
    click(browser, "//button[contains(., 'Trigger')]")
    for name, value in fields.items():
        element = f"//*[@id='element_{name}']"
        if value is True:
            click(browser, f"//label[@id='switch:element_{name}']")
        elif find(browser, element).tag_name == "input":
            find(browser, element).send_keys(Keys.CONTROL, "a")
            find(browser, element).send_keys(str(value))
        else:
            find(browser, f"{element}//input[@role='combobox']").send_keys(str(value), Keys.ENTER)
    click(browser, "//*[@role='dialog']//button[normalize-space(.)='Trigger']")
    shows(browser, "Triggering User")
    leave(browser)


def wait_for_customers(up: Up, expected: list[tuple[str, str, int]]) -> None:
    """Wait until ``stripe.sync_status`` has these customers of the syncs whose name has "shop"."""
    query = """
        SELECT sync, status, records FROM stripe.sync_status
        WHERE sync LIKE 'shop%' AND collection_id = 'stripe:customer' ORDER BY sync
    """
    deadline, rows = time.monotonic() + RUN_SECONDS, None
    with psycopg.connect(warehouse_url(up.stack_dir), autocommit=True) as connection:
        while rows != expected:
            assert time.monotonic() < deadline, rows
            time.sleep(0.5)
            rows = connection.execute(query).fetchall()


def fill_in(browser: Any, records: str, sync: str | None = None) -> None:
    """Fill the form of ``stripe_mutate`` and send it; without a sync it is the stack's own."""
    click(browser, "//*[@data-testid='trigger-dag-button'] | //button[contains(., 'Trigger')]")
    field = WebDriverWait(browser, 30).until(
        expected_conditions.visibility_of_element_located((By.ID, "element_sync"))
    )
    if sync:
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(sync)
    editor = "//*[@id='element_records']//*[contains(@class, 'view-lines')]"
    click(browser, editor)
    keys = ActionChains(browser)
    keys.key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    browser.execute_cdp_cmd("Input.insertText", {"text": records})
    # The editor has completed brackets and quotes: remove what stands behind the text.
    keys = ActionChains(browser)
    keys.key_down(Keys.CONTROL).key_down(Keys.SHIFT).send_keys(Keys.END)
    keys.key_up(Keys.SHIFT).key_up(Keys.CONTROL).send_keys(Keys.DELETE).perform()
    shows(browser, "Records", "Await consumers")
    click(browser, "//*[@data-testid='trigger-dag-submit']")


def new_run(up: Up, browser: Any, before: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of ``stripe_mutate`` that was just triggered; its page is left."""
    known = {run["dag_run_id"] for run in before}

    def newest(_: Any) -> Any:
        return [run for run in up.api.runs("stripe_mutate") if run["dag_run_id"] not in known]

    [run] = WebDriverWait(None, 60).until(newest)
    leave(browser)
    return dict(run)


def customers(up: Up, name: str) -> list[tuple[str, ...]]:
    """Syncs that have a customer with a name."""
    with psycopg.connect(warehouse_url(up.stack_dir)) as connection:
        query = "SELECT collection_id FROM stripe.records WHERE payload->>'name' = %s"
        return connection.execute(query, [name]).fetchall()


@pytest.mark.parametrize(
    ("records", "state"),
    [('[{"name": "Leto of the form"}]', "success"), ('[{"nmae": "Leto of the form"}]', "failed")],
)
def test_the_form_writes_to_stripe_or_names_what_is_wrong(
    up: Up, browser: Any, records: str, state: str
) -> None:
    before = up.api.runs("stripe_mutate")
    browser.get(f"{up.base}/dags/stripe_mutate")
    fill_in(browser, records)
    run = new_run(up, browser, before)

    assert up.finished("stripe_mutate")["state"] == state
    page = f"{up.base}/dags/stripe_mutate/runs/{run['dag_run_id']}/tasks"
    if state == "success":
        browser.get(f"{page}/mutate")
        shows(browser, "create of stripe:customer: 1 of 1 done")
        assert customers(up, "Leto of the form") == [("stripe:customer",)]
    else:
        browser.get(f"{page}/prepare")
        shows(browser, "has no parameter nmae: did you mean name")


def test_in_live_mode_a_person_decides(up: Up, browser: Any) -> None:
    """Both runs wait side by side; the form is filled in for one of them."""
    fields = {"connection_id": "stripe_live", "conn_type": "stripe", "host": up.sandbox}
    up.api.call("POST", "/connections", {**fields, "password": "sk_live_sandbox"})
    try:
        conf = {"sync": "live", "records": [{"name": "Jessica, Approve"}]}
        approved = up.api.trigger("stripe_mutate", conf)
        before = up.api.runs("stripe_mutate")
        browser.get(f"{up.base}/dags/stripe_mutate")
        fill_in(browser, '[{"name": "Jessica, Reject"}]', "live")
        rejected = new_run(up, browser, before)["dag_run_id"]
        for run in (approved, rejected):
            WebDriverWait(browser, 60).until(lambda _, run=run: waits(up, run))
        # Airflow fails a task that is answered while its executor still reports that it parked.
        time.sleep(5)
        decide(up, browser, rejected, "Reject")
        decide(up, browser, approved, "Approve")
        assert [finished(up, browser, run) for run in (rejected, approved)] == ["failed", "success"]
        live = SandboxControl(up.sandbox).objects("customer", livemode=True)
        sent = {each["name"] for each in live if "Jessica" in each["name"]}
        assert sent == {"Jessica, Approve"}
    finally:
        up.api.call("DELETE", "/connections/stripe_live")


def waits(up: Up, run: str) -> bool:
    """Whether a run of ``stripe_mutate`` waits for a person."""
    task = f"/dags/stripe_mutate/dagRuns/{run}/taskInstances/approve"
    return bool(up.api.call("GET", task)["state"] == "awaiting_input")


def decide(up: Up, browser: Any, run: str, option: str) -> None:
    """Answer for a run of ``stripe_mutate`` on the page that asks; the page is left."""
    browser.get(f"{up.base}/dags/stripe_mutate/runs/{run}/tasks/approve/required_actions")
    shows(browser, "Write to Stripe: create 1 record of stripe:customer, sync live, live mode")
    assert "Jessica" not in page_text(browser)
    click(browser, f"//button[contains(., '{option}')]")
    WebDriverWait(browser, 60).until_not(lambda _: waits(up, run))
    leave(browser)


def finished(up: Up, browser: Any, run: str) -> str:
    """The state of a run of ``stripe_mutate``, once it has ended."""

    def ended(_: Any) -> str | None:
        state = str(up.api.call("GET", f"/dags/stripe_mutate/dagRuns/{run}")["state"])
        return state if state in {"success", "failed"} else None

    return str(WebDriverWait(browser, RUN_SECONDS).until(ended))
