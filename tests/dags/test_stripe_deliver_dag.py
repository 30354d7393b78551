"""Changes in Stripe reach every kind of consumer, through the task of ``stripe_deliver``."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from airflow.sdk import Connection

from databases import new_database
from integration.consumers.webhook.receiver import LOOPBACK, SECRET, Receiver, receiving_in_thread
from kafka_broker import KafkaBroker, running_broker
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.operators.deliver import StripeDeliverOperator
from stripe_sync import (
    ConfigurationError,
    PullQueue,
    StreamReader,
    backfill,
    create_consumer,
    describe_consumers,
    get_consumer,
    mutate,
    poll,
)
from stripe_sync.libpq import connection_parameters
from stripe_sync.records.canonical_json import dumps

pytestmark = pytest.mark.usefixtures("connections")

PATIENCE = 60.0
CONSUMERS = ("hook", "copy", "topic", "mine")
FILTERS = {"collection_id": ["customer"]}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def delivering() -> Iterator[None]:
    """The task, until Airflow stops it."""
    operator = StripeDeliverOperator(task_id="deliver", run_seconds=10 * PATIENCE)
    ended: list[SystemExit] = []

    def run() -> None:
        try:
            operator.execute({})
        except SystemExit as error:
            ended.append(error)

    task = threading.Thread(target=run, daemon=True)
    task.start()
    try:
        yield
    finally:
        operator.on_kill()
        task.join(PATIENCE)
    assert len(ended) == 1


class PullClient:
    """A worker that fetches and acknowledges until the test is over."""

    def __init__(self, url: str) -> None:
        self.names: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def __enter__(self) -> PullClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    async def _work(self) -> None:
        async with StreamReader(self._url) as reader:
            queue = PullQueue(reader)
            while not self._over.is_set():
                batch = await queue.next("mine", batch_size=100, wait_seconds=0.5)
                self.names += [each.item.json()["payload"]["name"] for each in batch.items]
                await queue.ack("mine", [each.ack_token for each in batch.items])


class Targets:
    """What has arrived where."""

    def __init__(
        self, receiver: Receiver, database: str, broker: KafkaBroker, client: PullClient
    ) -> None:
        self.receiver, self.database, self.broker, self.client = receiver, database, broker, client

    def have(self, name: str) -> dict[str, bool]:
        with psycopg.connect(self.database) as sql:
            query = "SELECT payload ->> 'name' FROM stripe.records"
            copied = [row[0] for row in sql.execute(query).fetchall()]
        messages = self.broker.read_topic("stripe.customer")
        return {
            "hook": name in [each.json["payload"]["name"] for each in self.receiver.received],
            "copy": name in copied,
            "topic": any(f'"{name}"'.encode() in (each.value or b"") for each in messages),
            "mine": name in self.client.names,
        }


@pytest.fixture
def targets(
    postgres_url: str, warehouse_url: str, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Targets]:
    sandbox.control.seed({"customer": 3})
    backfill(connections_for("default"), "default", ["customer"])
    with (
        new_database(postgres_url) as database,
        running_broker() as broker,
        receiving_in_thread() as receiver,
    ):
        fields = connection_parameters(database)
        given = {
            "hook": Connection(conn_id="hook", conn_type="http", password=SECRET),
            "copy": Connection(
                conn_id="copy",
                conn_type="postgres",
                login=fields["user"],
                schema=fields["dbname"],
                extra=dumps({"host": fields["host"]}).decode(),
            ),
            "topic": Connection(
                conn_id="topic",
                conn_type="kafka",
                extra=dumps({"bootstrap.servers": broker.servers}).decode(),
            ),
        }
        for name, connection in given.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection.as_json())
        hook = {"url": receiver.url, "allow_http": True, "allow_addresses": list(LOOPBACK)}
        for name, kind, settings in (
            ("hook", "webhook", hook),
            ("copy", "postgres", {}),
            ("topic", "kafka", {}),
            ("mine", "pull", {}),
        ):
            create_consumer(
                *(warehouse_url, name, kind),
                filters=FILTERS,
                deliver_policy="new",
                settings=settings,
                connection_id=name if name in given else None,
            )
        with PullClient(warehouse_url) as client:
            yield Targets(receiver, database, broker, client)


def test_a_change_reaches_all_four_and_a_mutation_waits_for_them(
    targets: Targets, sandbox: Any, warehouse_url: str
) -> None:
    connections = connections_for("default")
    with delivering():
        created = mutate(connections, "customer", "create", [{"name": "Chani"}])
        name = created.records[0]["upstream_id"]
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        url = f"{sandbox.base_url}/v1/customers/{name}"
        httpx.post(url, data={"name": "Sihaya"}, headers=headers).raise_for_status()
        poll(connections, "default", seconds=3)
        until(lambda: all(targets.have("Sihaya").values()))
        report = mutate(
            *(connections, "customer", "update", [{"id": name, "name": "Usul"}]),
            await_consumers=CONSUMERS,
            await_timeout=PATIENCE,
        )
        assert report.late == ()
        assert all(targets.have("Usul").values())
    for received in targets.receiver.received:
        received.verify()
    found = describe_consumers(warehouse_url)
    assert {each.name: (each.status, each.dead) for each in found} == dict.fromkeys(
        CONSUMERS, ("active", 0)
    )


def test_a_connection_that_is_gone_is_named(warehouse_url: str) -> None:
    create_consumer(warehouse_url, "lost", "postgres", connection_id="nowhere")
    with delivering():
        until(lambda: get_consumer(warehouse_url, "lost").last_error is not None)
    error = get_consumer(warehouse_url, "lost").last_error
    assert error is not None
    assert "there is no Airflow connection 'nowhere'" in error


def test_a_run_that_is_over_reports_what_was_delivered(warehouse_url: str) -> None:
    report = StripeDeliverOperator(task_id="deliver", run_seconds=0.5).execute({})
    assert report["delivered"] == {}


@pytest.mark.parametrize("wrong", [{"shard": 2, "shards": 2}, {"run_seconds": -1}])
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        StripeDeliverOperator(task_id="deliver", **wrong)


def test_the_consumers_are_divided_among_tasks(dags: dict[str, Any]) -> None:
    dag = dags["stripe_deliver"]
    assert (dag.schedule, dag.max_active_runs) == ("@continuous", 1)
    assert [task.task_id for task in dag.tasks] == ["deliver"]
