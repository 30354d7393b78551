"""Missing objects: how each is retrieved, and which of those that changes name."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.references import retrieved_by_id
from stripe_sync.errors import PermissionDenied
from stripe_sync.extract.extractors.missing import LIVE_RETRIEVALS, MissingReader, NamedObjects
from stripe_sync.records import MissingObject, Observation
from unit.catalog.naming_payloads import CATALOG, id_of, payload_naming, retrievable
from unit.client.scripted_stripe import error, found
from unit.extract.scripted_reads import Reads, reads

pytestmark = pytest.mark.anyio

PARENTS = ("account", "application_fee", "payment_link", "quote")
GONE = error(404, code="resource_missing", message="No such object")
PRICE = {"id": "price_1", "object": "price"}
ITEM = {"id": "si_1", "object": "subscription_item", "price": PRICE}


@pytest.mark.parametrize("target_id", sorted(retrievable()))
async def test_an_object_is_retrieved_from_every_path_that_names_it(target_id: str) -> None:
    target, name = CATALOG[target_id], id_of(CATALOG[target_id])
    obj = {"id": name, "object": target.object}
    paths = retrievable()[target_id]
    by_id = retrieved_by_id(target)
    answers = [found(obj if by_id else payload_naming(path, obj)) for _, path in paths]
    async with reads(*answers, include_parents=PARENTS) as made:
        for host_id, path in paths:
            missing = MissingObject(target_id, name, host_id, "naming", path)
            observation = await MissingReader(made.context).retrieve(missing)
            assert isinstance(observation, Observation), f"{host_id} {path}: {observation}"
            assert (observation.collection_id, observation.upstream_id) == (target_id, name)
        assert all((name if by_id else "naming") in target for target in made.targets)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (GONE, "No such object"),
        (error(400, message="You cannot"), "You cannot"),
        (found({"id": "cus_1", "object": "customer", "deleted": True}), "deleted"),
        (found({"id": "cus_1", "object": "card"}), "card"),
        (found({"id": "cus_2", "object": "customer"}), "cus_2"),
    ],
)
async def test_what_stripe_does_not_have_is_no_error(answer: Any, why: str) -> None:
    async with reads(answer) as made:
        missing = MissingObject("stripe:customer", "cus_1", "stripe:charge", "ch_1", "customer")
        assert why in str(await MissingReader(made.context).retrieve(missing))


async def test_what_the_key_may_not_read_is_an_error_to_try_again_after() -> None:
    refused = error(403, message="The key does not have rak_price_read")
    async with reads(refused) as made:
        missing = MissingObject("stripe:price", "price_1", "stripe:item", "li_1", "price")
        with pytest.raises(PermissionDenied):
            await MissingReader(made.context).retrieve(missing)


async def named(
    made: Reads, *objects: dict[str, Any], known: tuple[str, str] = ("", "")
) -> list[str]:
    hosts = [(f"stripe:{obj['object']}", obj) for obj in objects]
    return [each.upstream_id for each in await NamedObjects(made.context).find(hosts, {known})]


async def test_a_changed_object_brings_the_missing_objects_that_it_names_once() -> None:
    async with reads(found(PRICE)) as made:
        made.stored.complete.add("stripe:price")
        assert await named(made, ITEM, ITEM) == ["price_1"]
        assert made.targets == ["/v1/prices/price_1"]
        assert await named(made, ITEM, known=("stripe:price", "price_1")) == []
        assert len(made.targets) == 1


async def test_a_missing_object_that_is_gone_is_asked_for_once() -> None:
    async with reads(GONE) as made:
        made.stored.complete.add("stripe:price")
        assert [await named(made, ITEM), await named(made, ITEM)] == [[], []]
        assert len(made.targets) == 1


async def test_objects_of_collections_that_are_not_complete_are_not_retrieved() -> None:
    async with reads(found(PRICE)) as made:
        assert await named(made, ITEM) == []
        assert made.targets == []


async def test_objects_that_a_read_of_a_window_brings_soon_are_left_to_it() -> None:
    charge = {"id": "ch_1", "object": "charge", "balance_transaction": "txn_1"}
    async with reads(GONE) as made:
        made.stored.complete.update(load_catalog())
        assert await named(made, charge) == []
        assert made.targets == []


async def test_many_missing_objects_at_once_are_left_to_a_reconcile() -> None:
    items = [
        {**ITEM, "id": f"si_{n}", "price": {**PRICE, "id": f"price_{n}"}}
        for n in range(LIVE_RETRIEVALS + 1)
    ]
    async with reads(found(PRICE)) as made:
        made.stored.complete.add("stripe:price")
        assert await named(made, *items) == []
        assert made.targets == []


async def test_an_error_leaves_the_object_to_a_reconcile() -> None:
    async with reads(error(403, message="No")) as made:
        made.stored.complete.add("stripe:price")
        assert await named(made, ITEM) == []
        assert made.stored.gone == set()
