"""Which account a key is for, whatever it may read."""

from __future__ import annotations

import pytest

from stripe_sync.client import Credential
from stripe_sync.client.identity import Identity, fetch_identity
from stripe_sync.errors import AuthenticationError, ConfigurationError, PermissionDenied
from unit.client.scripted_stripe import KEY, Answer, error, found, scripted

pytestmark = pytest.mark.anyio

DASHBOARD = {"settings": {"dashboard": {"display_name": "Shop"}}, "business_profile": {"name": "B"}}
DENIED = error(403, message="The provided key … on account 'acct_1'. Having the 'rak_x_read' …")
LOGGED = "https://dashboard.stripe.com/acct_1/test/logs/req_1"
MISSING = error(404, message="No such endpoint", request_log_url=LOGGED)
SILENT = error(403, message="No.")
INVOICE = {"hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/test_x"}
PAGE = found({"object": "list", "data": [INVOICE], "has_more": False})
EMPTY = found({"object": "list", "data": [], "has_more": False})


@pytest.mark.parametrize(
    ("script", "identity"),
    [
        ([found({"id": "acct_1", "object": "account", **DASHBOARD})], Identity("acct_1", "Shop")),
        (
            [found({"id": "acct_1", "object": "account", "business_profile": {"name": "B"}})],
            Identity("acct_1", "B"),
        ),
        ([found({"id": "acct_1", "object": "account"})], Identity("acct_1")),
        ([DENIED], Identity("acct_1")),
        ([MISSING], Identity("acct_1")),
        ([SILENT, PAGE], Identity("acct_1")),
        ([SILENT, DENIED], Identity("acct_1")),
        ([SILENT, EMPTY], Identity(None)),
    ],
)
async def test_the_account_is_learnt_from_what_is_readable(
    script: list[Answer], identity: Identity
) -> None:
    async with scripted(*script) as bench:
        assert await fetch_identity(bench.api, Credential(KEY)) == identity
        assert len(bench.server.requests) == len(script)


@pytest.mark.parametrize("refusal", [DENIED, MISSING])
async def test_a_refusal_that_names_the_platform_does_not_change_whose_account_it_is(
    refusal: Answer,
) -> None:
    async with scripted(refusal) as bench:
        found_one = await fetch_identity(bench.api, Credential(KEY, account="acct_9"))
    assert found_one == Identity("acct_9")


async def test_an_answer_for_another_account_than_the_connected_one_is_refused() -> None:
    async with scripted(found({"id": "acct_1", "object": "account"})) as bench:
        with pytest.raises(ConfigurationError, match="drops the header Stripe-Account"):
            await fetch_identity(bench.api, Credential(KEY, account="acct_9"))


async def test_a_connected_account_that_cannot_be_read_is_the_one_that_was_asked_for() -> None:
    async with scripted(SILENT) as bench:
        found_one = await fetch_identity(bench.api, Credential(KEY, account="acct_9"))
    assert found_one == Identity("acct_9")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, message="Invalid"), AuthenticationError),
        (error(403, code="account_invalid", message="no access"), PermissionDenied),
    ],
)
async def test_a_key_that_cannot_be_used_is_an_error(answer: Answer, kind: type[Exception]) -> None:
    async with scripted(answer) as bench:
        with pytest.raises(kind):
            await fetch_identity(bench.api, Credential(KEY))
