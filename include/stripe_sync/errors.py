"""All errors that this project raises.

::

    StripeSyncError
    ├── ConfigurationError           a setting, parameter or name is wrong; retrying cannot help
    │   ├── ConsumerNotFound         there is no such consumer
    │   ├── ConsumerConflict         the consumer exists already, is paused, or is of another kind
    │   ├── RecordNotFound           there is no such record
    │   ├── SyncNotFound             there is no such sync
    │   └── SyncConflict             the sync exists already, is paused, or is being deleted
    ├── CatalogError                 the shipped catalogue contradicts itself
    ├── StripeError                  Stripe refused a request or did not answer
    │   ├── AuthenticationError      401: the key is wrong, revoked or expired
    │   ├── PermissionDenied         403: names the permission that the key lacks
    │   ├── AccountDisconnected      403: the key has no access to the connected account
    │   ├── InvalidRequest           400, 402: Stripe refuses these parameters
    │   │   ├── CursorVanished       the object behind starting_after / ending_before is gone
    │   │   └── EventCursorExpired   the Stripe event behind a cursor aged out of retention
    │   ├── IdempotencyConflict      the same idempotency key came with other parameters
    │   ├── NotFound                 404: no such object
    │   ├── EndpointUnavailable      404, 405: there is no such URL
    │   ├── RateLimited              429 with a reason, after all retries
    │   ├── ObjectLocked             429 without a reason, after all retries
    │   ├── StripeUnavailable        5xx, after all retries
    │   ├── StripeUnreachable        no answer, after all retries
    │   │   └── UnusableAnswer       an answer that is cut, late or malformed, after all retries
    │   └── NoProgress               a list that never ends: its pages repeat
    ├── MalformedObject              an object or Stripe event that cannot be stored
    ├── WarehouseError               the warehouse refuses a statement or cannot be reached
    │   ├── SyncBusy                 another process holds the lock or lease
    │   └── ConcurrentUpdate         a record is no longer in the state that a batch expects
    └── LakeError                    the lake cannot be written or read
        └── LakeAhead                the lake holds change events that the warehouse lacks

Every message names the cause and, where there is one, the remedy. No message carries a secret.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar


class StripeSyncError(Exception):
    """Root of all errors raised by this project."""


class ConfigurationError(StripeSyncError):
    """A setting, parameter or name is wrong; retrying cannot help.

    Args:
        message: What is wrong, with the remedy where one is known.
        param: Name of the parameter that is wrong, where it is one.
    """

    def __init__(self, message: str = "", *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SyncNotFound(ConfigurationError):
    """There is no such sync."""


class RecordNotFound(ConfigurationError):
    """There is no such record."""


class SyncConflict(ConfigurationError):
    """The sync exists already, is paused, or is being deleted."""


class ConsumerNotFound(ConfigurationError):
    """There is no such consumer."""


class ConsumerConflict(ConfigurationError):
    """The consumer exists already, is paused, or is of another kind."""


class CatalogError(StripeSyncError):
    """The shipped catalogue contradicts itself."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as Stripe describes it (https://docs.stripe.com/api/errors), without secrets.

    Attributes:
        type: ``card_error``, ``invalid_request_error``, ``idempotency_error`` or ``api_error``.
        code: ``card_declined``.
        decline_code: ``insufficient_funds``.
        message: Stripe's message.
        param: Stripe's name of the parameter that it is about.
        request_id: ``req_…``.
    """

    type: str
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    param: str | None = None
    request_id: str | None = None


class StripeError(StripeSyncError):
    """Stripe refused a request or did not answer.

    Args:
        message: What happened, with the remedy where one is known.
        status: HTTP status of the last answer, None when there was none.
        code: Stripe's ``error.code``, where present.
        request_id: Stripe's ``Request-Id`` header, for support requests.
        account: ``acct_…`` of the account that the key is for, where the answer names it.

    Attributes:
        param: Our parameter that the refusal is about, where it is one.
        refusal: Stripe's own words, where it answered with an error.
        left: Kind and id of payments that the refused request made or changed: a declined card
            leaves its PaymentIntent.
        may_have_run: Whether Stripe may have executed the request, of one that changes something.
        is_outcome_unknown: Whether an error of this kind leaves that open.
    """

    param: str | None = None
    refusal: Refusal | None = None
    left: tuple[tuple[str, str], ...] = ()
    may_have_run: bool = False
    is_outcome_unknown: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(message)
        self.account = account
        self.status = status
        self.code = code
        self.request_id = request_id


class AuthenticationError(StripeError):
    """401: the key is wrong, revoked or expired."""


class PermissionDenied(StripeError):
    """403: the key may not do this.

    ``permission`` is the ``rak_…`` name that it lacks, where the answer names it.
    """

    def __init__(
        self,
        message: str,
        *,
        permission: str | None = None,
        status: int | None = 403,
        code: str | None = None,
        request_id: str | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, request_id=request_id, account=account)
        self.permission = permission


class AccountDisconnected(StripeError):
    """403: the key has no access to the connected account that it acts on, or no longer."""


class InvalidRequest(StripeError):
    """400 or 402: Stripe refuses these parameters."""


class CursorVanished(InvalidRequest):
    """The object behind ``starting_after`` or ``ending_before`` is no longer in the list."""


class EventCursorExpired(InvalidRequest):
    """The Stripe event behind a cursor aged out of Stripe's 30-day retention."""


class IdempotencyConflict(StripeError):
    """The same idempotency key was used with other parameters."""


class NotFound(StripeError):
    """404: there is no such object."""


class EndpointUnavailable(StripeError):
    """404, 405: there is no such URL, in this API version or on this server."""


class RateLimited(StripeError):
    """429 with a reason; ``reason`` is Stripe's ``Stripe-Rate-Limited-Reason``."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int | None = 429,
        code: str | None = None,
        request_id: str | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, request_id=request_id, account=account)
        self.reason = reason


class ObjectLocked(StripeError):
    """429 without a reason: another request locks the object; the rate limit is not reached."""


class StripeUnavailable(StripeError):
    """5xx, after all retries."""

    is_outcome_unknown = True


class StripeUnreachable(StripeError):
    """No answer, after all retries."""


class UnusableAnswer(StripeUnreachable):
    """An answer that is cut, comes too late or is not what the endpoint returns."""

    is_outcome_unknown = True


class NoProgress(StripeError):
    """A list that never ends: a page repeats an earlier one."""


class MalformedObject(StripeSyncError):
    """An object or Stripe event that cannot be stored; it is set aside."""


class WarehouseError(StripeSyncError):
    """The warehouse refuses or cannot be reached."""


class SyncBusy(WarehouseError):
    """Another process holds the lock or lease."""


class ConcurrentUpdate(WarehouseError):
    """A record is no longer in the state that a batch expects; nothing of the batch is stored.

    Args:
        message: What changed.
        keys: Collection and upstream ids of the records whose state is to be fetched again.
    """

    def __init__(self, message: str, keys: Collection[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.keys = keys


class LakeError(StripeSyncError):
    """The lake cannot be written or read."""


class LakeAhead(LakeError):
    """The lake holds change events that the warehouse lacks."""


PERMANENT = (
    AuthenticationError,
    PermissionDenied,
    AccountDisconnected,
    ConfigurationError,
    CatalogError,
)
"""Errors that stay until somebody changes a key, a permission or a setting; others may pass."""
