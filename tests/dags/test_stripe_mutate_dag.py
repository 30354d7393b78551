"""The DAG ``stripe_mutate``: its form, approval, retries and what Airflow keeps of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from dags.api_server import ApiServer
from dags.dag_runs import DagRun, end_of_response_time
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.params import mutate_params
from stripe_sync import Mutation, create_sync, get_sync, load_catalog, prepare_mutation, verbs_of
from stripe_sync.records.canonical_json import dumps, loads

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")

NAME, MAIL = "Paul of the form", "paul.of.form@example.com"
PAUL = {"name": NAME, "email": MAIL}

Start = Callable[..., DagRun]
"""Triggers a run of the DAG, with Paul as its record unless the arguments say otherwise."""


@pytest.fixture
def dag(dags: dict[str, Any]) -> Any:
    """The DAG, read anew: a run in this process leaves its configuration in the DAG's params."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dags["stripe_mutate"].fileloc).dags["stripe_mutate"]


@pytest.fixture
def live(connections: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync ``default`` writes to a live account."""
    connect(monkeypatch, password="sk_live_sandbox")


def connect(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    connection = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]) | changes
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", dumps(connection).decode())


def names(warehouse_url: str) -> list[str]:
    """Names of the customers in the warehouse."""
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT payload->>'name' FROM stripe_raw.records ORDER BY 1"
        return [row[0] for row in connection.execute(query)]


@pytest.fixture
def start(server: ApiServer, dag: Any) -> Start:
    """Triggers runs."""
    return lambda **conf: DagRun(server, dag, conf={"records": [PAUL], **conf})


def waiting(start: Start, **conf: Any) -> DagRun:
    """A run that waits for approval."""
    run = start(**conf)
    assert run.go_on() == "running"
    assert run.states == {"prepare": "success", "approve": "awaiting_input", "mutate": None}
    return run


def test_the_form_offers_the_collections_that_can_be_written_and_their_verbs() -> None:
    params = mutate_params()
    offered = params["collection"].schema["enum"]
    written = {each.name: verbs_of(each) for each in load_catalog().values() if verbs_of(each)}

    assert offered == list(written)
    assert set(params["kind"].schema["enum"]) == {
        verb for all_ in written.values() for verb in all_
    }
    assert all(param.schema["title"] for param in params.values())


@pytest.mark.parametrize(
    "spelling",
    [
        {"sync": "default", "collection": "customer", "records": [PAUL]},
        {"sync_id": "default", "collection_id": "stripe.customer", "data": [PAUL]},
        {"sync_id": "{id}", "collection_id": "stripe:customer", "records": [PAUL]},
    ],
    ids=["form", "as over HTTP", "id of the sync"],
)
def test_a_form_is_written_to_stripe_and_the_streams(
    start: Start, sandbox: Any, warehouse_url: str, spelling: dict[str, Any]
) -> None:
    if spelling.get("sync_id") == "{id}":
        start(records=[{"name": "first"}]).go_on()
        spelling = {**spelling, "sync_id": str(get_sync(warehouse_url, "default").id)}
    run = start(**{"records": [], **spelling})

    assert run.go_on() == "success"
    assert run.states == {"prepare": "success", "approve": "skipped", "mutate": "success"}
    assert NAME in names(warehouse_url)
    [result] = run.xcom("mutate")["results"]
    made = [each["id"] for each in sandbox.control.objects("customer") if each["name"] == NAME]
    assert (result["status"], [result["upstream_id"]]) == ("done", made)
    kept = str([run.tasks, *(run.xcom("prepare", key) for key in ("sync", "key", "body"))])
    assert NAME not in kept + str(run.xcom("mutate"))


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        ({"collection": "event"}, "collection"),
        ({"kind": "rename"}, "kind"),
        ({"records": [MAIL]}, "records"),
        ({"records": {}}, "records"),
        ({"on_error": "ignore"}, "on_error"),
        ({"await_timeout": 601}, "await_timeout"),
        ({"sync": "No sync"}, "sync"),
    ],
)
def test_airflow_refuses_what_is_no_form(
    server: ApiServer, dag: Any, conf: dict[str, Any], word: str
) -> None:
    body = {"logical_date": None, "conf": {"records": [PAUL], **conf}}
    answer = server.client.post(
        f"/api/v2/dags/{dag.dag_id}/dagRuns", headers=server.headers("user"), json=body
    )
    assert answer.status_code == 400
    assert word in answer.text


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({"records": []}, "records is empty"),
        ({"records": [{"nmae": NAME}]}, r"has no parameter nmae: did you mean name"),
        ({"kind": "update"}, r"records\[0\].id: update of stripe:customer needs id"),
        ({"kind": "pay"}, "stripe:customer has no 'pay': it has create, update, delete"),
        ({"collection_id": "stripe:event"}, "stripe:event cannot be written"),
        ({"data": PAUL}, "records must be an array"),
        ({"await_consumers": ["lkae"]}, "there is no consumer 'lkae': did you mean lake"),
        ({"record": [PAUL]}, "there is no parameter record: did you mean records"),
        ({"sync_id": 7}, "sync is the name or the id of a sync"),
        ({"prepared": "x"}, "give either records or the key"),
        ({"prepared": "x", "records": []}, "there is no such mutation"),
    ],
)
def test_a_form_that_is_wrong_ends_before_anything_is_sent(
    start: Start, sandbox: Any, capfd: pytest.CaptureFixture[str], conf: Any, reason: str
) -> None:
    run = start(**conf)

    assert run.go_on() == "failed"
    [prepare] = [task for task in run.tasks if task["task_id"] == "prepare"]
    assert (prepare["state"], prepare["try_number"]) == ("failed", 1)
    assert run.states["mutate"] == "upstream_failed"
    assert sandbox.control.objects("customer") == []
    log = "".join(capfd.readouterr())
    assert re.search(reason, log)
    assert MAIL not in log


@pytest.mark.usefixtures("live")
def test_in_live_mode_a_person_approves_counts_and_ids(
    start: Start, sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.put({"id": "cus_1", "object": "customer", "created": 5}, livemode=True)
    run = waiting(start, kind="update", records=[{**PAUL, "id": "cus_1"}])

    question = run.question("approve")
    assert "update 1 record of stripe:customer, sync default, live mode" in question["subject"]
    assert "`cus_1`" in question["body"]
    assert "triggered by user" in question["body"]
    assert NAME not in str(question)
    assert run.answer("viewer", "approve", "Approve") == 403
    assert names(warehouse_url) == []
    assert run.answer("op", "approve", "Approve") == 200
    assert run.go_on() == "success"
    assert names(warehouse_url) == [NAME]


def edit_xcom(run: DagRun, task_id: str, key: str, value: Any) -> None:
    """What the role user may do to what a task has stored, and would have stored."""
    path = f"{run.path}/taskInstances/{task_id}/xcomEntries"
    body = {"value": value, "map_index": -1}
    answer = run.call("user", "POST", path, {**body, "key": key})
    if answer.status_code == 409:
        answer = run.call("user", "PATCH", f"{path}/{key}", body)
    assert answer.status_code in {200, 201}, answer.text


@pytest.mark.usefixtures("live")
def test_an_answer_that_somebody_writes_into_an_xcom_is_no_approval(
    start: Start, warehouse_url: str
) -> None:
    run = waiting(start)
    forged = {"chosen_options": ["Approve"], "responded_by_user": {"id": "boss", "name": "boss"}}
    edit_xcom(run, "approve", "return_value", forged)
    run.set_state("approve", "success")

    assert run.go_on() == "failed"
    assert names(warehouse_url) == []


@pytest.mark.usefixtures("live")
def test_an_xcom_cannot_say_that_nobody_need_approve(start: Start, warehouse_url: str) -> None:
    run = waiting(start)
    edit_xcom(run, "prepare", "approval", "")
    run.set_state("approve", "success")

    assert run.go_on() == "failed"
    assert names(warehouse_url) == []


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("approved_first", [True, False])
def test_an_approval_is_good_for_the_mutation_that_was_shown(
    start: Start, warehouse_url: str, approved_first: bool
) -> None:
    other = Mutation("stripe:customer", "create", [{"name": "Other"}], key="o")
    key = prepare_mutation(connections_for("default"), "default", other).key
    run = waiting(start)
    if approved_first:
        assert run.answer("op", "approve", "Approve") == 200
    edit_xcom(run, "prepare", "key", key)
    if not approved_first:
        assert run.answer("op", "approve", "Approve") == 200

    assert run.go_on() == "failed"
    assert names(warehouse_url) == []


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("end", ["rejected", "timed out", "success", "skipped", "failed"])
def test_without_approval_nothing_is_sent(
    start: Start, sandbox: Any, warehouse_url: str, end: str
) -> None:
    run = waiting(start)

    if end == "rejected":
        assert run.answer("user", "approve", "Reject") == 200
    elif end == "timed out":
        end_of_response_time()
    else:
        run.set_state("approve", end)  # by hand
    assert run.go_on() == "failed"
    by_hand = end in {"success", "skipped"}
    assert run.states["mutate"] == ("failed" if by_hand else "upstream_failed")
    tries = {task["task_id"]: task["try_number"] for task in run.tasks}
    assert (tries["approve"], tries["mutate"]) == (1, 1 if by_hand else 0)
    assert sandbox.control.objects("customer", livemode=True) == []
    assert names(warehouse_url) == []


def test_what_nobody_prepared_is_not_sent(start: Start, sandbox: Any) -> None:
    run = start()
    run.set_state("prepare", "success")
    run.set_state("approve", "success")

    assert run.go_on() == "failed"
    assert run.states["mutate"] == "failed"
    assert sandbox.control.objects("customer") == []


@pytest.mark.parametrize(("setting", "asks"), [(True, True), (False, False)])
def test_the_setting_of_the_sync_decides(
    start: Start, monkeypatch: pytest.MonkeyPatch, setting: bool, asks: bool
) -> None:
    key = "sk_test_sandbox" if setting else "sk_live_sandbox"
    connect(monkeypatch, password=key, extra={"approve_mutations": setting})
    run = start()

    assert run.go_on() == ("running" if asks else "success")
    assert run.states["approve"] == ("awaiting_input" if asks else "skipped")


def test_a_prepared_mutation_is_asked_about_and_sent_as_it_was_stored(
    start: Start, warehouse_url: str
) -> None:
    mutation = Mutation("stripe:customer", "create", [PAUL], key="of a caller")
    prepared = prepare_mutation(connections_for("default"), "default", mutation)
    run = waiting(start, sync="default", prepared=prepared.key, records=[])

    assert run.answer("user", "approve", "Approve") == 200
    assert run.go_on() == "success"
    assert names(warehouse_url) == [NAME]
    # The same key again is answered from the store.
    again = waiting(start, sync="default", prepared=prepared.key, records=[])
    assert again.answer("user", "approve", "Approve") == 200
    assert again.go_on() == "success"
    assert again.xcom("mutate")["results"] == run.xcom("mutate")["results"]
    assert names(warehouse_url) == [NAME]


def test_over_http_a_person_approves_where_the_setting_says_so(
    server: ApiServer, dag: Any, warehouse_url: str
) -> None:
    create_sync(warehouse_url, "default", livemode=False, settings={"approve_mutations": True})
    body = {"sync_id": "default", "collection_id": "stripe.customer", "data": [PAUL]}
    headers = {"Idempotency-Key": "order 7"}

    def send() -> Any:
        return server.call("user", "POST", "/v1/mutations/run/create", json=body, headers=headers)

    first, again = send(), send()
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["run"]["run_id"] == again.json()["run"]["run_id"]
    run = DagRun(server, dag, run_id=first.json()["run"]["run_id"])
    assert run.go_on() == "running"
    assert NAME not in run.call("viewer", "GET", run.path).text
    assert names(warehouse_url) == []
    assert run.answer("op", "approve", "Approve") == 200
    assert run.go_on() == "success"
    assert names(warehouse_url) == [NAME]


def test_a_refusal_is_sent_again_only_if_it_is_prepared_again(
    start: Start, sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.fault("refuse", endpoint="POST *", status=402, code="card_declined", next=1)
    run = start()

    assert run.go_on() == "failed"
    [refused] = run.xcom("mutate")["results"]
    assert (refused["status"], refused["error"]["code"]) == ("refused", "card_declined")
    run.clear("mutate")
    assert run.go_on() == "failed"
    assert names(warehouse_url) == []
    run.clear("prepare", downstream=True)
    assert run.go_on() == "success"
    assert names(warehouse_url) == [NAME]
