"""docs/consumers/webhook.md: its receiver, as printed, and what it declares."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import yaml

from integration.consumers.webhook.receiver import SECRET, batch, event, sink_to
from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.consumers.sink import Outcome, TargetError
from stripe_sync.consumers.sinks.webhook import WebhookSettings, new_webhook_secret
from stripe_sync.records import canonical_json

DOCS = (Path(__file__).parents[4] / "docs" / "consumers" / "webhook.md").read_text("utf-8")


@contextmanager
def printed_receiver() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    [program] = re.findall(r"```python\n(.*?)```", DOCS, re.S)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = dict(os.environ) | {"WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}/", process
        finally:
            process.kill()


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError


def test_the_printed_receiver_takes_what_is_signed_and_nothing_else() -> None:
    items = [event(seq) for seq in range(1, 4)]

    async def run(url: str) -> None:
        async with sink_to(url, secret=f"{new_webhook_secret()} {SECRET}") as sink:
            assert await sink.deliver(batch(*items)) == Outcome()
        async with sink_to(url, secret=new_webhook_secret()) as sink:
            try:
                await sink.deliver(batch(event(4)))
            except TargetError as error:
                assert "401" in str(error)
            else:
                raise AssertionError
        headers = {"webhook-id": "1", "webhook-timestamp": str(int(time.time()))}  # noqa: TID251
        async with aiohttp.ClientSession() as session:
            for signature in ("", "v1", "v1,not base64", "v2,abc", "v1,abcd"):
                signed = headers | {"webhook-signature": signature}
                async with session.post(url, data=b"{}", headers=signed) as response:
                    assert response.status == 401

    with printed_receiver() as (url, process):
        asyncio.run(run(url))
        assert process.stdout is not None
        lines = {process.stdout.readline() for _ in items}
        process.kill()
        rest = process.stdout.read()
    expected = ((item.json()["id"], item.upstream_id) for item in items)
    assert lines == {f"{id_} {name}\n" for id_, name in expected}
    assert rest == ""


def test_what_it_declares_is_valid() -> None:
    [declared] = re.findall(r"```yaml\n(.*?)```", DOCS, re.S)
    for consumer in yaml.safe_load(declared)["consumers"]:
        assert isinstance(ConsumerSpec.of(consumer).sink_settings(), WebhookSettings)
    [body] = re.findall(r"-d '(.*?)'", DOCS, re.S)
    ConsumerSpec.of(canonical_json.loads(body) | {"connection_id": "made"})


def test_it_has_all_settings() -> None:
    table = DOCS.partition("| setting |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set(WebhookSettings.model_fields)
