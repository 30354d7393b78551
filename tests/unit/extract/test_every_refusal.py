"""Every list below a parent, and every expanded field, may be refused without losing the rest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from stripe_sandbox.server import Running, running
from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.client import Credential, StripeApi
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.reader import CollectionReader
from stripe_sync.extract.requester import Requester
from unit.client.scripted_stripe import VERSION, RecordingPacer, WaitlessClock
from unit.extract.scripted_reads import RecordsInMemory

pytestmark = pytest.mark.anyio

CATALOG = load_catalog()

BELOW_PARENTS = [
    pytest.param(collection, path, status, id=f"{collection.name}-{path}-{status}")
    for (collection, path), status in zip(
        [
            (collection, call.path)
            for collection in CATALOG.values()
            for call in collection.lists
            if call.parent
        ],
        cycle((400, 403, 404)),
        strict=False,
    )
]

EXPANDED = [collection for collection in CATALOG.values() if collection.expand]

THROUGH_EXPANDED = [
    collection
    for collection in CATALOG.values()
    if any(call.expand for call in collection.lists)
    or any(source.expand for source in collection.sources)
]


@pytest.fixture(scope="module")
def shop() -> Iterator[Running]:
    """The demo's shop."""
    with running() as sandbox:
        sandbox.control.demo()
        # More than Stripe embeds, so that the rest has to be asked for.
        for kind in ("tax_id", "source"):
            first = next(obj for obj in sandbox.control.objects(kind) if obj.get("customer"))
            copies = ({**first, "id": f"{first['id']}_{number}"} for number in range(12))
            sandbox.control.put(*copies)
        yield sandbox


@pytest.fixture(autouse=True)
def no_faults(shop: Running) -> Iterator[None]:
    yield
    shop.control.no_faults()


@dataclass
class Found:
    """What a reading returned: parents by key, keys of tombstones, and the message."""

    parents: dict[str, str | None] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)
    message: str | None = None


@asynccontextmanager
async def context(shop: Running, stored: RecordsInMemory) -> AsyncIterator[ReadContext]:
    clock = WaitlessClock()
    api = StripeApi(
        Credential(shop.api_key, shop.base_url),
        api_version=VERSION,
        rate_limiter=RecordingPacer(),
        clock=clock,
    )
    async with api:
        yield ReadContext(
            Requester(api, clock), CATALOG, VERSION, redact=True, livemode=False, stored=stored
        )


async def read(shop: Running, collection: Collection, ghosts: dict[str, list[str]]) -> Found:
    """Read a collection of which something is stored below each parent that is listed no more."""
    stored = RecordsInMemory(below={collection.id: ghosts})
    found = Found()
    async with context(shop, stored) as made:
        async for each in CollectionReader(collection, made).full():
            for observation in (o for item in each.items for o in item.observations):
                if observation.deleted:
                    found.tombstones.add(observation.upstream_id)
                else:
                    found.parents[observation.upstream_id] = observation.parent_id
        found.message = made.requester.refusals.message
    return found


@pytest.mark.parametrize(("collection", "path", "status"), BELOW_PARENTS)
async def test_a_list_that_is_refused_for_one_parent_costs_only_its_children(
    shop: Running, collection: Collection, path: str, status: int
) -> None:
    whole = await read(shop, collection, {})
    parents = {parent for parent in whole.parents.values() if parent}
    endpoint = f"GET {re.sub('{[a-z_]+}', '*', path)}"
    shop.control.fault("refuse", endpoint=endpoint, status=status, next=1, code="no")
    # Where something is stored below a parent, a list that is read once is not asked for.
    ghosts = {} if collection.lists[0].read_once else {n: [f"ghost of {n}"] for n in parents}
    part = await read(shop, collection, ghosts)
    prefix = f"in part: without {path} of "
    assert part.message is not None
    assert part.message.startswith(prefix)
    refused = part.message.removeprefix(prefix).partition(":")[0]
    missing = whole.parents.keys() - part.parents.keys()
    assert {whole.parents[key] for key in missing} <= {refused}
    assert len(part.parents) > len(missing)
    assert f"ghost of {refused}" not in part.tombstones


async def test_a_list_that_fails_for_one_parent_costs_only_its_children(shop: Running) -> None:
    collection = CATALOG.resolve("capability")
    whole = await read(shop, collection, {})
    refused = min(parent for parent in whole.parents.values() if parent)
    shop.control.fault("refuse", url=f"/v1/accounts/{refused}/*", status=500)
    part = await read(shop, collection, {refused: ["ghost"]})
    rest = {key for key, parent in whole.parents.items() if parent != refused}
    assert part.parents.keys() == rest != set()
    assert not part.tombstones
    assert refused in str(part.message)


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("collection", EXPANDED, ids=lambda collection: collection.name)
async def test_fields_that_are_not_expanded_cost_no_object(
    shop: Running, collection: Collection, status: int
) -> None:
    shop.control.fault("refuse", expand="*", status=status, message="Bad expand")
    part = await read(shop, collection, {})
    assert set(part.parents) == {obj["id"] for obj in shop.control.objects(collection.object)}
    for name in collection.expand:
        assert f"without the field {name} of {collection.lists[0].path}" in str(part.message)


@pytest.mark.parametrize("collection", THROUGH_EXPANDED, ids=lambda collection: collection.name)
async def test_a_collection_that_is_read_through_expanded_fields_names_those_that_are_refused(
    shop: Running, collection: Collection
) -> None:
    shop.control.fault("refuse", expand="*", status=400, message="Bad expand")
    part = await read(shop, collection, {})
    assert str(part.message).startswith("in part: without the field ")
