"""Questions whether a mutation may be sent, and who approved."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import Engine

from stripe_sync.records import ids
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.mutations.intents import KEPT
from stripe_sync.warehouse.schema.mutation_tables import approvals

_table = approvals


@dataclass(frozen=True, slots=True)
class Approval:
    """A question that was asked.

    Attributes:
        mutation_key: Key of the prepared mutation that it is about; None where there is none.
        approved_by: Name of the person who approved; None: nobody did.
    """

    mutation_key: str | None
    approved_by: str | None


class Approvals:
    """Reads and writes questions and answers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def ask(self, question: str, mutation_key: str | None) -> None:
        """Note that a question is asked, or asked again: an answer that it had counts no more.

        Args:
            question: What is asked where, the same text for the answer and for who needs it.
            mutation_key: Of the prepared mutation that it is about, if any.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        new = {
            "mutation_key": mutation_key,
            "asked_at": sa.func.clock_timestamp(),
            "approved_by": None,
            "approved_at": None,
        }
        statement = pg.insert(_table).values(question=_hash(question), **new)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["question"], set_=new)
            )

    def approve(self, question: str, approved_by: str) -> None:
        """Note who approved.

        Args:
            question: As it was asked.
            approved_by: Name of the person.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = {"approved_by": approved_by, "approved_at": sa.func.clock_timestamp()}
        statement = sa.update(_table).where(_table.c.question == _hash(question)).values(values)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def find(self, question: str) -> Approval | None:
        """The question and its answer; None where it was not asked, or more than 30 days ago.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        statement = sa.select(_table.c.mutation_key, _table.c.approved_by).where(
            _table.c.question == _hash(question)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(statement).first()
        return Approval(row.mutation_key, row.approved_by) if row else None

    def prune(self) -> None:
        """Delete what is older than 30 days.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        old = _table.c.asked_at < sa.func.clock_timestamp() - KEPT
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.delete(_table).where(old))


def _hash(question: str) -> str:
    return str(ids.fingerprint(f"approval:{question}".encode()))
