"""Base classes of the operators and the sensor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from stripe_airflow.hooks.connections import (
    LAKE_CONN_ID,
    connections_for,
    stored_stripe_conn_id,
)
from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.links.dashboard import StripeDashboardLink
from stripe_airflow.links.data_docs import DataDocsLink
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, RetryPolicy

    from stripe_sync import Connections


class StripeOperator(InterruptibleMixin, BaseOperator):
    """An operator that uses the warehouse and the lake.

    Args:
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
        lake_conn_id: Id of the lake's connection, of type ``stripe_lake``.
        retry_policy: Which errors are retried; None for ``STRIPE_RETRY_POLICY``.
        **kwargs: Arguments of ``BaseOperator``.
    """

    template_fields: Sequence[str] = ("warehouse_conn_id", "lake_conn_id")
    operator_extra_links: Collection[BaseOperatorLink] = (DataDocsLink(),)

    def __init__(
        self,
        *,
        warehouse_conn_id: str = WAREHOUSE_CONN_ID,
        lake_conn_id: str = LAKE_CONN_ID,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # A mapped operator passes None where nothing was given.
        super().__init__(retry_policy=retry_policy or STRIPE_RETRY_POLICY, **kwargs)
        self.warehouse_conn_id = warehouse_conn_id
        self.lake_conn_id = lake_conn_id


class StripeSyncOperator(StripeOperator):
    """An operator that works on one sync.

    Args:
        sync: Name of the sync.
        stripe_conn_id: Id of the Stripe connection; None for ``stripe_<sync>``.
        **kwargs: Arguments of :class:`StripeOperator`.
    """

    template_fields: Sequence[str] = (*StripeOperator.template_fields, "sync", "stripe_conn_id")
    operator_extra_links: Collection[BaseOperatorLink] = (
        *StripeOperator.operator_extra_links,
        StripeDashboardLink(),
    )

    def __init__(
        self, *, sync: str = "default", stripe_conn_id: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sync = sync
        self.stripe_conn_id = stripe_conn_id

    def resolved_stripe_conn_id(self) -> str:
        """Id of the Stripe connection: the given one, the one of the sync, or its default.

        Raises:
            ConfigurationError: The sync's default is another type of connection.
            WarehouseError: The warehouse cannot be reached.
        """
        return self.stripe_conn_id or stored_stripe_conn_id(self.sync, self.warehouse_conn_id)

    def connections(self) -> Connections:
        """The connections of the sync.

        Raises:
            ConfigurationError: A connection is missing or incomplete, or a setting is invalid.
        """
        return connections_for(
            self.sync,
            stripe_conn_id=self.stripe_conn_id,
            warehouse_conn_id=self.warehouse_conn_id,
            lake_conn_id=self.lake_conn_id,
        )
