"""Each verb of each collection of the catalogue, over HTTP, as the product sends it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from integration.stripe_sandbox.api import Api
from integration.stripe_sandbox.mutable_world import (
    ENDED,
    NOW,
    ROUTES,
    SILENT,
    STUB,
    WHOLE,
    World,
)
from stripe_sandbox.server import running
from stripe_sync.catalog import Collection
from stripe_sync.mutations.encoding import encode
from stripe_sync.mutations.validation import check


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running() as server, httpx.Client(base_url=server.base_url) as client:
        server.control.clock(freeze=NOW)
        server.control.demo()
        yield World(Api(server, client))


def name_of(value: object) -> str | None:
    return value.name if isinstance(value, Collection) else None


@pytest.mark.parametrize(("collection", "kind", "method", "template"), ROUTES, ids=name_of)
def test_a_verb_does_what_stripe_does(
    world: World, collection: Collection, kind: str, method: str, template: str
) -> None:
    record = world.record(collection, kind, template)
    (request,) = check(collection.id, kind, [record])
    assert request.template == template
    version = {"stripe_version": collection.api_version} if collection.api_version else {}
    head = {"idempotency_key": f"{collection.id} {kind} {template}", **version}
    path, body = template.format(**request.path_params), encode(request.body)
    if method == "delete":
        answer = world.api.call("DELETE", f"{path}?{body}" if body else path, **head)
        expected_key = None
    else:
        answer = world.api.call("POST", path, data=body, **head)
        expected_key = head["idempotency_key"]
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["object"] == collection.object
    events = world.events_of(answer)
    assert {event["request"]["idempotency_key"] for event in events} <= {expected_key}
    assert bool(events) is not (f"{method.upper()} {template}" in SILENT)
    if kind == "delete":
        assert made.get("deleted") is (None if collection.name in ENDED else True)
        assert (len(made) > len(STUB)) is (collection.name in WHOLE)
        assert world.api.call("DELETE", path, **version).status_code == 404
    else:
        again = world.api.call("POST", path, data=body, **head)
        assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
        assert not world.events_of(again)
