"""Links on task instances."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_airflow.links.dashboard import StripeDashboardLink, dashboard_url
from stripe_airflow.links.data_docs import DataDocsLink
from stripe_airflow.operators.backfill import StripeBackfillOperator
from stripe_airflow.operators.maintain import StripeMaintainOperator
from stripe_sync import Credential
from stripe_sync.records.canonical_json import dumps

KEY: Any = None  # the task instance; no link depends on it


@pytest.mark.parametrize(
    ("credential", "collection", "url"),
    [
        (Credential("sk_test_1"), "customer", "https://dashboard.stripe.com/test/customers"),
        (Credential("sk_live_1"), "stripe:charge", "https://dashboard.stripe.com/payments"),
        (Credential("rk_live_1"), "tax_id", "https://dashboard.stripe.com/dashboard"),
        (Credential("rk_live_1"), None, "https://dashboard.stripe.com/dashboard"),
        (
            Credential("sk_test_1", account="acct_1"),
            "invoice",
            "https://dashboard.stripe.com/acct_1/test/invoices",
        ),
        (Credential("sk_test_1", api_base="http://127.0.0.1:12111"), "customer", ""),
    ],
)
def test_the_dashboard_opens_the_collection_in_the_mode_of_the_key(
    credential: Credential, collection: str | None, url: str
) -> None:
    assert dashboard_url(credential, collection) == url


@pytest.mark.parametrize(
    ("collection", "object_id", "page"),
    [
        ("stripe:customer", "cus_1", "test/customers/cus_1"),
        ("price", "price_1", "test/prices/price_1"),
        ("stripe:refund", "re_1", "test/search?query=re_1"),
        ("coupon", "20 % off", "test/coupons/20%20%25%20off"),
    ],
)
def test_an_object_has_its_own_page_or_is_searched_for(
    collection: str, object_id: str, page: str
) -> None:
    url = dashboard_url(Credential("sk_test_1"), collection, object_id)
    assert url == f"https://dashboard.stripe.com/{page}"


def test_the_link_uses_the_connection_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "stripe", "password": "sk_live_1"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_EU", dumps(fields).decode())
    backfill = StripeBackfillOperator(task_id="backfill", collection="payout", sync="eu")
    maintain = StripeMaintainOperator(task_id="maintain", stripe_conn_id="stripe_eu")

    link = StripeDashboardLink()
    assert link.get_link(backfill, ti_key=KEY) == "https://dashboard.stripe.com/payouts"
    assert link.get_link(maintain, ti_key=KEY) == "https://dashboard.stripe.com/dashboard"


def test_without_the_connection_there_is_no_link() -> None:
    operator = StripeBackfillOperator(task_id="backfill", collection="payout", sync="nowhere")

    assert StripeDashboardLink().get_link(operator, ti_key=KEY) == ""


def test_the_data_docs_are_a_page_of_the_ui() -> None:
    operator = StripeMaintainOperator(task_id="maintain")

    assert DataDocsLink().get_link(operator, ti_key=KEY).endswith("/plugin/stripe_data_docs")
