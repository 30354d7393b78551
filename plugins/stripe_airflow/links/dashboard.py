"""Link to a collection in Stripe's Dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


class StripeDashboardLink(BaseOperatorLink):
    """Opens the operator's collection in Stripe's Dashboard, in the mode of the key."""

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
        return dashboard_url(credential, getattr(operator, "collection", None))


def dashboard_url(credential: Credential, collection: str | None) -> str:
    """URL of a collection in the Dashboard, or of the account's home page.

    Args:
        credential: Its key selects live or test mode, its ``account`` the connected account.
        collection: Short name or id; None, or one without a page of its own, for the home page.

    Returns:
        An empty string if the API is not Stripe's.
    """
    if credential.api_base != _STRIPE_API:
        return ""
    name = (collection or "").removeprefix("stripe:").removeprefix("stripe.")
    mode = None if credential.livemode else "test"
    parts = (_DASHBOARD, credential.account, mode, _PATHS.get(name, "dashboard"))
    return "/".join(part for part in parts if part)
