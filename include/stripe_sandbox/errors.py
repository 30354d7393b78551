"""Errors with Stripe's error body."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status.
        message: Stripe's ``error.message``.
        kind: Stripe's ``error.type``.
        code: Stripe's ``error.code``, absent when None.
        param: The offending parameter, absent when None.
        headers: Extra response headers.
        more: Further fields of the error.
        objects: Whole objects in the error, in the newest version.
        before_execution: The request was refused while its parameters were checked, so no
            idempotency key keeps the refusal.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
        objects: dict[str, Any] | None = None,
        before_execution: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.before_execution = before_execution
        self.headers = headers or {}
        self.body: dict[str, Any] = {"message": message, "type": kind}
        if code is not None:
            self.body["code"] = code
            self.body["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self.body["param"] = param
        self.body.update({**(more or {}), **(objects or {})})
        self.objects = objects or {}


def bad_request(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """A 400 for an invalid request."""
    return ApiError(400, message, code=code, param=param)


def invalid_parameter(message: str, name: str, *, code: str | None = None) -> ApiError:
    """A 400 for a parameter of another type, raised before anything is executed."""
    return ApiError(400, message, code=code, param=name, before_execution=True)


def unknown_parameter(name: str) -> ApiError:
    """A 400 for a parameter that the endpoint does not have."""
    message = f"Received unknown parameter: {name}"
    return invalid_parameter(message, name, code="parameter_unknown")


def missing_parameter(name: str) -> ApiError:
    """A 400 for a missing required parameter."""
    message = f"Missing required param: {name}."
    return invalid_parameter(message, name, code="parameter_missing")


def no_such(noun: str, object_id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """An object that does not exist (404), or the cursor of none (400)."""
    return ApiError(status, f"No such {noun}: '{object_id}'", code="resource_missing", param=param)


def unrecognized_url(method: str, path: str) -> ApiError:
    """A 404 for a route that does not exist (in this version)."""
    return ApiError(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs "
        "or we can help at https://support.stripe.com/.",
    )
