"""The number of transactions, on which Stripe's read allotment depends.

Requests are counted in ``warehouse/schema/functions/count_requests.sql``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.clock import to_unix
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables, tables

_table = poll_tables.poll_state
_records = tables.records

_PERIOD = timedelta(days=30)
_COUNT_EVERY = timedelta(days=1)
_CHARGE = "stripe:charge"


class TransactionCount:
    """Counts the transactions of each sync.

    Stripe allots 500 reads for each transaction of the last 30 days, 10,000 at least (the view
    ``stripe.poll_status`` computes it). Stripe does not document in detail which objects are
    transactions; charges certainly are.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def count_transactions(self, sync_id: UUID, now: datetime) -> None:
        """Count a sync's charges of the last 30 days, at most once a day.

        Reads all charges of the sync, so it may take some seconds.
        """
        due = sa.select(sa.literal(1)).where(
            _table.c.sync_id == sync_id,
            sa.or_(
                _table.c.transactions_at.is_(None), _table.c.transactions_at < now - _COUNT_EVERY
            ),
        )
        created = _records.c.payload["created"].astext.cast(sa.BigInteger)
        count = sa.select(sa.func.count()).where(
            _records.c.collection_id == _CHARGE,
            _records.c.sync_id == sync_id,
            created >= to_unix(now - _PERIOD),
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            if connection.scalar(due) is None:
                return
            transactions = connection.scalar(count)
            connection.execute(
                sa.update(_table)
                .where(_table.c.sync_id == sync_id)
                .values(transactions=transactions, transactions_at=now)
            )
