"""Every verb of every mutable collection: Stripe and the streams agree, each change is once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.stripe_sandbox.api import Api
from integration.stripe_sandbox.mutable_world import ROUTES, World
from shop import BackfilledShop
from stripe_sync import Mutation, MutationResult
from stripe_sync.catalog import Collection
from stripe_sync.mutations.mutator import Mutator, open_mutator
from stripe_sync.sync.poll.poller import Poller
from sync_harness import SyncHarness, unthrottled

Doc = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a verb left.

    Attributes:
        result: Its result.
        written: Change events of the object when the call returned.
        later: Those that polling added.
        reported: Stripe events of the collection about the object.
        state: The object at Stripe, None where it is gone or cannot be retrieved.
        payload: Its record.
    """

    result: MutationResult
    written: list[Doc]
    later: list[Doc]
    reported: list[Doc]
    state: Doc | None
    payload: Doc


class WrittenShop:
    """The backfilled shop, written to by one mutator, polled by one poller."""

    def __init__(self, harness: SyncHarness, client: httpx.Client) -> None:
        self.harness = harness
        self.api = Api(harness.sandbox, client)
        self.world = World(self.api)

    def run_all(self) -> dict[tuple[str, ...], Outcome]:
        async def run() -> dict[tuple[str, ...], Outcome]:
            async with (
                self.harness.polling() as poller,
                open_mutator(poller._session) as mutator,
            ):
                return {
                    (collection.id, kind, method, template): await self._run(
                        poller, mutator, collection, kind, template
                    )
                    for collection, kind, method, template in ROUTES
                }

        return asyncio.run(run())

    async def _run(
        self, poller: Poller, mutator: Mutator, collection: Collection, kind: str, template: str
    ) -> Outcome:
        record = self.world.record(collection, kind, template)
        await poller.poll()  # what prepared the object
        known = {event["id"] for event in self._events()}
        [[seq]] = self.harness.sql("SELECT last_seq FROM stripe_sync.stream_position")
        [result] = (await mutator.run(Mutation(collection.id, kind, [record]))).results
        name = str(result.upstream_id)
        written = self._changes(collection, name, seq)
        await poller.poll()
        payload: Doc = (result.record or {}).get("payload", {})
        reported = [
            event
            for event in self._events()
            if event["id"] not in known
            and event["data"]["object"]["object"] == collection.object
            and event["data"]["object"].get("id") == payload.get("id")
            and not collection.ignores(event["type"])
        ]
        stored = self.harness.sql(
            "SELECT payload FROM stripe_raw.records WHERE collection_id = %s AND upstream_id = %s",
            collection.id,
            name,
        )
        return Outcome(
            result,
            written,
            self._changes(collection, name, seq)[len(written) :],
            reported,
            self._state(collection, payload),
            stored[0][0] if stored else {},
        )

    def _events(self) -> list[Doc]:
        found: list[Doc] = self.api.get("/v1/events", {"limit": 100})["data"]
        return found

    def _changes(self, collection: Collection, name: str, after: int) -> list[Doc]:
        changes = [each for each in self.harness.events(name) if each["seq"] > after]
        return [each for each in changes if each["collection_id"] == collection.id]

    def _state(self, collection: Collection, payload: Doc) -> Doc | None:
        request = collection.retrieve_request(payload)
        if request is None:
            return None
        params = [("expand[]", name) for name in collection.expand]
        version = {"stripe_version": collection.api_version} if collection.api_version else {}
        answer = self.api.call("GET", request[0].format(**request[1]), params=params, **version)
        state: Doc = answer.json()
        return None if answer.status_code != 200 or state.get("deleted") else state


@pytest.fixture(scope="module")
def outcomes(
    backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, ...], Outcome]]:
    folder: Path = tmp_path_factory.mktemp("shop")
    with backfilled.copy(folder) as shop:
        harness = unthrottled(shop.harness)
        with httpx.Client(base_url=harness.sandbox.base_url) as client:
            found = WrittenShop(harness, client).run_all()
            harness.assert_streams_agree()
            yield found


def name_of(value: object) -> str | None:
    return value.name if isinstance(value, Collection) else None


@pytest.mark.parametrize(("collection", "kind", "method", "template"), ROUTES, ids=name_of)
def test_a_verb(
    outcomes: dict[tuple[str, ...], Outcome],
    collection: Collection,
    kind: str,
    method: str,
    template: str,
) -> None:
    outcome = outcomes[collection.id, kind, method, template]
    assert outcome.result.ok, outcome.result
    assert outcome.result.collection_id == collection.id
    own = [each for each in outcome.written if each["source"] == "mutation"]
    # It stands for one Stripe event about the object; the others have change events of their own.
    expected = max(len(outcome.reported) - len(own), 0)
    reported = [(e["type"], e["data"].get("previous_attributes")) for e in outcome.reported]
    changes = [(e["event_type"], e["changes"], e["source"]) for e in [*own, *outcome.later]]
    assert len(outcome.later) == expected, (changes, reported)
    if kind == "create":
        assert [each["event_type"] for each in own] == ["created"]
    if outcome.state is not None:
        redacted = {key for key, value in outcome.payload.items() if value == "[redacted]"}
        differing = {
            key
            for key in outcome.state.keys() | outcome.payload.keys()
            if outcome.state.get(key) != outcome.payload.get(key)
        }
        assert differing <= redacted | set(collection.volatile)
