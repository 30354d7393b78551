"""What each answer of Stripe's is raised as."""

from __future__ import annotations

import logging
import traceback

import pytest

from stripe_sync import errors
from stripe_sync.client import Priority
from unit.client.scripted_stripe import KEY, Answer, error, found, scripted

pytestmark = pytest.mark.anyio

INVALID = "invalid_request_error"
ENDPOINT = "/v1/customers/{customer}"


async def raised(*script: Answer, method: str = "get") -> errors.StripeError:
    async with scripted(*script) as bench:
        send = getattr(bench.api, method)
        more = {"idempotency_key": "k"} if method == "post" else {"priority": Priority.LIVE}
        with pytest.raises(errors.StripeError) as caught:
            await send(ENDPOINT, {"customer": "cus_1"}, **more)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (error(401, message="Expired"), errors.AuthenticationError, "valid key"),
        (error(403, message="No"), errors.PermissionDenied, "permission"),
        (error(404, code="resource_missing", message="No such x"), errors.NotFound, "no such"),
        (
            error(404, message="Unrecognized request URL (GET: /v1/orders). If you are trying…"),
            errors.EndpointUnavailable,
            "pin a version",
        ),
        (Answer(404, b"404: Not Found"), errors.EndpointUnavailable, "no such endpoint"),
        (Answer(405, b"405: Method Not Allowed"), errors.EndpointUnavailable, "no such endpoint"),
        (error(404, type=INVALID, message="Not Found"), errors.NotFound, "no such object"),
        (error(400, message="Bad", param="limit"), errors.InvalidRequest, "limit"),
        (error(402, type="card_error", message="Declined"), errors.InvalidRequest, "402"),
        (
            error(400, type="idempotency_error", message="Keys for idempotent requests…"),
            errors.IdempotencyConflict,
            "another key",
        ),
        (
            error(400, message="… because it has aged out of our retention policy"),
            errors.EventCursorExpired,
            "list the collections again",
        ),
        (
            error(400, code="resource_missing", param="starting_after", message="No such x"),
            errors.CursorVanished,
            "starting_after",
        ),
        (
            error(400, code="resource_missing", param="ending_before", message="No such x"),
            errors.CursorVanished,
            "ending_before",
        ),
        (
            error(400, code="resource_missing", param="customer", message="No such x"),
            errors.InvalidRequest,
            "customer",
        ),
        (error(418, message="?"), errors.InvalidRequest, "418"),
    ],
)
async def test_a_final_refusal_has_its_own_error_and_is_not_sent_again(
    answer: Answer, kind: type[errors.StripeError], says: str
) -> None:
    answer.headers["Request-Id"] = "req_42"
    async with scripted(answer) as bench:
        with pytest.raises(errors.StripeError) as caught:
            await bench.api.get(ENDPOINT, {"customer": "cus_1"}, priority=Priority.LIVE)
    assert type(caught.value) is kind
    assert len(bench.server.requests) == 1
    assert caught.value.status == answer.status
    assert caught.value.request_id == "req_42"
    for part in (f"GET {ENDPOINT}", "req_42", says):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(409, code="idempotency_key_in_use", message="Busy"), errors.ObjectLocked),
        (error(429, code="lock_timeout", message="Busy"), errors.ObjectLocked),
        (
            error(429, {"Stripe-Rate-Limited-Reason": "endpoint-rate"}, message="Slow down"),
            errors.RateLimited,
        ),
        (error(400, code="rate_limit", message="Slow down"), errors.RateLimited),
        (error(500, type="api_error", message="Sorry"), errors.StripeUnavailable),
        (Answer(503, b"<html>Bad gateway</html>"), errors.StripeUnavailable),
        (Answer(502, b""), errors.StripeUnavailable),
        (Answer(200, b'{"object": "li'), errors.UnusableAnswer),
        (Answer(200, b""), errors.UnusableAnswer),
        (Answer(200, b"[]"), errors.UnusableAnswer),
    ],
)
async def test_a_passing_trouble_that_lasts_is_raised_after_all_attempts(
    answer: Answer, kind: type[errors.StripeError]
) -> None:
    async with scripted(answer) as bench:
        with pytest.raises(errors.StripeError) as caught:
            await bench.api.get(ENDPOINT, {"customer": "cus_1"}, priority=Priority.LIVE)
    assert type(caught.value) is kind
    assert len(bench.server.requests) == 6
    assert f"GET {ENDPOINT}" in str(caught.value)


