"""Erases one customer, and what belongs to them, from warehouse and lake, for good.

Payments, invoices, payment methods, disputes and Stripe events of the customer are erased, too. Of
each object only its id stays, as deleted. Nothing of them is stored again. No request is sent to
Stripe: delete or redact the customer there first. The id must be given twice; of the customer only
this id is in Airflow's tables.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_erase -c "{\\"customer\\": \\"cus_1\\", \\"confirm\\": \\"cus_1\\"}"'

Over REST: `POST /api/v2/dags/stripe_erase/dagRuns` with
`{"logical_date": null, "conf": {"sync": "default", "customer": "cus_1", "confirm": "cus_1"}}`.
"""  # noqa: E501 - one command

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from stripe_airflow.params import erase_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.erase import run_erase


@dag(
    schedule=None,
    max_active_runs=1,
    params=erase_params(),
    tags=["stripe", "manage"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_erase() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY)
    def erase(params: Any = None) -> dict[str, Any]:
        return run_erase(params)

    erase()


stripe_erase()
