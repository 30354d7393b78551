"""Previews: keys, lines, and what becomes of those that Stripe computes no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.extract.extractors.previews import PreviewExtractor
from stripe_sync.extract.extractors.source_objects import SourceObject
from unit.client.scripted_stripe import Answer, error, found
from unit.extract.scripted_reads import Reads, keys, reads

pytestmark = pytest.mark.anyio

EARLIER = datetime(2026, 10, 1, tzinfo=UTC)
NOT_DUE = error(400, code="invoice_upcoming_none", message="No upcoming invoices")
SUBSCRIPTION = {"id": "sub_1", "object": "subscription", "status": "active"}


def preview(*lines: str) -> Answer:
    data = [{"id": name, "object": "line_item"} for name in lines]
    listed = {"object": "list", "data": data, "has_more": False, "url": "/v1/invoices/upcoming"}
    return found({"id": "upcoming_in_1", "object": "invoice", "lines": listed})


def store(made: Reads, *, lines: int) -> None:
    """Store a preview of the subscription with some lines."""
    stored = [f"sub_1:{number}" for number in range(lines)]
    made.stored.below = {
        "stripe:upcoming_subscription_invoice": {"sub_1": ["sub_1"]},
        "stripe:upcoming_line_item": {"sub_1": stored},
    }


async def extract(made: Reads, obj: dict[str, Any]) -> list[list[Any]]:
    collection = made.context.catalog.resolve("upcoming_subscription_invoice")
    assert collection.preview
    extractor = PreviewExtractor(made.context, collection, collection.preview)
    return await extractor([SourceObject(obj, EARLIER)])


async def test_previews_and_lines_have_keys_that_do_not_change_between_requests() -> None:
    async with reads(preview("tmp_1", "tmp_2")) as made:
        observations = await extract(made, SUBSCRIPTION)
    assert keys(observations) == [["sub_1", "sub_1:0", "sub_1:1"]]
    assert {o.parent_id for o in observations[0]} == {"sub_1"}


async def test_lines_that_a_preview_has_no_more_become_tombstones() -> None:
    async with reads(preview("tmp_1")) as made:
        store(made, lines=2)
        assert keys(await extract(made, SUBSCRIPTION)) == [["sub_1", "sub_1:0", "-sub_1:1"]]


async def test_a_preview_that_is_not_due_any_more_becomes_a_tombstone_with_its_lines() -> None:
    async with reads(NOT_DUE) as made:
        store(made, lines=1)
        assert keys(await extract(made, SUBSCRIPTION)) == [["-sub_1", "-sub_1:0"]]


async def test_a_skipped_parent_takes_no_request_and_its_preview_is_deleted() -> None:
    async with reads(preview("tmp_1")) as made:
        store(made, lines=1)
        canceled = {**SUBSCRIPTION, "status": "canceled"}
        assert keys(await extract(made, canceled)) == [["-sub_1", "-sub_1:0"]]
        assert made.targets == []


async def test_the_preview_of_a_deleted_parent_is_deleted_without_a_request() -> None:
    async with reads(preview("tmp_1")) as made:
        store(made, lines=1)
        assert keys(await extract(made, {"id": "sub_1", "deleted": True})) == [
            ["-sub_1", "-sub_1:0"]
        ]
        assert made.targets == []


@pytest.mark.parametrize(
    ("missing", "expected"), [("sub_1", ["-sub_1", "-sub_1:0"]), ("price_1", [])]
)
async def test_a_preview_is_deleted_where_stripe_does_not_know_its_parent_any_more(
    missing: str, expected: list[str]
) -> None:
    gone = error(404, code="resource_missing", message=f"No such object: '{missing}'")
    async with reads(gone) as made:
        store(made, lines=1)
        assert keys(await extract(made, SUBSCRIPTION)) == [expected]


async def test_a_preview_that_stripe_cannot_compute_deletes_nothing() -> None:
    async with reads(error(400, message="Something else")) as made:
        store(made, lines=1)
        assert keys(await extract(made, SUBSCRIPTION)) == [[]]
        message = str(made.context.requester.refusals.message)
    assert "without /v1/invoices/create_preview of sub_1" in message


async def test_a_preview_whose_lines_stripe_refuses_deletes_no_line() -> None:
    lines = {
        "object": "list",
        "data": [{"id": "il_1", "object": "line_item"}],
        "has_more": True,
        "url": "/v1/invoices/upcoming/lines?subscription=sub_1",
    }
    whole = found({"id": "upcoming_in_1", "object": "invoice", "lines": lines})
    async with reads(whole, error(400, message="No")) as made:
        store(made, lines=3)
        assert keys(await extract(made, SUBSCRIPTION)) == [["sub_1", "sub_1:0"]]


async def test_each_preview_is_requested_under_a_new_idempotency_key() -> None:
    async with reads(preview("tmp_1")) as made:
        await extract(made, SUBSCRIPTION)
        await extract(made, SUBSCRIPTION)
        first, second = (r.headers["Idempotency-Key"] for r in made.bench.server.requests)
    assert first != second
