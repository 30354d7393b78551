"""Referenced objects and expanded fields: which of them take a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.extract.extractors.embedded import EmbeddedExtractor
from stripe_sync.extract.extractors.references import ReferenceExtractor, RehydratingExtractor
from stripe_sync.extract.extractors.source_objects import SourceObject, ids_at, values_at
from stripe_sync.extract.relations import containers
from unit.client.scripted_stripe import VERSION, Answer, error, found
from unit.extract.scripted_reads import Reads, keys, reads

pytestmark = pytest.mark.anyio

EARLIER = datetime(2026, 10, 1, tzinfo=UTC)
GONE = error(404, code="resource_missing", message="No such object")


def mandate(name: str) -> Answer:
    return found({"id": name, "object": "mandate"})


def intent(name: str | None) -> SourceObject:
    return SourceObject({"id": "seti_1", "mandate": name}, EARLIER)


async def mandates(made: Reads, known: set[str], *sources: SourceObject) -> list[list[str]]:
    collection = made.context.catalog.resolve("mandate")
    return keys(await ReferenceExtractor(made.context, collection, ["mandate"], known)(sources))


async def test_each_reference_is_retrieved_once() -> None:
    async with reads(mandate("mandate_1")) as made:
        known: set[str] = set()
        sources = intent("mandate_1"), intent("mandate_1"), intent(None)
        assert await mandates(made, known, *sources) == [["mandate_1"], [], []]
        assert await mandates(made, known, intent("mandate_1")) == [[]]
        assert made.targets == ["/v1/mandates/mandate_1"]


async def test_references_to_other_collections_are_not_retrieved() -> None:
    async with reads(GONE) as made:
        assert await mandates(made, set(), intent("src_1")) == [[]]
        assert made.targets == []


async def test_a_deleted_reference_is_no_error() -> None:
    async with reads(GONE) as made:
        assert await mandates(made, set(), intent("mandate_1")) == [[]]


async def test_a_refused_reference_costs_only_itself() -> None:
    async with reads(error(403, message="No"), mandate("mandate_2")) as made:
        known: set[str] = set()
        assert await mandates(made, known, intent("mandate_1")) == [[]]
        assert await mandates(made, known, intent("mandate_2")) == [["mandate_2"]]
        assert "mandate_1" in str(made.context.requester.refusals.message)


SUBSCRIPTION = {"id": "sub_1", "object": "subscription"}


def discount(name: str) -> dict[str, Any]:
    return {"id": name, "object": "discount", "start": 5}


async def discounts(made: Reads, known: set[str], *objects: dict[str, Any]) -> list[list[str]]:
    """Discounts of subscriptions, which are expanded where that is worth a request."""
    catalog = made.context.catalog
    collection, host = catalog.resolve("discount"), catalog.resolve("subscription")
    fields = containers(catalog, collection)[host.id]
    embedded = EmbeddedExtractor(made.context, collection, fields, known)
    extractor = RehydratingExtractor(made.context, host, fields, known, embedded, VERSION)
    return keys(await extractor([SourceObject(obj, EARLIER) for obj in objects]))


async def test_objects_are_expanded_only_for_unknown_references() -> None:
    async with reads(found({**SUBSCRIPTION, "discounts": [discount("di_1")]})) as made:
        known = {"di_0"}
        sources = [
            {"id": "sub_0", "discounts": ["di_0"]},
            {"id": "sub_1", "discounts": ["di_0", "di_1"]},
            {"id": "sub_2", "discounts": ["di_1"]},
            {"id": "sub_3", "discounts": []},
        ]
        assert await discounts(made, known, *sources) == [[], ["di_1"], [], []]
        assert made.targets == ["/v1/subscriptions/sub_1"]
    assert known == {"di_0", "di_1"}


async def test_a_reference_that_expansion_does_not_replace_is_not_requested_again() -> None:
    async with reads(found({**SUBSCRIPTION, "discounts": ["di_gone"]})) as made:
        known: set[str] = set()
        for _ in range(2):
            obj = {"id": "sub_1", "discounts": ["di_gone"]}
            assert await discounts(made, known, obj) == [[]]
        assert len(made.targets) == 1


async def test_an_object_that_is_gone_leaves_the_others_in_their_place() -> None:
    async with reads(GONE) as made:
        sources = {"id": "sub_0", "discounts": []}, {"id": "sub_1", "discounts": ["di_1"]}
        assert await discounts(made, set(), *sources) == [[], []]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a", [1]),
        ("b.c", [2]),
        ("list.n", [3, 4]),
        ("list.*.n", [3, 4]),
        ("b.*", [2]),
        ("none", []),
        ("a.b", []),
        ("a.*", []),
    ],
)
def test_paths_lead_through_objects_and_arrays(path: str, values: list[Any]) -> None:
    obj = {"a": 1, "b": {"c": 2}, "list": [{"n": 3}, {"n": 4}, {"n": None}], "none": None}
    assert values_at(obj, path.split(".")) == values


def test_ids_are_found_alone_and_in_objects() -> None:
    assert ids_at({"x": ["di_1", {"id": "di_2"}, {"object": "stub"}, 7]}, "x.*") == ["di_1", "di_2"]
