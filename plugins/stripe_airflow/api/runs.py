"""Runs of DAGs, triggered in the API server."""

from __future__ import annotations

from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagNotFound, DagRunAlreadyExists
from airflow.models.dag import DagModel
from airflow.utils.types import DagRunTriggeredByType

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import Run

NOT_STARTED = frozenset({"dag_missing", "run_not_created"})
"""Codes of the errors of :func:`trigger`: what was stored before it stays."""


def trigger(dag_id: str, conf: dict[str, Any], *, user_name: str, run_id: str | None = None) -> Run:
    """Trigger a run.

    Args:
        dag_id: The DAG.
        conf: Its parameters that are not the default.
        user_name: Who triggers it.
        run_id: Its id; if there is such a run already, it is returned and none is triggered.

    Raises:
        ApiError: 503: Airflow does not have the DAG, or refuses the run.
    """
    try:
        run = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=user_name,
            conf=conf,
            run_id=run_id,
        )
    except DagRunAlreadyExists as error:
        run = error.dag_run
    except DagNotFound as error:
        message = f"Airflow does not have the DAG {dag_id} yet: see its import errors"
        raise ApiError(503, "dag_missing", message) from error
    if run is None:
        message = f"Airflow did not create a run of {dag_id}: try again"
        raise ApiError(503, "run_not_created", message)
    model = DagModel.get_current(dag_id)
    return Run(
        dag_id=dag_id,
        run_id=run.run_id,
        state=str(run.state),
        run_after=run.run_after,
        dag_is_paused=bool(model and model.is_paused),
    )
