"""Lists that Stripe cuts inside of objects are read to their end."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.client import Priority
from stripe_sync.errors import MalformedObject
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.extract.requester import Requester
from unit.client.scripted_stripe import Answer, Bench, found, scripted

pytestmark = pytest.mark.anyio

Doc = dict[str, Any]


def cut(url: str | None, *names: str, has_more: bool = True, **fields: Any) -> Doc:
    data = [{"id": name, **fields} for name in names]
    return {"object": "list", "url": url, "data": data, "has_more": has_more}


def page(*names: str, has_more: bool = False, **fields: Any) -> Answer:
    return found(cut("/v1/x", *names, has_more=has_more, **fields))


async def complete(bench: Bench, obj: Doc, **options: Any) -> list[str]:
    """Complete an object; the targets of the requests."""
    requester = Requester(bench.api, bench.clock, Priority.LIVE)
    await complete_lists(requester, [obj], **options)
    return [request.target for request in bench.server.requests]


def names(items: Doc) -> list[str]:
    assert items["has_more"] is False
    return [item["id"] for item in items["data"]]


async def test_a_list_continues_after_the_items_that_are_there() -> None:
    invoice = {"id": "in_1", "lines": cut("/v1/invoices/in_1/lines", "a", "b")}
    async with scripted(page("c", has_more=True), page("d")) as bench:
        targets = await complete(bench, invoice, expand=["lines.data.discounts", "customer"])
    assert names(invoice["lines"]) == ["a", "b", "c", "d"]  # type: ignore[arg-type]
    assert targets[0].startswith("/v1/invoices/in_1/lines?")
    assert "starting_after=b" in targets[0]
    assert "expand[0]=data.discounts" in targets[0]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/v1/products/a%2Bb%40ex.com/features", "/v1/products/a%2Bb%40ex.com/features?"),
        ("/v1/products/a+b@ex.com/features", "/v1/products/a%2Bb%40ex.com/features?"),
        ("/v1/features?product=a%2Bb%40ex.com", "/v1/features?product=a%2Bb%40ex.com&"),
    ],
)
async def test_a_url_is_percent_encoded_or_not(url: str, target: str) -> None:
    product = {"id": "a+b@ex.com", "features": cut(url, "f1")}
    async with scripted(page("f2")) as bench:
        targets = await complete(bench, product)
        paths = {endpoint for endpoint, _ in bench.rate_limiter.acquired}
    assert names(product["features"]) == ["f1", "f2"]  # type: ignore[arg-type]
    assert targets[0].startswith(target)
    assert paths <= {"GET /v1/products/{id}/features", "GET /v1/features"}


async def test_lists_in_the_items_of_lists_are_completed_too() -> None:
    refunds = cut("/v1/charges/ch_1/refunds", "re_1")
    charges = cut("/v1/charges?payment_intent=pi_1", "ch_1", has_more=False, refunds=refunds)
    intent = {"id": "pi_1", "charges": charges}
    async with scripted(page("re_2")) as bench:
        targets = await complete(bench, intent)
    assert names(charges["data"][0]["refunds"]) == ["re_1", "re_2"]
    assert targets == ["/v1/charges/ch_1/refunds?starting_after=re_1&limit=100"]


async def test_lists_in_items_that_were_only_now_read_are_completed_too() -> None:
    intent = {"id": "pi_1", "charges": cut("/v1/charges?payment_intent=pi_1", "ch_1")}
    refunds = cut("/v1/charges/ch_2/refunds", "re_1")
    async with scripted(page("ch_2", refunds=refunds), page("re_2")) as bench:
        await complete(bench, intent)
    assert names(intent["charges"]) == ["ch_1", "ch_2"]  # type: ignore[arg-type]
    assert names(intent["charges"]["data"][1]["refunds"]) == ["re_1", "re_2"]  # type: ignore[index]


async def test_lists_of_expanded_objects_are_completed_too() -> None:
    charge = {"id": "ch_1", "object": "charge", "refunds": cut("/v1/charges/ch_1/refunds", "re_1")}
    async with scripted(page("re_2")) as bench:
        await complete(bench, {"id": "pi_1", "latest_charge": charge})
    assert names(charge["refunds"]) == ["re_1", "re_2"]  # type: ignore[arg-type]


async def test_items_with_temporary_ids_are_read_from_the_beginning() -> None:
    preview = {"id": "upcoming_in_1", "lines": cut("/v1/invoices/upcoming_in_1/lines", "tmp_1")}
    fresh = [f"new_{number}" for number in range(25)]
    async with scripted(page(*fresh)) as bench:
        targets = await complete(bench, preview, from_start=True)
    assert names(preview["lines"]) == fresh  # type: ignore[arg-type]
    assert targets == ["/v1/invoices/upcoming_in_1/lines?limit=100"]


async def test_a_list_of_all_objects_is_left_alone() -> None:
    preview = {"id": "in_1", "lines": cut("/v1/invoices/upcoming/lines", "a")}
    async with scripted(page("b")) as bench:
        assert await complete(bench, preview) == []


@pytest.mark.parametrize("wrong", [{"url": None}, {"url": 5}, {"data": None}])
async def test_a_cut_list_without_its_rest_is_malformed(wrong: Doc) -> None:
    invoice = {"id": "in_1", "lines": {**cut("/v1/invoices/in_1/lines", "a"), **wrong}}
    async with scripted(page("b")) as bench:
        with pytest.raises(MalformedObject, match="its list lines is cut"):
            await complete(bench, invoice)