@pytest.mark.parametrize(
    ("message", "permission", "remedy"),
    [
        (
            "The provided key 'rk_test_******1234' does not have the required permissions for this "
            "endpoint on account 'acct_1'. Having the 'rak_subscription_read' permission would "
            "allow this request to continue.",
            "rak_subscription_read",
            "grant rak_subscription_read",
        ),
        (
            "Having more permissions would allow this request to continue: "
            "rak_accounts_kyc_basic_read.",
            "rak_accounts_kyc_basic_read",
            "grant rak_accounts_kyc_basic_read",
        ),
        (
            "The provided key 'rk_test_***' does not have the required permissions for this "
            "endpoint on account 'acct_1'. Enabling \"Prices Read\" ('plan_read') permissions "
            "would allow this request to continue.",
            "rak_plan_read",
            "grant rak_plan_read",
        ),
        (
            "The required permissions are not available for use by restricted keys.",
            None,
            "use a secret key",
        ),
        (
            "The restricted API key provided does not have any Connect permissions",
            None,
            "Connect permissions",
        ),
        (
            "You cannot perform this request as you do not have Platform Controls on the account",
            None,
            "platform does not control",
        ),
        ("Something new", None, "in the Dashboard"),
    ],
)
async def test_a_missing_permission_is_named_with_its_remedy(
    message: str, permission: str | None, remedy: str
) -> None:
    caught = await raised(error(403, type=INVALID, message=message))
    assert isinstance(caught, errors.PermissionDenied)
    assert caught.permission == permission
    assert remedy in str(caught)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"message": "Not Found"}, errors.EndpointUnavailable),
        ({"code": "resource_missing", "message": "No such customer"}, errors.NotFound),
    ],
)
async def test_a_404_to_a_path_without_an_id_is_about_the_endpoint_unless_it_names_an_object(
    fields: dict[str, str], kind: type[errors.StripeError]
) -> None:
    async with scripted(error(404, type=INVALID, **fields)) as bench:
        with pytest.raises(errors.StripeError) as caught:
            await bench.api.get("/v1/prices", priority=Priority.LIVE)
    assert type(caught.value) is kind


async def test_a_key_without_access_to_the_connected_account_is_told_so() -> None:
    caught = await raised(error(403, code="account_invalid", message="The provided key…"))
    assert isinstance(caught, errors.PermissionDenied)
    assert caught.code == "account_invalid"
    assert "connected account" in str(caught)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The provided key 'sk_…' does not have access to account 'acct_7'", "AccountDisconnected"),
        ("Application access may have been revoked.", "AccountDisconnected"),
        # An account in the path of the request, as for persons and capabilities.
        ("The provided key 'sk_…' does not have access to account 'acct_8'", "PermissionDenied"),
    ],
)
async def test_a_connected_account_is_lost_where_it_is_the_one_that_requests_act_on(
    message: str, kind: str
) -> None:
    answer = error(403, code="account_invalid", message=message)
    async with scripted(answer, account="acct_7") as bench:
        with pytest.raises(errors.StripeError) as caught:
            await bench.api.get("/v1/events", priority=Priority.LIVE)
    assert type(caught.value).__name__ == kind
    if kind == "AccountDisconnected":
        assert "acct_7" in str(caught.value)
        assert "check that the key is that of its platform" in str(caught.value)


async def test_no_message_log_or_exception_holds_a_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("stripe").setLevel(logging.DEBUG)
    quoted = f"Invalid API Key provided: {KEY}, {KEY[:12]}****Shown"
    answers = [
        error(500, message=quoted),
        Answer(503, f"<html>{quoted}</html>".encode()),
        Answer(200, b"{"),
        error(401, message=quoted),
    ]
    try:
        caught = await raised(*answers)
    finally:
        logging.getLogger("stripe").setLevel(logging.WARNING)
    printed = "".join(traceback.format_exception(caught)) + repr(caught) + repr(caught.args)
    logged = "".join(f"{record.getMessage()}{record.args}" for record in caplog.records)
    assert "attempt 3 of 6 failed" in logged
    assert "Stripe v1 API error received" in logged
    for text in (printed, logged):
        assert "Never" not in text
        assert "Shown" not in text
    assert caught.__context__ is None  # the library's own errors hold the request and its headers


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (error(401, message="Invalid API Key provided: my pasted diary"), "wrong or revoked"),
        (error(401, code="api_key_expired", message="my pasted diary"), "has expired"),
        (error(401, message="Expired API Key provided: my pasted diary"), "has expired"),
        (
            error(401, message="The key my pasted diary does not allow requests from your IP add…"),
            "wrong or revoked",
        ),
        (
            error(401, message="my pasted diary does not allow requests from your IP address."),
            "the API key is right, but Stripe does not accept it from this IP address",
        ),
    ],
)
async def test_why_a_key_is_refused_is_said_without_stripes_words(
    answer: Answer, cause: str
) -> None:
    caught = await raised(answer)
    assert isinstance(caught, errors.AuthenticationError)
    assert cause in str(caught)
    assert "diary" not in str(caught)


async def test_a_success_logs_nothing_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(found({"secret": 1})) as bench:
        with caplog.at_level(logging.INFO, "root"):
            await bench.api.get("/v1/events", params={"type": "x"}, priority=Priority.LIVE)
    assert [record for record in caplog.records if record.name.startswith("stripe")] == []
