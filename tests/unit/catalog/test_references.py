"""Ids of other objects are found wherever a payload of the catalogue has them."""

from __future__ import annotations

import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.references import Reference, References
from unit.catalog.naming_payloads import CATALOG, id_of, payload_naming, retrievable

REFERENCES = References(CATALOG)


@pytest.mark.parametrize("target_id", sorted(retrievable()))
def test_an_id_is_found_at_every_path_that_names_such_an_object(target_id: str) -> None:
    target = CATALOG[target_id]
    for host_id, path in retrievable()[target_id]:
        payload = payload_naming(path, id_of(target))
        found = REFERENCES.find(host_id, payload)
        assert Reference(target_id, id_of(target), path) in found, f"{host_id} {path}"
        searched = REFERENCES.fields([target_id])[host_id]
        kept = {name: value for name, value in payload.items() if name in searched}
        assert REFERENCES.find(host_id, kept) == found


@pytest.mark.parametrize("target_id", sorted(retrievable()))
def test_a_contained_object_is_found_with_its_time_unless_it_is_deleted(target_id: str) -> None:
    target = CATALOG[target_id]
    obj = {"id": "chosen", "object": target.object, str(target.created_field): 5}
    created = 5 if target.created_field else None
    for host_id, path in retrievable()[target_id]:
        found = REFERENCES.find(host_id, payload_naming(path, obj))
        assert Reference(target_id, "chosen", path, created) in found, f"{host_id} {path}"
        assert not REFERENCES.find(host_id, payload_naming(path, {**obj, "deleted": True}))


def test_where_several_kinds_are_possible_the_prefix_decides() -> None:
    payout = {"id": "po_1", "destination": "card_1"}
    assert REFERENCES.find("stripe:payout", payout) == []
    [found] = REFERENCES.find("stripe:payout", {**payout, "destination": "ba_1"})
    assert found.key == ("stripe:bank_account", "ba_1")


def test_an_id_chosen_by_the_user_is_found_where_only_one_kind_is_possible() -> None:
    price = {"id": "gold", "object": "price", "created": 5, "product": "shirt"}
    item = {"id": "si_1", "object": "subscription_item", "price": price}
    keys = {each.key for each in REFERENCES.find("stripe:subscription_item", item)}
    assert keys == {("stripe:price", "gold"), ("stripe:product", "shirt")}


def test_metadata_names_nothing() -> None:
    charge = {"id": "ch_1", "metadata": {"customer": "cus_1"}, "description": "cus_2"}
    assert REFERENCES.find("stripe:charge", charge) == []


def test_parents_that_a_sync_does_not_store_are_not_looked_for() -> None:
    charge = {"id": "ch_1", "application_fee": "fee_1", "on_behalf_of": "acct_1"}
    assert References(load_catalog()).find("stripe:charge", charge) == []
    keys = {each.key for each in REFERENCES.find("stripe:charge", charge)}
    assert keys == {("stripe:application_fee", "fee_1"), ("stripe:account", "acct_1")}
