"""Link to a collection, or an object, in Stripe's Dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.hooks.stripe import StripeHook
from stripe_sync import StripeSyncError

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

    from stripe_sync import Credential

_STRIPE_API = "https://api.stripe.com"
_DASHBOARD = "https://dashboard.stripe.com"
_PATHS = {
    "charge": "payments",
    "coupon": "coupons",
    "customer": "customers",
    "dispute": "disputes",
    "event": "events",
    "invoice": "invoices",
    "payment_intent": "payments",
    "payout": "payouts",
    "plan": "products",
    "price": "products",
    "product": "products",
    "promotion_code": "coupons",
    "subscription": "subscriptions",
}
_OBJECT_PATHS = {
    "charge": "payments",
    "coupon": "coupons",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "payment_intent": "payments",
    "payout": "payouts",
    "price": "prices",
    "product": "products",
    "promotion_code": "promotion_codes",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
}
"""Pages that end with the id of an object; others are found by a search for it."""


class StripeDashboardLink(BaseOperatorLink):
    """Opens the operator's collection in Stripe's Dashboard, in the mode of the key.

    After a mutation of one object it opens the object.
    """

    name = "Stripe Dashboard"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """The URL; empty if the API is not Stripe's, or a connection is missing or invalid.

        Args:
            operator: A :class:`~stripe_airflow.operators.base.StripeSyncOperator`.
            ti_key: The task instance.
        """
        try:
            credential = StripeHook(operator.resolved_stripe_conn_id()).get_conn()
        except (AirflowNotFoundException, StripeSyncError):
            return ""  # the task's error names the cause
        collection = getattr(operator, "collection", None)
        return dashboard_url(credential, collection, getattr(operator, "object_id", None))


def dashboard_url(
    credential: Credential, collection: str | None, object_id: str | None = None
) -> str:
    """URL of an object in the Dashboard, of a collection, or of the account's home page.

    Args:
        credential: Its key selects live or test mode, its ``account`` the connected account.
        collection: Short name or id; None, or one without a page of its own, for the home page.
        object_id: Id of an object of the collection; None for the collection.

    Returns:
        An empty string if the API is not Stripe's.
    """
    if credential.api_base != _STRIPE_API:
        return ""
    name = (collection or "").removeprefix("stripe:").removeprefix("stripe.")
    mode = None if credential.livemode else "test"
    page = _PATHS.get(name, "dashboard")
    if object_id:
        page = _object_page(name, quote(object_id, safe=""))
    parts = (_DASHBOARD, credential.account, mode, page)
    return "/".join(part for part in parts if part)


def _object_page(name: str, object_id: str) -> str:
    folder = _OBJECT_PATHS.get(name)
    return f"{folder}/{object_id}" if folder else f"search?query={object_id}"


def account_url(account_id: str | None, *, livemode: bool) -> str:
    """URL of an account's home page in the Dashboard.

    Args:
        account_id: ``acct_…``; None as long as it is not known.
        livemode: Whether in live mode.

    Returns:
        An empty string for an account that is not known.
    """
    mode = None if livemode else "test"
    parts = (_DASHBOARD, account_id, mode, "dashboard")
    return "/".join(part for part in parts if part) if account_id else ""
