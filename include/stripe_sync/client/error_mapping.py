"""Stripe's error answers as exceptions of this project."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import stripe

from stripe_sync import errors
from stripe_sync.client.scrub_secrets import scrubbed

# Newer messages quote the name without rak_: "Prices Read" ('plan_read').
_PERMISSION = re.compile(r"\brak_(\w+)|['\"](?:rak_)?(\w+_(?:read|write))['\"]", re.ASCII)
# Both texts of a 403 name the account that the key is for, and so may the address of its log entry.
_ACCOUNT = re.compile(r"(?:on account '|//dashboard\.stripe\.com/)(acct_\w+)", re.ASCII)
_ANY_ACCOUNT = re.compile(r"\bacct_\w+", re.ASCII)
_CURSOR_PARAMS = ("starting_after", "ending_before")
_REASON_HEADER = "Stripe-Rate-Limited-Reason"
_EXPIRED = ("api_key_expired", "platform_api_key_expired")
_UNKNOWN_REASON = "global-rate"
_SERVER_ERRORS = 500
_LEFT = ("payment_intent", "setup_intent")  # fields of an error with what it leaves
_NO_JSON = "api_error"  # what the transport makes of an answer that is no JSON

NO_SUCH_ACCOUNT = "account_invalid"
"""Stripe's code where a key has no access to the account that a request names."""


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """A failed attempt.

    Attributes:
        error: What to raise when no further attempt is made.
        retry: Whether another attempt may succeed and is safe.
        retry_after: Seconds from the Retry-After header, None without one.
        body: The answer without keys, None where there was none.
        headers: Those of the answer.
    """

    error: errors.StripeError
    retry: bool
    retry_after: float | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _ErrorAnswer:
    """The fields of an error answer."""

    endpoint: str
    status: int
    error_type: str
    code: str | None
    param: str | None
    text: str
    headers: Mapping[str, str]
    log_url: str = ""
    acting_on: str | None = None
    decline_code: str | None = None
    left: tuple[tuple[str, str], ...] = ()

    @property
    def request_id(self) -> str | None:
        return self.headers.get("Request-Id")

    @property
    def account(self) -> str | None:
        """The account that the key is for, as far as the answer names it."""
        match = _ACCOUNT.search(self.text) if self.status == HTTPStatus.FORBIDDEN else None
        match = match or _ACCOUNT.search(self.log_url)
        return match[1] if match else None

    def message(self, cause: str, remedy: str = "") -> str:
        """One sentence each: endpoint and cause, remedy, Stripe's own message."""
        place = f" ({self.request_id})" if self.request_id else ""
        advice = f"; {remedy}" if remedy else ""
        return f'{self.endpoint}{place}: {cause}{advice}. Message from Stripe: "{self.text}"'

    def error(
        self, kind: type[errors.StripeError], cause: str, remedy: str = "", **more: Any
    ) -> errors.StripeError:
        return kind(
            self.message(cause, remedy),
            status=self.status,
            code=self.code,
            request_id=self.request_id,
            account=self.account,
            **more,
        )


def no_connection(endpoint: str, host: str, cause: str) -> AttemptFailure:
    """The failure for a server that cannot be reached; arguments as for ``unusable_answer``."""
    return _unanswered(errors.StripeUnreachable, endpoint, host, cause)


def unusable_answer(endpoint: str, host: str, cause: str) -> AttemptFailure:
    """The failure for an answer that is missing, cut or malformed.

    Args:
        endpoint: Method and path template.
        host: Host of the API.
        cause: Message of the network or the parser.
    """
    return _unanswered(errors.UnusableAnswer, endpoint, host, cause)


def _unanswered(
    kind: type[errors.StripeError], endpoint: str, host: str, cause: str
) -> AttemptFailure:
    message = f"{endpoint}: no whole answer from {host}: {scrubbed(cause)}; check the network"
    return AttemptFailure(kind(message), retry=True)


