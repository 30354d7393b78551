"""What Stripe's error answers mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import stripe

from stripe_sync import errors
from stripe_sync.client.scrub_secrets import scrubbed

_PERMISSION = re.compile(r"\brak_\w+", re.ASCII)
_CURSOR_PARAMS = ("starting_after", "ending_before")
_REASON_HEADER = "Stripe-Rate-Limited-Reason"
_UNKNOWN_REASON = "global-rate"
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """Why one attempt brought no result.

    Attributes:
        error: What to raise when no further attempt is made.
        retry: Whether another attempt may succeed and does no harm.
        retry_after: Seconds that Stripe asks to wait, None where it does not say.
    """

    error: errors.StripeError
    retry: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """An error answer, taken apart."""

    endpoint: str
    status: int
    error_type: str
    code: str | None
    param: str | None
    said: str
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        return self.headers.get("Request-Id")

    def message(self, cause: str, remedy: str = "") -> str:
        """One sentence each: what failed and why, what to do, what Stripe said."""
        place = f" ({self.request_id})" if self.request_id else ""
        advice = f"; {remedy}" if remedy else ""
        return f'{self.endpoint}{place}: {cause}{advice}. Stripe said: "{self.said}"'

    def error(
        self, kind: type[errors.StripeError], cause: str, remedy: str = "", **more: Any
    ) -> errors.StripeError:
        return kind(
            self.message(cause, remedy),
            status=self.status,
            code=self.code,
            request_id=self.request_id,
            **more,
        )


def unreachable(endpoint: str, host: str, cause: str) -> AttemptFailure:
    """No answer, or not a whole one.

    Args:
        endpoint: Method and path template.
        host: Host of the API.
        cause: What the network or the parser said.
    """
    message = f"{endpoint}: no whole answer from {host}: {scrubbed(cause)}; check the network"
    return AttemptFailure(errors.StripeUnreachable(message), retry=True)


def refused(endpoint: str, failed: stripe.StripeError) -> AttemptFailure:
    """An answer other than success.

    Args:
        endpoint: Method and path template, ``GET /v1/customers``.
        failed: The SDK's exception.
    """
    answer = _taken_apart(endpoint, failed)
    return AttemptFailure(
        error=_error(answer),
        retry=_worth_repeating(answer),
        retry_after=_seconds(answer.headers.get("Retry-After")),
    )


def _taken_apart(endpoint: str, failed: stripe.StripeError) -> _Answer:
    body = failed.json_body
    stated = body.get("error") if isinstance(body, dict) else None
    fields: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
    return _Answer(
        endpoint=endpoint,
        status=failed.http_status or 0,
        error_type=fields.get("type") or "",
        code=fields.get("code"),
        param=fields.get("param"),
        said=scrubbed(fields.get("message") or "nothing"),
        headers=failed.headers or {},
    )


def _is_rate_limit(answer: _Answer) -> bool:
    # Before 429 Stripe said it with 400 and a code, and some endpoints still do.
    by_reason = answer.status == HTTPStatus.TOO_MANY_REQUESTS and _REASON_HEADER in answer.headers
    return by_reason or answer.code == "rate_limit"


def _worth_repeating(answer: _Answer) -> bool:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or _is_rate_limit(answer):
        return True  # refused before anything was done, so repeating it does no harm
    told = answer.headers.get("Stripe-Should-Retry", "").lower()
    if answer.status >= _SERVER_ERRORS and answer.endpoint.startswith("GET "):
        # The header is about writes: Stripe keeps the 500 of an idempotency key and would only
        # replay it. A read has no such key and is computed anew each time.
        return True
    if told == "false":
        return False
    return answer.status == HTTPStatus.CONFLICT or answer.status >= _SERVER_ERRORS


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is as good as none."""
    if retry_after is None or not retry_after.strip().isdigit():
        return None
    return float(retry_after)


def _error(answer: _Answer) -> errors.StripeError:
    if _is_rate_limit(answer):
        reason = answer.headers.get(_REASON_HEADER, _UNKNOWN_REASON)
        return answer.error(
            errors.RateLimited,
            f"too many requests ({reason})",
            "lower the pacing limits or wait",
            reason=reason,
        )
    by_status: dict[int, Callable[[_Answer], errors.StripeError]] = {
        HTTPStatus.UNAUTHORIZED: _unauthorized,
        HTTPStatus.FORBIDDEN: _forbidden,
        HTTPStatus.NOT_FOUND: _not_found,
        HTTPStatus.CONFLICT: _locked,
        HTTPStatus.TOO_MANY_REQUESTS: _locked,
    }
    if answer.status >= _SERVER_ERRORS:
        return answer.error(
            errors.StripeUnavailable,
            f"Stripe failed with status {answer.status}",
            "try again later, see https://status.stripe.com",
        )
    return by_status.get(answer.status, _invalid)(answer)


def _unauthorized(answer: _Answer) -> errors.StripeError:
    return answer.error(
        errors.AuthenticationError,
        "Stripe does not accept the API key",
        "it is wrong, revoked or expired: put a valid key into the connection",
    )


def _locked(answer: _Answer) -> errors.StripeError:
    return answer.error(
        errors.ObjectLocked, "another request holds the object", "try again when that one is done"
    )


def _not_found(answer: _Answer) -> errors.StripeError:
    if "unrecognized request url" in answer.said.lower():
        return answer.error(
            errors.EndpointRetired,
            "this API version has no such endpoint",
            "pin a version that has it, or leave the collection out",
        )
    return answer.error(errors.NotFound, "there is no such object")


def _invalid(answer: _Answer) -> errors.StripeError:
    if answer.error_type == "idempotency_error":
        return answer.error(
            errors.IdempotencyConflict,
            "the idempotency key was used with other parameters",
            "use another key for another request",
        )
    if "aged out of our retention policy" in answer.said:
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


def _forbidden(answer: _Answer) -> errors.StripeError:
    match = _PERMISSION.search(answer.said)
    permission = match.group() if match else None
    return answer.error(
        errors.PermissionDenied,
        f"the API key lacks {permission or 'a permission'}",
        _permission_remedy(answer, permission),
        permission=permission,
    )


def _permission_remedy(answer: _Answer, permission: str | None) -> str:
    said = answer.said.lower()
    if permission:
        return f"grant {permission} to the restricted key in the Dashboard"
    if answer.code == "account_invalid":
        return "the key has no access to the connected account: check the account id and the key"
    if "not available for use by restricted keys" in said:
        return "no restricted key can do this: use a secret key or leave the collection out"
    if "connect permissions" in said:
        return "grant Connect permissions to the restricted key in the Dashboard"
    if "platform controls" in said:
        return "the platform does not control this account: leave the collection out"
    return "check the key's permissions in the Dashboard"
