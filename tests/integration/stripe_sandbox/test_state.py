from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripe_sandbox.control import SandboxControl
from stripe_sandbox.resources.resource_spec import LAST_LEGACY, Resource
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL
from stripe_sandbox.server import running
from stripe_sandbox.state import state_file
from stripe_sandbox.state.sandbox_state import State

NOW = 1_790_000_000
TOP_LEVEL_PARAMS = [pytest.param(resource, id=resource.object) for resource in TOP_LEVEL]
ODD = {
    "max": 2**63 - 1, "unsigned": 2**64 - 1, "min": -(2**63), "nul": "a\u0000b",
    "text": "Zoë 漢字 🛟",
    "float": 0.1, "one": 1.0, "empty": {}, "none": None, "deep": [[{"a": []}]], "quote": "\"\\/",
}  # fmt: skip


@pytest.mark.parametrize("resource", TOP_LEVEL_PARAMS)
def test_objects_come_back_as_they_were_put(api: Any, resource: Resource) -> None:
    doc = {"odd": ODD, "id": "x", "object": resource.object, resource.created_field: NOW}
    if resource.default_filter is not None:
        doc[resource.default_filter.field] = (
            resource.default_filter.value if resource.default_filter.equal else "other"
        )
    api.control.put(doc)
    version = {"stripe_version": LAST_LEGACY} if resource.is_legacy else {}
    for answer in (
        api.call("GET", resource.path, **version),
        api.call("GET", f"{resource.path}/x", **version),
    ):
        if answer.status_code == 404 and "r" not in resource.ops:
            continue
        body = orjson.loads(answer.content)
        found = body["data"][0] if body["object"] == "list" else body
        assert list(found.items()) == list(doc.items())
        assert [type(v) for v in found["odd"].values()] == [type(v) for v in ODD.values()]


def test_seeds_are_deterministic_and_spread_as_asked(api: Any) -> None:
    def seeded(**details: Any) -> list[Any]:
        api.control.reset()
        api.control.seed({"customer": 40}, start=1000, end=2000, **details)
        return api.control.objects("customer")

    first = seeded(seed=7)
    assert seeded(seed=7) == first
    assert {d["id"] for d in seeded(seed=8)}.isdisjoint(d["id"] for d in first)
    assert [d["created"] for d in first] == [1000 + 25 * n for n in range(1, 41)]
    burst = {d["created"] for d in seeded(spread="burst")}
    assert burst <= set(range(1000, 1004))
    assert all(1000 <= d["created"] <= 2000 for d in seeded(spread="random"))


def test_seeds_can_write_events(api: Any) -> None:
    api.control.seed({"customer": 3}, start=NOW - 100, end=NOW, emit=True)
    assert api.event_types() == ["customer.created"] * 3


def test_the_demo_fills_every_collection_and_refers_to_what_exists(api: Any) -> None:
    made = api.control.demo()
    assert 2000 < sum(made.values()) < 3000
    assert {resource.object for resource in TOP_LEVEL} - {"event"} <= set(made)
    customers = {doc["id"] for doc in api.control.objects("customer")}
    charges = api.control.objects("charge")
    named = [doc["customer"] for doc in charges if doc["customer"]]
    assert named
    assert set(named) <= customers
    assert any(len(doc["lines"]["data"]) > 10 for doc in api.control.objects("invoice"))


def test_reset_forgets_everything(api: Any) -> None:
    api.control.seed({"customer": 3})
    api.control.settings(latency=0.01)
    api.control.add_key("sk_test_other")
    api.control.reset()
    assert api.ids("/v1/customers") == []
    assert api.control.settings()["latency"] == 0
    api.refused(401, "GET", "/v1/customers", key="sk_test_other")


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sandbox.json"
    with running() as first:
        first.control.clock(freeze=NOW)
        first.control.seed({"customer": 5}, emit=True)
        first.control.put({"id": "cus_odd", "object": "customer", "created": 5, "odd": ODD})
        first.control.add_account("acct_other", api_version="2024-06-20")
        first.control.add_key("rk_live_x", account="acct_other", permissions=["rak_customer_read"])
        first.control.settings(latency=0.001)
        before = (first.control.objects("customer"), first.control.objects("event"))
        state_file.save(first.app.holder.state, path)
    assert [p.name for p in path.parent.iterdir()] == ["sandbox.json"]
    with running(state=state_file.load(path)) as second:
        assert (second.control.objects("customer"), second.control.objects("event")) == before
        assert second.control.settings()["latency"] == 0.001
        assert second.control.clock() == NOW
        assert second.app.holder.state.keys["rk_live_x"].account == "acct_other"


def test_a_damaged_state_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    state_file.save(State(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(state_file.StateFileError):
        state_file.load(path)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_and_keeps_its_data(tmp_path: Path, ending: signal.Signals) -> None:
    path = tmp_path / "sandbox.json"
    kept = []
    for begin in (True, False):
        process = start("--port", "0", "--state", str(path), "--seed", "demo")
        assert process.stdout is not None
        base_url = process.stdout.readline().split(" on ")[1].split()[0]
        control = SandboxControl(base_url)
        if begin:
            # The demo's objects are the same each time.
            control.mutate("customer", control.objects("customer")[0]["id"], {"name": "Kept"})
        kept.append(control.objects("customer"))
        process.send_signal(ending)
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert kept[0] == kept[1]
    assert kept[1][0]["name"] == "Kept"


def test_the_command_prints_why_it_cannot_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start("--port", port)
        _, error = process.communicate(timeout=20)
    assert process.returncode != 0
    assert error.strip().splitlines() == [
        f"stripe-sandbox: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]
    process = start("--host", "0.0.0.0", "--port", "0")
    _, error = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "loopback" in error


def test_the_control_interface_documents_itself(api: Any) -> None:
    with urllib.request.urlopen(f"{api.server.base_url}/_sandbox/docs", timeout=10) as answer:
        assert b"Stripe sandbox" in answer.read()
