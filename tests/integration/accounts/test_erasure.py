"""An erased customer, and what belongs to them, is nowhere any more and does not come back."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from typer.testing import CliRunner

from everything_written import places
from forked import processes
from integration.accounts.erasing_process import erase_and_die
from shop import CATALOG, BackfilledShop
from stripe_sync import (
    ConfigurationError,
    CustomerErasure,
    Mutation,
    SyncNotFound,
    backfill,
    delete_sync,
    erase_customer,
    finish_erasures,
    maintain,
    mutate,
    prepare_mutation,
    reconcile,
    reload,
    run_mutation,
)
from stripe_sync.catalog.fields import load_fields
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads
from sync_harness import SYNC, SyncHarness, unthrottled

NAME, MAIL, OTHER = "Ada Lovelace", "ada@example.com", "Grace Hopper"
OLD_NAME = "Ada Byron"
PERSONAL = (NAME, OLD_NAME, MAIL)
CREATED = 1_790_000_000
KINDS = (
    *("customer", "payment_method", "payment_intent", "charge", "refund", "dispute"),
    *("balance_transaction", "event"),
)


def erase(sync: SyncHarness, customer: str, **options: Any) -> CustomerErasure:
    where = sync.connections
    return erase_customer(where.warehouse_url, where.lake_url, SYNC, customer, **options)


def belongings(customer: str | None, mark: str = "a") -> list[dict[str, Any]]:
    """Objects that belong to a customer, most of which name only each other."""
    about = {"name": NAME, "email": MAIL}

    def made(kind: str, prefix: str, **fields: Any) -> dict[str, Any]:
        return {"object": kind, "id": f"{prefix}_{mark}", "created": CREATED, **fields}

    return [
        made("payment_method", "pm", type="card", customer=None, billing_details=about),
        made(
            "payment_intent",
            "pi",
            customer=customer,
            payment_method=f"pm_{mark}",
            latest_charge=f"ch_{mark}",
            receipt_email=MAIL,
        ),
        made("charge", "ch", payment_intent=f"pi_{mark}", billing_details=about),
        made("refund", "re", charge=f"ch_{mark}", description=NAME, metadata={}),
        made("dispute", "dp", charge=f"ch_{mark}", evidence={"customer_name": NAME}),
        made("balance_transaction", "txn", source=f"ch_{mark}", description=f"for {NAME}"),
    ]


@dataclass
class Stored:
    """A sync with two customers; the first is to be erased."""

    sync: SyncHarness
    ada: str
    grace: str


@pytest.fixture
def stored(harness: SyncHarness) -> Iterator[Stored]:
    sync = unthrottled(harness)
    customers = sync.stripe.v1.customers
    ada = customers.create({"name": OLD_NAME, "email": MAIL, "metadata": {"of": MAIL}}).id
    grace = customers.create({"name": OTHER, "metadata": {"friend": ada}}).id
    detached = {"object": "payment_method", "id": "pm_old", "created": CREATED, "customer": ada}
    sync.sandbox.control.put(*belongings(ada), detached)
    sync.backfill(*KINDS)
    customers.update(ada, {"name": NAME})
    sync.sandbox.control.put({**detached, "customer": None, "card": {"name": NAME}}, emit=True)
    # Stored only after it was detached: its Stripe event alone names the customer.
    sync.sandbox.control.put(
        {"object": "payment_method", "id": "pm_left", "created": CREATED, "customer": ada}
    )
    left = {"object": "payment_method", "id": "pm_left", "created": CREATED, "customer": None}
    sync.sandbox.control.put({**left, "billing_details": {"email": MAIL}}, emit=True)
    sync.poll()
    yield Stored(sync, ada, grace)


def test_nothing_of_a_customer_is_left_and_everything_of_others(stored: Stored) -> None:
    sync = stored.sync
    others = sync.record(stored.grace)
    before = sync.sql("SELECT seq, id FROM stripe_raw.events ORDER BY seq")
    assert places(sync, *PERSONAL) != []
    counted = erase(sync, stored.ada, dry_run=True)
    assert places(sync, NAME) != []
    assert counted.objects["charge"] == 1

    erased = erase(sync, stored.ada)

    assert places(sync, *PERSONAL) == []
    assert erased.objects == counted.objects
    assert (erased.records, erased.events) == (counted.records, counted.events)
    assert erased.files > 0
    kinds = "balance_transaction charge customer dispute event payment_intent payment_method refund"
    assert set(erased.objects) >= set(kinds.split())
    assert erased.objects["payment_method"] == 3
    assert sync.record(stored.grace) == others
    sync.assert_streams_agree()
    record = sync.record(stored.ada)
    assert record["deleted"] is True
    assert record["payload"] == {"id": stored.ada, "object": "customer", "erased": True}
    last = sync.events(stored.ada)[-1]
    assert (last["event_type"], last["source"], last["changes"]) == ("deleted", "erase", None)
    after = sync.sql("SELECT seq, id FROM stripe_raw.events ORDER BY seq")
    assert after[: len(before)] == before
    assert len(after) == len(before) + erased.records

    again = erase(sync, stored.ada)
    assert (again.records, again.events, again.files, again.objects) == (0, 0, 0, {})
    assert sync.sql("SELECT seq, id FROM stripe_raw.events ORDER BY seq") == after
    assert finish_erasures(*urls(sync), SYNC) == []


def test_requests_of_mutations_are_erased_and_open_ones_are_not_sent(stored: Stored) -> None:
    sync = stored.sync
    update = Mutation("customer", "update", [{"id": stored.ada, "name": OLD_NAME}], key="u")
    intent = {"amount": 100, "currency": "usd", "customer": stored.ada, "description": NAME}
    create = Mutation("payment_intent", "create", [intent], key="c")
    friend = {"id": stored.grace, "metadata": {"friend": stored.ada}}
    others = Mutation("customer", "update", [friend], key="o")
    for each in (update, create, others):
        prepare_mutation(sync.connections, SYNC, each)
    done = [
        mutate(sync.connections, "customer", "update", [record], key=key)
        for key, record in (
            ("d", {"id": stored.ada, "name": NAME}),
            ("r", {"id": stored.ada, "metadata": {"note": NAME * 50}}),
        )
    ]
    assert [report.results[0].status for report in done] == ["done", "refused"]
    before = sync.sandbox.control.objects("customer")

    erase(sync, stored.ada)

    left = "SELECT body FROM stripe_sync.mutations m WHERE to_jsonb(m)::text LIKE %s"
    assert places(sync, *PERSONAL) == []
    assert sync.sql(left, f"%{stored.ada}%") == [(f"metadata[friend]={stored.ada}",)]
    assert sync.sandbox.control.objects("customer") == before
    for mutation in (update, create):
        [result] = run_mutation(sync.connections, SYNC, mutation).results
        assert (result.status, result.error and result.error.code) == ("refused", "object_erased")
    [again] = mutate(
        sync.connections, "customer", "update", [friend | {"name": "x"}], key="d"
    ).results
    assert (again.status, again.record) == ("done", None)
    assert sync.sandbox.control.objects("customer") == before
    assert not run_mutation(sync.connections, SYNC, others).failed


@pytest.mark.parametrize("payment", ["pi_a", "ch_a", "cs_a"])
def test_a_guest_is_erased_by_the_id_of_any_of_their_payments(
    harness: SyncHarness, payment: str
) -> None:
    sync = unthrottled(harness)
    sessions = [
        {
            "object": "checkout.session",
            "id": f"cs_{mark}",
            "created": CREATED,
            "payment_intent": f"pi_{mark}",
            "customer": None,
            "customer_details": {"email": mail},
        }
        for mark, mail in (("a", MAIL), ("b", OTHER))
    ]
    sync.sandbox.control.put(*belongings(None), *sessions)
    sync.backfill("checkout.session", *KINDS)

    erased = erase(sync, payment)

    assert places(sync, *PERSONAL) == []
    assert erased.objects["checkout.session"] == erased.objects["charge"] == 1
    assert sync.record("cs_b")["payload"]["customer_details"] == {"email": OTHER}
    assert finish_erasures(*urls(sync), SYNC) == []


def urls(sync: SyncHarness) -> tuple[str, str]:
    return sync.connections.warehouse_url, sync.connections.lake_url


def test_it_does_not_come_back_whatever_is_read(stored: Stored) -> None:
    sync = stored.sync
    erase(sync, stored.ada)
    stripe_events = sync.stripe.v1.events.list({"limit": 100}).data

    backfill(sync.connections, SYNC, KINDS)
    reconcile(sync.connections, SYNC, KINDS)
    sync.stripe.v1.customers.update(stored.ada, {"name": OLD_NAME})
    sync.sandbox.control.put(*belongings(stored.ada, "b"), emit=True)
    # A replay: Stripe lists events again under other ids.
    sync.sandbox.control.append_events(
        [{**loads(str(e)), "id": f"{e.id}_again"} for e in stripe_events]
    )
    sync.poll(3)
    backfill(sync.connections, SYNC, KINDS)
    finish_erasures(*urls(sync), SYNC)

    assert places(sync, *PERSONAL) == []
    assert sync.record(stored.ada)["deleted"] is True
    assert sync.sql("SELECT 1 FROM stripe_raw.records WHERE upstream_id = 'pi_b'") == []
    sync.assert_streams_agree()


def test_what_came_before_what_it_names_is_erased_by_the_next_maintenance(stored: Stored) -> None:
    sync = stored.sync
    erase(sync, stored.ada)
    objects = {each["object"]: each for each in belongings(stored.ada, "c")}
    sync.sandbox.control.put(objects.pop("refund"), emit=True)
    sync.poll()
    assert places(sync, NAME) != []  # nothing shows yet whose refund it is
    sync.sandbox.control.put(*objects.values(), emit=True)
    sync.poll()
    maintain(sync.connections, SYNC)
    assert places(sync, *PERSONAL) == []


def test_a_warehouse_that_is_rebuilt_from_the_lake_remembers(stored: Stored) -> None:
    sync = stored.sync
    erase(sync, stored.ada)
    sync.poll()  # the lake follows
    for table in (
        "stripe_raw.records",
        "stripe_raw.events",
        "stripe_sync.erased_objects",
        "stripe_sync.syncs",
    ):
        sync.sql(f"DELETE FROM {table} RETURNING 1")
    reload(sync.connections, SYNC)
    sync.assert_streams_agree()
    backfill(sync.connections, SYNC, KINDS)
    assert places(sync, *PERSONAL) == []
    assert sync.record(stored.ada)["deleted"] is True


def test_a_lake_from_before_does_not_bring_it_back(stored: Stored, tmp_path: Path) -> None:
    sync = stored.sync
    lake = Path(sync.connections.lake_url)
    shutil.copytree(lake, tmp_path / "old")
    erase(sync, stored.ada)
    shutil.rmtree(lake)
    shutil.copytree(tmp_path / "old", lake)
    sync.sql("DELETE FROM stripe_raw.records RETURNING 1")
    sync.sql("DELETE FROM stripe_raw.events RETURNING 1")
    reload(sync.connections, SYNC)
    assert [name for name in places(sync, *PERSONAL) if name.startswith("stripe")] == []


def test_set_aside_texts_and_merged_files_are_erased(stored: Stored) -> None:
    sync = stored.sync
    sync.sandbox.control.put(
        {"id": "ch_\0", "object": "charge", "created": CREATED, "customer": stored.ada, "x": NAME}
    )
    backfill(sync.connections, SYNC, ["charge"])
    assert any("set_aside" in place for place in places(sync, NAME))
    maintain(sync.connections, SYNC)
    erase(sync, stored.ada)
    assert places(sync, *PERSONAL) == []
    backfill(sync.connections, SYNC, ["charge"])
    assert places(sync, *PERSONAL) == []
    sync.stripe.v1.customers.update(stored.grace, {"name": "Grace M. Hopper"})
    sync.poll()  # appends to a file that was replaced
    names = [loads(text).get("name") for text in sync.lake.records("customer")["payload"]]
    assert sorted(map(str, names)) == ["Grace M. Hopper", "None"]


class ErasingFiles(MemoryFileSystem):  # type: ignore[misc]
    """A lake in which something happens just before a text that is set aside is written."""

    protocol = "erasing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    before: ClassVar[list[Callable[[], object]]] = []

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        if "/set_aside/" in path and self.before:
            self.before.pop()()
        super().pipe_file(path, value, **options)


def test_a_text_that_is_written_beside_an_erasure_does_not_stay(harness: SyncHarness) -> None:
    fsspec.register_implementation("erasing", ErasingFiles, clobber=True)
    sync, files = unthrottled(harness), fsspec.filesystem("erasing")
    sync = replace(sync, connections=replace(sync.connections, lake_url="erasing://lake"))
    ada = sync.stripe.v1.customers.create({"name": NAME}).id
    sync.backfill("customer")
    for name, customer in (("ch_\0", ada), ("ch_\0other", "cus_other")):
        sync.sandbox.control.put(
            {"id": name, "object": "charge", "created": CREATED, "customer": customer, "x": NAME}
        )
    files.before.append(lambda: erase(sync, ada))

    backfill(sync.connections, SYNC, ["charge"])

    [left] = [path for path in files.store if "/set_aside/" in path]
    assert b"cus_other" in files.cat_file(left)
    rows = sync.sql("SELECT text FROM stripe_sync.set_aside")
    assert len(rows) == 1
    assert ada not in rows[0][0]


def test_a_customer_who_is_not_stored_yet_never_will_be(harness: SyncHarness) -> None:
    sync = unthrottled(harness)
    ada = sync.stripe.v1.customers.create({"name": NAME, "email": MAIL}).id
    sync.sandbox.control.put(*belongings(ada))
    sync.backfill("product")
    erase(sync, ada)
    sync.backfill(*KINDS)
    finish_erasures(*urls(sync), SYNC)
    sync.backfill(*KINDS)
    assert places(sync, *PERSONAL) == []


@pytest.mark.parametrize("wait", range(2))
def test_writers_beside_it_cannot_bring_it_back(harness: SyncHarness, wait: int) -> None:
    sync = unthrottled(harness)
    customers = sync.stripe.v1.customers
    ada = customers.create({"name": NAME, "email": MAIL}).id
    sync.sandbox.control.seed({"customer": 200, "charge": 200})
    sync.sandbox.control.put(*belongings(ada))
    sync.plan(*KINDS)
    failures: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    def changing() -> None:
        for number in range(4 * wait + 2):
            customers.update(ada, {"metadata": {"n": f"{number} {NAME}"}})
            sync.sandbox.control.put(*belongings(ada, f"n{number}"), emit=True)
            sync.poll()

    work = (
        lambda: backfill(sync.connections, SYNC, KINDS),
        changing,
        lambda: erase(sync, ada),
    )
    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    sync.poll(2)
    finish_erasures(*urls(sync), SYNC)
    assert places(sync, *PERSONAL) == []
    sync.assert_streams_agree()


def test_killed_between_any_two_steps_it_ends_as_one_that_was_not(stored: Stored) -> None:
    sync = stored.sync
    for steps in (1, 2, 5, 8):
        arguments = (*urls(sync), SYNC, stored.ada, steps)
        erasing = processes.Process(target=erase_and_die, args=arguments)
        erasing.start()
        erasing.join()
        assert erasing.exitcode == -signal.SIGKILL
    maintain(sync.connections, SYNC)
    assert places(sync, *PERSONAL) == []
    sync.assert_streams_agree()
    ids = sync.sql("SELECT id FROM stripe_raw.events WHERE source = 'erase'")
    erased = sync.sql("SELECT id FROM stripe_raw.records WHERE payload @> '{\"erased\": true}'")
    assert len(ids) == len(erased)
    assert finish_erasures(*urls(sync), SYNC) == []


def test_whatever_names_a_customer_is_erased_in_every_collection(
    backfilled: BackfilledShop, tmp_path: Path
) -> None:
    with backfilled.copy(tmp_path) as shop:
        sync = shop.harness
        customer = most_named(sync)
        named = f"SELECT DISTINCT collection_id FROM stripe_raw.records WHERE {NAMES}"
        before = {name for (name,) in sync.sql(named, customer)}
        assert len(before) > 15, before
        erase(sync, customer)
        assert sync.sql(f"{named} AND NOT deleted", customer) == []
        sync.assert_streams_agree()
        for collection_id, payload in sync.sql(
            "SELECT collection_id, payload FROM stripe_raw.records WHERE payload ? 'erased'"
        ):
            # A key may have parts that the payload has not: its parent's id.
            fields = load_fields()[collection_id]
            key = [name for name in CATALOG[collection_id].key if name in fields]
            assert all(payload[name] for name in key), (collection_id, payload)
            values = [payload[name] for name in payload if name != "erased"]
            assert all(isinstance(value, str) for value in values)
        assert (
            sync.sql(
                "SELECT 1 FROM stripe_raw.records WHERE collection_id = 'stripe:product'"
                " AND deleted"
            )
            == []
        )


NAMES = "position(%s in payload::text) > 0"


def most_named(sync: SyncHarness) -> str:
    """The customer of the shop to whom most belongs."""
    [(customer,)] = sync.sql(
        "SELECT payload ->> 'customer' FROM stripe_raw.records WHERE payload ->> 'customer' <> ''"
        " GROUP BY 1 ORDER BY count(DISTINCT collection_id) DESC, 1 LIMIT 1"
    )
    return str(customer)


def test_the_memory_lasts_as_long_as_the_data(stored: Stored) -> None:
    sync = stored.sync
    erase(sync, stored.ada)
    delete_sync(sync.connections.warehouse_url, SYNC, keep_data=True)
    assert sync.sql("SELECT count(*) FROM stripe_sync.erased_objects")[0][0] > 0
    lake = sync.connections.lake_url
    delete_sync(sync.connections.warehouse_url, SYNC, keep_data=False, lake_url=lake)
    assert sync.sql("SELECT count(*) FROM stripe_sync.erased_objects") == [(0,)]


def test_mistakes_are_refused(harness: SyncHarness) -> None:
    harness.backfill("product")
    with pytest.raises(ConfigurationError, match="cus_"):
        erase(harness, "")
    with pytest.raises(SyncNotFound):
        erase_customer(*urls(harness), "other", "cus_1")


def test_the_command_asks_and_prints_counts(stored: Stored) -> None:
    sync = stored.sync
    environment = dict(zip(("WAREHOUSE_URL", "LAKE_URL"), urls(sync), strict=True))

    def command(*options: str, answer: str | None = None) -> Any:
        arguments = ["erase", SYNC, stored.ada, *options]
        return CliRunner().invoke(app, arguments, env=environment, input=answer)

    counted = command("--dry-run", "--json")
    assert loads(counted.stdout)["objects"]["customer"] == 1
    refused = command(answer="cus_other\n")
    assert refused.exit_code == 1
    assert places(sync, NAME) != []
    done = command(answer=f"{stored.ada}\n")
    assert done.exit_code == 0, done.output
    assert "customer" in done.stdout
    assert places(sync, *PERSONAL) == []
    assert loads(command("--confirm", stored.ada, "--json").stdout)["records"] == 0