def from_error_answer(
    endpoint: str, failed: stripe.StripeError, *, acting_on: str | None = None
) -> AttemptFailure:
    """The failure for an answer other than success.

    Args:
        endpoint: Method and path template, ``GET /v1/customers``.
        failed: The SDK's exception.
        acting_on: The connected account that the request acted on, None for the key's own.
    """
    answer = _parse(endpoint, failed, acting_on)
    error = _error(answer)
    error.left = answer.left
    if not isinstance(error, errors.AuthenticationError):  # its text may repeat the key
        error.refusal = errors.Refusal(
            type=answer.error_type,
            code=answer.code,
            decline_code=answer.decline_code,
            message=answer.text,
            param=answer.param,
            request_id=answer.request_id,
        )
    return AttemptFailure(
        error=error,
        retry=_is_retryable(answer),
        retry_after=_seconds(answer.headers.get("Retry-After")),
        body=str(failed.http_body or "").encode(),
        headers=answer.headers,
    )


def _parse(endpoint: str, failed: stripe.StripeError, acting_on: str | None) -> _ErrorAnswer:
    body = failed.json_body
    error_object = body.get("error") if isinstance(body, dict) else None
    fields: Mapping[str, Any] = error_object if isinstance(error_object, dict) else {}
    return _ErrorAnswer(
        endpoint=endpoint,
        status=failed.http_status or 0,
        error_type=fields.get("type") or "",
        code=fields.get("code"),
        param=fields.get("param"),
        text=scrubbed(str(fields.get("message") or "nothing")),
        headers=failed.headers or {},
        log_url=str(fields.get("request_log_url")),
        acting_on=acting_on,
        decline_code=fields.get("decline_code"),
        left=tuple(
            (name, obj["id"])
            for name in _LEFT
            if isinstance(obj := fields.get(name), dict) and isinstance(obj.get("id"), str)
        ),
    )


def _is_rate_limit(answer: _ErrorAnswer) -> bool:
    # Some endpoints still answer 400 with this code instead of 429.
    by_reason = answer.status == HTTPStatus.TOO_MANY_REQUESTS and _REASON_HEADER in answer.headers
    return by_reason or answer.code == "rate_limit"


def _is_retryable(answer: _ErrorAnswer) -> bool:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or _is_rate_limit(answer):
        return True  # refused before Stripe did anything, so a retry is safe
    should_retry = answer.headers.get("Stripe-Should-Retry", "").lower()
    if answer.status >= _SERVER_ERRORS and answer.endpoint.startswith("GET "):
        # The header is about writes: Stripe stores the 500 of an idempotency key and would replay
        # it. A read has no key and is computed anew each time.
        return True
    if should_retry == "false":
        return False
    return answer.status == HTTPStatus.CONFLICT or answer.status >= _SERVER_ERRORS


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; None for its other form, a date."""
    if retry_after is None or not retry_after.strip().isdigit():
        return None
    return float(retry_after)


def _error(answer: _ErrorAnswer) -> errors.StripeError:
    if _is_rate_limit(answer):
        reason = answer.headers.get(_REASON_HEADER, _UNKNOWN_REASON)
        return answer.error(
            errors.RateLimited,
            f"too many requests ({reason})",
            "lower the pacing limits or wait",
            reason=reason,
        )
    by_status: dict[int, Callable[[_ErrorAnswer], errors.StripeError]] = {
        HTTPStatus.UNAUTHORIZED: _unauthorized,
        HTTPStatus.FORBIDDEN: _forbidden,
        HTTPStatus.NOT_FOUND: _not_found,
        HTTPStatus.METHOD_NOT_ALLOWED: _not_found,
        HTTPStatus.CONFLICT: _locked,
        HTTPStatus.TOO_MANY_REQUESTS: _locked,
    }
    if answer.status >= _SERVER_ERRORS:
        return answer.error(
            errors.StripeUnavailable,
            f"Stripe failed with status {answer.status}",
            "try again later, see https://status.stripe.com",
        )
    kind = by_status.get(answer.status, _invalid)
    if kind not in {_unauthorized, _locked} and _is_from_elsewhere(answer):
        return answer.error(
            errors.UnusableAnswer,
            f"status {answer.status}, and no answer of Stripe's",
            "check the network, its proxies and the API base",
        )
    return kind(answer)


def _is_from_elsewhere(answer: _ErrorAnswer) -> bool:
    """Whether a proxy or another server refused a write: nobody knows what Stripe did with it."""
    is_write = not answer.endpoint.startswith("GET ")
    return is_write and answer.error_type == _NO_JSON and answer.request_id is None


def _unauthorized(answer: _ErrorAnswer) -> errors.StripeError:
    """The error of a 401, without Stripe's words: they may repeat what was pasted as the key."""
    cause, remedy = _why_unauthorized(answer)
    place = f" ({answer.request_id})" if answer.request_id else ""
    return errors.AuthenticationError(
        f"{answer.endpoint}{place}: {cause}; {remedy}",
        status=answer.status,
        code=answer.code,
        request_id=answer.request_id,
    )


