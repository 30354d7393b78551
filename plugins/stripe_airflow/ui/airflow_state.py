"""What Airflow has to do with a page: DAGs that are paused, backfills that wait or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import select

from stripe_airflow.api.rights import BACKFILL_DAG, DELIVER_DAG, POLL_DAG, RECONCILE_DAG
from stripe_airflow.hooks.connections import default_sync
from stripe_airflow.ui.shared import once_a_second

_LOST = {
    POLL_DAG: "no sync gets changes from Stripe",
    BACKFILL_DAG: "no backfill begins",
    RECONCILE_DAG: "nothing is reconciled",
    DELIVER_DAG: "webhook, postgres and kafka consumers get nothing",
}
"""What a paused DAG means."""

_MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class PausedDag:
    """A DAG that somebody has paused.

    Attributes:
        id: Its id.
        lost: What does not happen meanwhile.
    """

    id: str
    lost: str


@dataclass(frozen=True, slots=True)
class AirflowState:
    """What Airflow does for the syncs.

    Attributes:
        paused: The DAGs that are paused.
        backfills: Names of the syncs with a backfill that waits or runs.
    """

    paused: Sequence[PausedDag]
    backfills: frozenset[str]

    def paused_of(self, *dag_ids: str) -> Sequence[PausedDag]:
        """Those of some DAGs that are paused."""
        return [dag for dag in self.paused if dag.id in dag_ids]


@once_a_second
def airflow_state() -> AirflowState:
    """The state now. Airflow's database is asked, in two queries."""
    unfinished = (DagRunState.QUEUED, DagRunState.RUNNING)
    with create_session() as session:
        paused = session.scalars(
            select(DagModel.dag_id).where(DagModel.dag_id.in_(_LOST), DagModel.is_paused)
        ).all()
        runs: Sequence[dict[str, Any] | None] = session.scalars(
            select(DagRun.conf)
            .where(DagRun.dag_id == BACKFILL_DAG, DagRun.state.in_(unfinished))
            .limit(_MOST_RUNS)
        ).all()
    return AirflowState(
        paused=tuple(PausedDag(dag_id, _LOST[dag_id]) for dag_id in sorted(paused)),
        backfills=frozenset((conf or {}).get("sync") or default_sync() for conf in runs),
    )
