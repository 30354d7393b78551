"""Creates, updates or deletes objects in Stripe, and applies the result to the streams.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_mutate -c "{\\"records\\": [{\\"name\\": \\"Paul\\"}]}"'

Over REST: `POST /api/v2/dags/stripe_mutate/dagRuns` with
`{"logical_date": null, "conf": {"sync_id": "default", "collection_id": "stripe.customer",
"kind": "create", "data": [{"name": "Paul"}]}}`; the names of the form do as well.

`prepare` checks the form and stores the requests: a mistake ends the run here, and its log says
which field is wrong. In live mode `approve` waits up to 24 hours for a person (Browse → Required
Actions); the setting `approve_mutations` changes who is asked. `mutate` sends what was stored, and
fails if any record failed; its XCom has status, id and error of each.

A retry repeats nothing in Stripe. What Stripe has refused is sent again only if you clear `prepare`
with what follows. Each new run writes again. Airflow stores what is entered in the form with the
run; for personal data use the operator, Python or the HTTP API instead.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task

from stripe_airflow.operators.approval import StripeApprovalOperator
from stripe_airflow.operators.mutation import StripeMutationOperator
from stripe_airflow.params import mutate_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.mutate import MUTATION_KWARGS, QUESTION, prepare_run


@dag(
    schedule=None,
    max_active_runs=100,  # runs that wait for approval hold up no others
    params=mutate_params(),
    tags=["stripe", "mutate"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_mutate() -> None:
    @task.branch(retry_policy=STRIPE_RETRY_POLICY)
    def prepare(params: Any = None, ti: Any = None) -> str:
        return prepare_run(params, ti)

    prepared = prepare()
    approve = StripeApprovalOperator(task_id="approve", **QUESTION)
    rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    mutate = StripeMutationOperator(task_id="mutate", trigger_rule=rule, **MUTATION_KWARGS)
    prepared >> approve >> mutate
    prepared >> mutate


stripe_mutate()
