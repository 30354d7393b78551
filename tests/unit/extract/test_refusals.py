"""What is recorded of refusals, and how it reads in a status."""

from __future__ import annotations

import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.errors import (
    InvalidRequest,
    NoProgress,
    NotFound,
    PermissionDenied,
    RateLimited,
    StripeError,
    StripeUnavailable,
)
from stripe_sync.extract.refusals import Lack, Refusals, by_collection, read_each
from stripe_sync.records import canonical_json

pytestmark = pytest.mark.anyio

TAX_IDS = "/v1/customers/{customer}/tax_ids"
DENIED = PermissionDenied("no", permission="rak_customer_read")


def test_a_message_names_the_first_objects_and_counts_the_others() -> None:
    refusals = Refusals()
    for number in range(12):
        refusals.add_object(TAX_IDS, InvalidRequest("no"), f"cus_{number}")
    names = ", ".join(f"cus_{number}" for number in range(10))
    assert refusals.message == f"in part: without {TAX_IDS} of {names} and 2 more: no"


def test_an_object_is_counted_once_however_often_it_is_refused() -> None:
    refusals = Refusals()
    for _ in range(200):
        refusals.add_object(TAX_IDS, DENIED, "cus_1")
    assert refusals.message == f"in part: without {TAX_IDS} of cus_1: no"
    assert refusals.permission == "rak_customer_read"


def test_an_answer_between_them_ends_a_row_of_denials() -> None:
    refusals = Refusals()
    for number in range(300):
        refusals.add_object(TAX_IDS, DENIED, f"cus_{number}")
        if number % 50 == 0:
            refusals.answered(TAX_IDS)


def test_deleted_parents_are_no_row_of_denials() -> None:
    refusals = Refusals()
    for number in range(300):
        refusals.add_object(TAX_IDS, NotFound("gone"), f"cus_{number}")
    assert refusals.reasons == {"NotFound"}


def test_refusals_outlive_an_interrupted_run() -> None:
    refusals, resumed = Refusals(), Refusals()
    refusals.add(Lack.LIST, "/v1/subscriptions", DENIED)
    refusals.add_object(TAX_IDS, InvalidRequest("no"), "cus_1")
    resumed.load(canonical_json.loads(canonical_json.dumps(refusals.dump())))
    assert resumed.message == refusals.message
    assert resumed.lists() == {"/v1/subscriptions"}


def test_refusals_are_taken_once() -> None:
    refusals = Refusals()
    refusals.add_object(TAX_IDS, DENIED, "cus_1")
    assert len(refusals.take()) == 1
    assert refusals.take() == []


def test_a_refusal_belongs_to_the_collections_of_its_path() -> None:
    refusals = Refusals()
    refusals.add_object(TAX_IDS, DENIED, "cus_1")
    refusals.add(Lack.FIELD, "tax of /v1/customers/{id}", DENIED)
    found = by_collection(load_catalog(), refusals.take())
    assert set(found) == {"stripe:tax_id", "stripe:customer"}


async def numbers(
    *answers: object, again: object = 0, up: bool = True, final_only: bool = False
) -> list[object]:
    """What is read from sources that answer so; those that fail answer otherwise the next time."""
    failed: set[int] = set()

    async def read(number: int) -> object:
        answer = again if number in failed else answers[number]
        if isinstance(answer, Exception):
            failed.add(number)
            raise answer
        return answer

    async def check() -> None:
        if not up:
            raise DOWN

    refusals = Refusals(final_only=final_only)
    return list(await read_each(read, range(len(answers)), refusals=refusals, check=check))


DOWN = StripeUnavailable("down", status=500)


async def test_one_refused_source_costs_only_itself() -> None:
    assert await numbers(1, DENIED, 3) == [1, DENIED, 3]


async def test_a_source_that_failed_is_asked_again() -> None:
    assert await numbers(1, DOWN, again=2) == [1, 2]


async def test_a_source_that_fails_while_stripe_answers_costs_only_itself() -> None:
    assert await numbers(1, DOWN, again=DOWN) == [1, DOWN]


async def test_a_list_that_never_ends_costs_only_itself() -> None:
    endless = NoProgress("the pages come again")
    assert await numbers(1, endless, again=endless) == [1, endless]


@pytest.mark.parametrize(
    ("answers", "up"), [((1, DOWN), False), ((DOWN, DOWN, DOWN), True)], ids=["all", "endpoint"]
)
async def test_an_outage_is_raised(answers: tuple[object, ...], up: bool) -> None:
    with pytest.raises(StripeUnavailable):
        await numbers(*answers, again=DOWN, up=up)


async def test_a_failure_is_raised_for_a_caller_that_tries_again_soon() -> None:
    with pytest.raises(StripeUnavailable):
        await numbers(1, DOWN, final_only=True)


async def test_an_error_of_all_sources_is_raised() -> None:
    error: StripeError = RateLimited("slow down", reason="global-rate")
    with pytest.raises(RateLimited):
        await numbers(1, error)
