"""Errors of the API, all in Stripe's own shape, without tracebacks and without secrets."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from stripe_sync import (
    AccountDisconnected,
    AuthenticationError,
    ConfigurationError,
    ConsumerConflict,
    ConsumerNotFound,
    IdempotencyConflict,
    InvalidRequest,
    LakeError,
    NotFound,
    ObjectLocked,
    PermissionDenied,
    RateLimited,
    RecordNotFound,
    StripeError,
    StripeSyncError,
    StripeUnreachable,
    SyncBusy,
    SyncConflict,
    SyncNotFound,
    WarehouseError,
    scrubbed,
)

log = logging.getLogger(__name__)

_LONGEST_NAME, _LONGEST_TEXT = 64, 2000
_SERVER_ERROR, _TOO_MANY = 500, 429

# The first class that matches decides.
_STATUS: Sequence[tuple[type[Exception], int, str]] = (
    (SyncNotFound, 404, "resource_missing"),
    (RecordNotFound, 404, "resource_missing"),
    (ConsumerNotFound, 404, "resource_missing"),
    (SyncConflict, 409, "sync_conflict"),
    (ConsumerConflict, 409, "consumer_conflict"),
    (ConfigurationError, 400, "parameter_invalid"),
    (SyncBusy, 409, "sync_busy"),
    (WarehouseError, 503, "warehouse_unavailable"),
    (LakeError, 503, "lake_unavailable"),
    (RateLimited, 429, "rate_limit"),
    (StripeUnreachable, 504, "stripe_unreachable"),
    (AuthenticationError, 422, "stripe_key_refused"),
    (PermissionDenied, 422, "stripe_permission_denied"),
    (AccountDisconnected, 422, "stripe_account_disconnected"),
    (NotFound, 422, "stripe_not_found"),
    (InvalidRequest, 422, "stripe_refused"),
    (IdempotencyConflict, 400, "idempotency_key_reused"),
    (ObjectLocked, 429, "lock_timeout"),
    (StripeError, 502, "stripe_unavailable"),
    (AirflowNotFoundException, 503, "connection_missing"),
)
_PARAMS = {"collections": "collection_ids", "consumer": "consumer_id"}
"""Names of parameters here, where they have another name in Python."""

_HTTP_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "not_permitted",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_long",
}
_BODY_CODES = {"missing": "parameter_missing", "extra_forbidden": "parameter_unknown"}
_BODY_TEXTS = {
    "missing": "this parameter is required",
    "extra_forbidden": "there is no such parameter",
    "json_invalid": "the body is not JSON",
}


class ApiError(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        code: Short code for programs.
        message: What is wrong, with the remedy where one is known.
        param: The parameter that is wrong, where it is one.

    Attributes:
        type: Stripe's type of the error; None for the one that the status says.
        more: Further fields of the error: ``decline_code``, ``request_id``.
    """

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.type: str | None = None
        self.more: Mapping[str, str | None] = {}


def answer(error: Exception) -> JSONResponse:
    """The answer to any exception; one that nobody has thought of is logged."""
    found = known_error(error)
    kind = "api_error" if found.status >= _SERVER_ERROR else "invalid_request_error"
    body: dict[str, Any] = {
        "type": found.type or kind,
        "code": found.code,
        "message": found.message,
    }
    if found.param:
        body["param"] = found.param
    body |= {name: value for name, value in found.more.items() if value}
    if isinstance(error, StripeError) and error.request_id:
        body["request_id"] = error.request_id
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    if found.status == _TOO_MANY:
        headers = {"Retry-After": "1", **headers}
    return JSONResponse({"error": body}, status_code=found.status, headers=dict(headers))


def known_error(error: Exception) -> ApiError:
    """Any exception as an error of the API, without secrets; one of no known kind is logged."""
    found = _api_error(error)
    found.message = scrubbed(found.message)[:_LONGEST_TEXT]
    if found.param:
        found.param = scrubbed(found.param)[:_LONGEST_TEXT]
    return found


async def handle(_request: Request, error: Exception) -> JSONResponse:
    """The same as an exception handler of FastAPI."""
    return answer(error)


def _api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return _validation_error(error)
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "error")
        return ApiError(error.status_code, code, str(error.detail))
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return _known(error, status, code)
    # Not with its message: it may have a value of the request.
    log.error("A request failed", exc_info=error)
    return ApiError(500, "internal_error", "this request failed: see the log of the API server")


def _known(error: Exception, status: int, code: str) -> ApiError:
    if isinstance(error, SyncNotFound):
        return ApiError(status, code, "there is no such sync", param="sync_id")
    param = getattr(error, "param", None) if isinstance(error, StripeSyncError) else None
    if isinstance(error, InvalidRequest) and error.code:
        code = error.code
    known = ApiError(status, code, str(error), param=_PARAMS.get(param, param) if param else None)
    if isinstance(error, IdempotencyConflict):
        known.type = "idempotency_error"
    return known


def _validation_error(error: RequestValidationError) -> ApiError:
    """The first thing that is wrong, by the name of its parameter and without its value."""
    first = error.errors()[0]
    kind = str(first["type"])
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if kind == "json_invalid":
        where = []
    param = ".".join(where)[:_LONGEST_NAME] or None
    message = _BODY_TEXTS.get(kind) or str(first["msg"]).removeprefix("Value error, ")
    text = f"{param}: {message}" if param else message
    return ApiError(400, _BODY_CODES.get(kind, "parameter_invalid"), text, param=param)