def _why_unauthorized(answer: _ErrorAnswer) -> tuple[str, str]:
    text = answer.text.lower()
    if answer.code in _EXPIRED or text.startswith("expired api key"):
        return (
            "the API key has expired or was rolled",
            "make a new key in the Dashboard and put it into the connection",
        )
    if "requests from your ip address" in text:
        return (
            "the API key is right, but Stripe does not accept it from this IP address",
            "add the address of this host or its proxy to the key's list in the Dashboard",
        )
    return (
        "Stripe does not accept the API key",
        "it is wrong or revoked, or belongs to another API base: put a valid key into the "
        "connection",
    )


def _locked(answer: _ErrorAnswer) -> errors.StripeError:
    return answer.error(
        errors.ObjectLocked, "another request holds the object", "try again when that one is done"
    )


def _not_found(answer: _ErrorAnswer) -> errors.StripeError:
    if _lacks_endpoint(answer):
        return answer.error(
            errors.EndpointUnavailable,
            "this API version has no such endpoint",
            "pin a version that has it, or leave the collection out",
        )
    return answer.error(errors.NotFound, "there is no such object")


def _lacks_endpoint(answer: _ErrorAnswer) -> bool:
    """Whether a 404 or 405 is about the URL, not about an object.

    Stripe names the URL. Other servers answer with a text that is no JSON, or for a whole list.
    """
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED or answer.error_type == _NO_JSON:
        return True
    is_list = answer.endpoint.startswith("GET ") and "{" not in answer.endpoint
    return (is_list and answer.code is None) or "unrecognized request url" in answer.text.lower()


def _invalid(answer: _ErrorAnswer) -> errors.StripeError:
    if answer.error_type == "idempotency_error":
        return answer.error(
            errors.IdempotencyConflict,
            "the idempotency key was used with other parameters",
            "use another key for another request",
        )
    if "aged out of our retention policy" in answer.text:
        return answer.error(
            errors.EventCursorExpired,
            "the Stripe event behind the cursor is past retention",
            "list the collections again",
        )
    if answer.code == "resource_missing" and answer.param in _CURSOR_PARAMS:
        return answer.error(
            errors.CursorVanished,
            f"the object behind {answer.param} is no longer in the list",
            "go on by creation time",
        )
    about = f" about {answer.param}" if answer.param else ""
    return answer.error(
        errors.InvalidRequest, f"Stripe refuses the request with status {answer.status}{about}"
    )


def _forbidden(answer: _ErrorAnswer) -> errors.StripeError:
    if _is_disconnected(answer):
        return answer.error(
            errors.AccountDisconnected,
            f"Stripe gives the key no access to the connected account {answer.acting_on}",
            "check that the key is that of its platform and of the right mode; if it is, the owner "
            "of the account has disconnected it and has to connect it again",
        )
    match = _PERMISSION.search(answer.text)
    permission = f"rak_{match[1] or match[2]}" if match else None
    return answer.error(
        errors.PermissionDenied,
        f"the API key lacks {permission or 'a permission'}",
        _permission_remedy(answer, permission),
        permission=permission,
    )


def _is_disconnected(answer: _ErrorAnswer) -> bool:
    """Whether a 403 is about the account that the request acted on, not about one in its path."""
    if answer.code != NO_SUCH_ACCOUNT or answer.acting_on is None:
        return False
    named = _ANY_ACCOUNT.findall(answer.text)
    return not named or answer.acting_on in named


def _permission_remedy(answer: _ErrorAnswer, permission: str | None) -> str:
    text = answer.text.lower()
    if permission:
        return f"grant {permission} to the restricted key in the Dashboard"
    if answer.code == NO_SUCH_ACCOUNT:
        return "the key has no access to the connected account: check the account id and the key"
    if "not available for use by restricted keys" in text:
        return "no restricted key can do this: use a secret key or leave the collection out"
    if "connect permissions" in text:
        return "grant Connect permissions to the restricted key in the Dashboard"
    if "platform controls" in text:
        return "the platform does not control this account: leave the collection out"
    return "check the key's permissions in the Dashboard"
