"""Every public function fails with an error of this project, whatever a driver raises."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import psycopg
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import stripe_sync
from databases import new_database
from stripe_sandbox.server import running
from stripe_sync import (
    Connections,
    Credential,
    DeclaredSync,
    KeyProperties,
    LakeError,
    Mutation,
    NewAuthorization,
    OAuthAuthorization,
    ProxyRequest,
    StoredAccount,
    StoredCredential,
    StripeSyncError,
    WarehouseError,
)
from stripe_sync.accounts.oauth.state import new_state
from stripe_sync.libpq import connection_parameters, render_warehouse_url

Call = Callable[[Connections], object]


def _listen(connections: Connections) -> object:
    async def first() -> object:
        return await anext(
            stripe_sync.listen_streams(connections.warehouse_url, seconds=0, watcher="test")
        )

    return asyncio.run(first())


def _stored(connections: Connections) -> StoredCredential:
    credential = connections.credential
    return StoredCredential("a", credential.api_key, "A", {"api_base": credential.api_base})


def _live(connections: Connections) -> Connections:
    base = connections.credential.api_base
    return replace(connections, credential=Credential("sk_live_sandbox", base))


_CRM = stripe_sync.ConsumerSpec(name="crm", kind="pull")
_DECLARED = [DeclaredSync(name="north")]
_MUTATION = Mutation("customer", "create", [{"name": "A"}])
_AUTHORIZATION = OAuthAuthorization(
    *("id", "op", False, "stripe_platform", None, None, {}, "started", False),
    *(None, None, None, None, None, None),
)

CALLS: dict[str, Call] = {
    "backfill": lambda c: stripe_sync.backfill(c, collections=["customer"]),
    "backfill_collection": lambda c: stripe_sync.backfill_collection(c, "default", "customer"),
    "plan_backfill": lambda c: stripe_sync.plan_backfill(c, "default", ["customer"]),
    "poll": lambda c: stripe_sync.poll(c, seconds=0.01),
    "poll_syncs": lambda c: stripe_sync.poll_syncs(lambda _: c, c.warehouse_url, seconds=0.01),
    "reconcile": lambda c: stripe_sync.reconcile(c, collections=["customer"]),
    "reconcile_collection": lambda c: stripe_sync.reconcile_collection(c, "default", "customer"),
    "plan_reconcile": stripe_sync.plan_reconcile,
    "reload": lambda c: stripe_sync.reload(c, collections=["customer"]),
    "reload_collection": lambda c: stripe_sync.reload_collection(c, "default", "customer"),
    "plan_reload": lambda c: stripe_sync.plan_reload(c, "default", []),
    "maintain": stripe_sync.maintain,
    "status": stripe_sync.status,
    "list_connected_accounts": lambda c: stripe_sync.list_connected_accounts(c, "default"),
    "sync_connected_accounts": lambda c: stripe_sync.sync_connected_accounts(c, "default", ["all"]),
    "resume_if_connected": lambda c: stripe_sync.resume_if_connected(c, "default"),
    "syncs_to_backfill": lambda c: stripe_sync.syncs_to_backfill(c.warehouse_url),
    "check_syncs": lambda c: stripe_sync.check_syncs(c.warehouse_url),
    "rebuild_types": lambda c: stripe_sync.rebuild_types(c.warehouse_url),
    "list_syncs": lambda c: stripe_sync.list_syncs(c.warehouse_url),
    "describe_syncs": lambda c: stripe_sync.describe_syncs(c.warehouse_url),
    "get_sync": lambda c: stripe_sync.get_sync(c.warehouse_url, "default"),
    "create_sync": lambda c: stripe_sync.create_sync(c.warehouse_url, "eu", livemode=False),
    "update_sync": lambda c: stripe_sync.update_sync(c.warehouse_url, "default", metadata={}),
    "pause_sync": lambda c: stripe_sync.pause_sync(c.warehouse_url, "default"),
    "resume_sync": lambda c: stripe_sync.resume_sync(c.warehouse_url, "default"),
    "delete_sync": lambda c: stripe_sync.delete_sync(c.warehouse_url, "default", keep_data=True),
    "describe_overview": lambda c: stripe_sync.describe_overview(c.warehouse_url),
    "sync_activity": lambda c: stripe_sync.sync_activity(c.warehouse_url, "default"),
    "sync_status": lambda c: stripe_sync.sync_status(c.warehouse_url, "default"),
    "check_runnable": lambda c: stripe_sync.check_runnable(c.warehouse_url, "default"),
    "sync_settings": lambda c: stripe_sync.sync_settings(c, "default"),
    "plan_apply": lambda c: stripe_sync.plan_apply(c.warehouse_url, _DECLARED),
    "apply_syncs": lambda c: list(stripe_sync.apply_syncs(c.warehouse_url, _DECLARED)),
    "replicate_sync": lambda c: stripe_sync.replicate_sync(_live(c), "default", "shop"),
    "choose_sync": lambda c: stripe_sync.choose_sync(c, "acct_1"),
    "find_missing_data": lambda c: stripe_sync.find_missing_data(
        c.warehouse_url, c.lake_url, "default"
    ),
    "erase_customer": lambda c: stripe_sync.erase_customer(
        c.warehouse_url, c.lake_url, "default", "cus_1"
    ),
    "finish_erasures": lambda c: stripe_sync.finish_erasures(
        c.warehouse_url, c.lake_url, "default"
    ),
    "import_credential": lambda c: stripe_sync.import_credential(
        KeyProperties(c.credential.api_key, api_base=c.credential.api_base),
        [],
        warehouse_url=c.warehouse_url,
    ),
    "change_credential": lambda c: stripe_sync.change_credential(
        _stored(c), {"secret_key": c.credential.api_key}, warehouse_url=c.warehouse_url
    ),
    "describe_credentials": lambda c: stripe_sync.describe_credentials(
        [_stored(c)], c.warehouse_url
    ),
    "probe_stored_credential": lambda c: stripe_sync.probe_stored_credential(
        _stored(c), warehouse_url=c.warehouse_url
    ),
    "start_authorization": lambda c: stripe_sync.start_authorization(
        c.warehouse_url,
        NewAuthorization("op", "stripe_platform", "https://localhost/"),
        c.credential,
        "ca_1",
        secret="s",
    ),
    "find_authorization": lambda c: stripe_sync.find_authorization(
        c.warehouse_url, new_state("s"), secret="s", user_name=None
    ),
    "deny_authorization": lambda c: stripe_sync.deny_authorization(c.warehouse_url, _AUTHORIZATION),
    "complete_authorization": lambda c: stripe_sync.complete_authorization(
        c.warehouse_url,
        _AUTHORIZATION,
        "ac_1",
        open_platform=lambda _: c.credential,
        store=lambda _: StoredAccount("a"),
    ),
    "mutate": lambda c: stripe_sync.mutate(c, "customer", "create", [{"name": "A"}]),
    "prepare_mutation": lambda c: stripe_sync.prepare_mutation(c, "default", _MUTATION),
    "run_mutation": lambda c: stripe_sync.run_mutation(c, "default", _MUTATION),
    "run_prepared_mutation": lambda c: stripe_sync.run_prepared_mutation(c, "default", "key"),
    "ask_approval": lambda c: stripe_sync.ask_approval(c.warehouse_url, "of a task", "key"),
    "store_approval": lambda c: stripe_sync.store_approval(c.warehouse_url, "of a task", "op"),
    "find_approval": lambda c: stripe_sync.find_approval(c.warehouse_url, "of a task"),
    "find_prepared_mutation": lambda c: stripe_sync.find_prepared_mutation(c, "default", "key"),
    "proxy_request": lambda c: stripe_sync.proxy_request(
        c, "default", ProxyRequest("GET", "v1/customers")
    ),
    "wait_for_consumers": lambda c: asyncio.run(
        stripe_sync.wait_for_consumers(
            *(c.warehouse_url, "default", ["lake"], 1), collection_id="stripe:plan", seconds=0
        )
    ),
    "apply_consumers": lambda c: list(stripe_sync.apply_consumers(c.warehouse_url, [_CRM])),
    "plan_consumers": lambda c: stripe_sync.plan_consumers(c.warehouse_url, [_CRM]),
    "create_consumer": lambda c: stripe_sync.create_consumer(c.warehouse_url, "crm", "pull"),
    "dead_letters": lambda c: stripe_sync.dead_letters(c.warehouse_url, "crm"),
    "delete_consumer": lambda c: stripe_sync.delete_consumer(c.warehouse_url, "crm"),
    "describe_consumers": lambda c: stripe_sync.describe_consumers(c.warehouse_url),
    "get_consumer": lambda c: stripe_sync.get_consumer(c.warehouse_url, "crm"),
    "pause_consumer": lambda c: stripe_sync.pause_consumer(c.warehouse_url, "crm"),
    "redeliver_dead_letters": lambda c: stripe_sync.redeliver_dead_letters(c.warehouse_url, "crm"),
    "reopen_consumer": lambda c: stripe_sync.reopen_consumer(c.warehouse_url, "crm"),
    "replay_consumer": lambda c: stripe_sync.replay_consumer(c.warehouse_url, "crm", "all"),
    "resume_consumer": lambda c: stripe_sync.resume_consumer(c.warehouse_url, "crm"),
    "update_consumer": lambda c: stripe_sync.update_consumer(c.warehouse_url, "crm", metadata={}),
    "deliver": lambda c: stripe_sync.deliver(c.warehouse_url, {}.__getitem__, seconds=0),
    "iterate_stream": lambda c: next(
        stripe_sync.iterate_stream(c.warehouse_url, stripe_sync.Selection.of("events"))
    ),
    "listen_streams": _listen,
    "dbt_environment": lambda c: stripe_sync.dbt_environment(c.warehouse_url, Path("/scratch")),
}
WITHOUT_CONNECTIONS = {
    *("check_credential", "create_key_url", "dbt_command", "describe_health", "fetch_account_id"),
    *("check_verb", "describe_mutation", "follow_new_key", "load_catalog"),
    *(
        "mutable_collections",
        "new_webhook_secret",
        "read_consumer_file",
        "read_sync_file",
        "render_warehouse_url",
    ),
    *("report_json", "scrubbed", "single_values", "verbs_of"),
}
LAKE_ONLY = {"plan_reload", "reload", "reload_collection"}
OFFLINE = {"dbt_environment"}


@pytest.fixture(scope="module")
def connections(
    postgres_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connections]:
    """A sync that works; the tests break one of its connections."""
    lake = tmp_path_factory.mktemp("lake")
    with running() as sandbox, new_database(postgres_url, like=migrated) as url:
        sandbox.control.seed({"customer": 2})
        works = Connections(Credential(sandbox.api_key, sandbox.base_url), url, str(lake))
        stripe_sync.backfill(works, collections=["product"])
        yield works


def test_every_public_function_is_called_here() -> None:
    public = {name: getattr(stripe_sync, name) for name in stripe_sync.__all__}
    functions = {name for name, value in public.items() if inspect.isroutine(inspect.unwrap(value))}
    assert functions == CALLS.keys() | WITHOUT_CONNECTIONS


@pytest.mark.parametrize("name", sorted(CALLS.keys() - OFFLINE))
def test_a_warehouse_that_does_not_answer(connections: Connections, name: str) -> None:
    broken = replace(connections, warehouse_url="postgresql://u:secret@127.0.0.1:1/db")
    with pytest.raises(StripeSyncError) as caught:
        CALLS[name](broken)
    assert "secret" not in str(caught.value)
    assert name in LAKE_ONLY or "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize("name", sorted(CALLS.keys()))
def test_a_warehouse_url_with_a_wrong_parameter(connections: Connections, name: str) -> None:
    broken = replace(connections, warehouse_url=f"{connections.warehouse_url}&sslmod=require")
    with pytest.raises(StripeSyncError) as caught:
        CALLS[name](broken)
    assert name in LAKE_ONLY or "'sslmod'" in str(caught.value)


@pytest.fixture(scope="module")
def stranger_url(connections: Connections) -> Iterator[str]:
    """The warehouse, as a role without any right."""
    url = connections.warehouse_url
    with psycopg.connect(url, autocommit=True) as admin:
        role = f"stranger_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN")
        yield render_warehouse_url(connection_parameters(url) | {"user": role})
        admin.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("name", sorted(CALLS.keys() - OFFLINE))
def test_a_role_without_rights(connections: Connections, stranger_url: str, name: str) -> None:
    broken = replace(connections, warehouse_url=stranger_url)
    with pytest.raises(StripeSyncError) as caught:
        CALLS[name](broken)
    assert name in LAKE_ONLY or isinstance(caught.value, WarehouseError)


class _ForeignError(Exception):
    """An error like those of botocore: of a driver's own class."""


class _RefusingFiles(MemoryFileSystem):  # type: ignore[misc]
    """An object store whose driver fails in its own way."""

    protocol = "refusing"

    def _fail(self, *_: object, **__: object) -> None:
        message = "no credentials"
        raise _ForeignError(message)

    ls = info = find = exists = open = pipe_file = makedirs = mkdirs = _fail


@pytest.mark.parametrize("url", ["refusing://bucket/lake", "nowhere://bucket/lake"])
@pytest.mark.parametrize("name", ["backfill", "reload", "maintain"])
def test_a_lake_whose_driver_fails(connections: Connections, name: str, url: str) -> None:
    fsspec.register_implementation("refusing", _RefusingFiles, clobber=True)
    with pytest.raises(LakeError) as caught:
        CALLS[name](replace(connections, lake_url=url))
    assert str(caught.value)


def test_a_lake_that_cannot_be_written(connections: Connections, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="cannot write the lake"):
        CALLS["backfill"](replace(connections, lake_url=str(tmp_path / "file" / "lake")))
