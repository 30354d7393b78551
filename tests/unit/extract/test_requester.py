"""Fields that Stripe refuses to expand are left out; everything else of an answer is kept."""

from __future__ import annotations

import pytest

from stripe_sync.errors import InvalidRequest, PermissionDenied
from stripe_sync.extract.pagination import ListRequest, fetch_page
from unit.client.scripted_stripe import Answer, error, found
from unit.extract.scripted_reads import Reads, reads

pytestmark = pytest.mark.anyio

PAGE = found({"data": [{"id": "cus_1"}], "has_more": False})
BAD = error(400, message="Bad expand 'tax'")
DENIED = error(403, message="Having the 'rak_tax_read' permission would allow this")
CUSTOMERS = ListRequest("/v1/customers", expand=("tax", "cash_balance"))


async def asked(made: Reads, request: ListRequest = CUSTOMERS) -> list[str]:
    """Ids of a page, and what each request for it expanded."""
    before = len(made.bench.server.requests)
    page = await fetch_page(made.context.requester, request)
    sent = [each.target for each in made.bench.server.requests[before:]]
    fields = [
        "+".join(name for name in ("tax", "cash_balance") if f"data.{name}" in target)
        for target in sent
    ]
    return [obj["id"] for obj in page.objects] + fields


@pytest.mark.parametrize("refusal", [BAD, DENIED], ids=["400", "403"])
async def test_a_refused_field_is_left_out_and_the_others_are_kept(refusal: Answer) -> None:
    async with reads(refusal, PAGE, refusal, PAGE) as made:
        found = await asked(made)
        assert found == ["cus_1", "tax+cash_balance", "", "tax", "cash_balance", "cash_balance"]
        message = str(made.context.requester.refusals.message)
    assert message.startswith("in part: without the field tax of /v1/customers: GET /v1/customers")


async def test_an_unknown_field_is_not_asked_for_again() -> None:
    async with reads(BAD, PAGE, BAD, PAGE) as made:
        await asked(made)
        assert await asked(made) == ["cus_1", "cash_balance"]


async def test_a_denied_field_is_asked_for_again_as_long_as_it_may_be_one_object() -> None:
    only = ListRequest("/v1/customers", expand=("tax",))
    async with reads(DENIED, PAGE, DENIED, PAGE, DENIED, PAGE) as made:
        for _ in range(3):
            assert await asked(made, only) == ["cus_1", "tax", ""]
        assert await asked(made, only) == ["cus_1", ""]


async def test_a_field_that_was_accepted_once_is_always_asked_for() -> None:
    only = ListRequest("/v1/customers", expand=("tax",))
    async with reads(PAGE, *[DENIED, PAGE] * 4, PAGE) as made:
        await asked(made, only)
        for _ in range(4):
            assert await asked(made, only) == ["cus_1", "tax", ""]
        assert await asked(made, only) == ["cus_1", "tax"]


@pytest.mark.parametrize(
    ("refusal", "kind"), [(DENIED, PermissionDenied), (error(400, message="No"), InvalidRequest)]
)
async def test_a_refused_list_is_raised(refusal: Answer, kind: type[Exception]) -> None:
    async with reads(refusal) as made:
        with pytest.raises(kind):
            await asked(made)
        assert not made.context.requester.refusals
