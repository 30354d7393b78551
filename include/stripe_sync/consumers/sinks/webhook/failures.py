"""Why a request failed: whose fault it may be, in a sentence that names the remedy.

Texts of aiohttp are not passed on, since they have the whole URL, nor is what a receiver answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

import aiohttp
from yarl import URL

from stripe_sync.consumers.sinks.webhook.addresses import NOT_PUBLIC

SLOW_SECONDS = 60.0
"""First wait after what somebody has to repair."""

_LONGEST_RETRY_AFTER = 86_400.0
_LONGEST_ORIGIN = 300

_THROTTLED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_MAYBE_ITEM = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)
_REFUSES_US = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Blame(Enum):
    """What a failure says about other items."""

    TARGET = "no item can be delivered now"
    EITHER = "the target may be down, or stumble over this item"
    ITEM = "the target does not want this item"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item was not delivered.

    Attributes:
        error: Cause and remedy.
        blame: What it says about other items.
        retry_after: Seconds to wait; None for the usual waits.
        pauses: Whether the target asks for no more.
    """

    error: str
    blame: Blame
    retry_after: float | None = None
    pauses: bool = False


class Failures:
    """The failures of requests to one URL.

    Args:
        url: Where they go. Only scheme, host and port are ever named.
        timeout_seconds: Time in which they must be answered.
    """

    def __init__(self, url: URL, timeout_seconds: float) -> None:
        self._url = url
        self._origin = str(url.origin())
        self._timeout_seconds = timeout_seconds

    def of_answer(self, status: int, headers: Mapping[str, str], now: datetime) -> Failure | None:
        """The failure of an answer; None where it is a success."""
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        answered = f"{self._origin} answered {_named(status)}"
        retry_after = _retry_after(headers.get("Retry-After"), now)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return Failure(
                f"{answered}{self._redirection(headers)}; redirects are not followed:"
                " set url to the final address",
                Blame.TARGET,
                SLOW_SECONDS,
            )
        if status == HTTPStatus.GONE:
            return Failure(
                f"{answered}, which asks for no more: resume the consumer once it takes items",
                Blame.TARGET,
                pauses=True,
            )
        if status in _THROTTLED and (retry_after or status == HTTPStatus.TOO_MANY_REQUESTS):
            remedy = "it asks to wait; lower concurrency if that happens often"
            return Failure(f"{answered}: {remedy}", Blame.TARGET, retry_after)
        blame, remedy = _judge(status)
        return Failure(f"{answered}: {remedy}", blame, retry_after)

    def of_error(self, error: aiohttp.ClientError | TimeoutError) -> Failure:
        """The failure of a request without an answer."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            cause, remedy = "takes no connection in time", "check host, port and firewall"
            return Failure(f"{self._origin} {cause}: {remedy}", Blame.TARGET)
        if isinstance(error, TimeoutError):
            cause = f"did not answer within {self._timeout_seconds:g} s"
            remedy = "answer first and work later, or raise timeout_seconds"
            return Failure(f"{self._origin} {cause}: {remedy}", Blame.EITHER)
        if isinstance(error, aiohttp.ClientConnectorError):
            return self._no_connection(error)
        if isinstance(error, aiohttp.ClientResponseError):
            cause = "answered something that is not HTTP"
            return Failure(f"{self._origin} {cause}: check its port and its log", Blame.EITHER)
        if isinstance(error, aiohttp.InvalidURL):
            text = f"{self._origin} is no address: write it as a name or in full"
            return Failure(text, Blame.TARGET, SLOW_SECONDS)
        cause = "closed the connection without an answer"
        return Failure(f"{self._origin} {cause}: look into its log", Blame.EITHER)

    def _no_connection(self, error: aiohttp.ClientConnectorError) -> Failure:
        reason = error.os_error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
            text = (
                f"the TLS certificate of {self._origin} is not accepted ({why}): install a valid"
                " one with its chain, or name a private authority's file in SSL_CERT_FILE"
            )
            return Failure(text, Blame.TARGET, SLOW_SECONDS)
        if isinstance(error, aiohttp.ClientSSLError):
            why = (getattr(reason, "reason", None) or "no reason given").replace("_", " ").lower()
            text = f"{self._origin} does not speak TLS as it must ({why}): check port and protocol"
            return Failure(text, Blame.TARGET, SLOW_SECONDS)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            text = f"the host name of {self._origin} is not found: check url and DNS"
            return Failure(text, Blame.TARGET)
        if NOT_PUBLIC in str(reason):
            why = (reason.strerror or str(reason)).removeprefix("Multiple exceptions: ")
            text = (
                f"{self._origin} must not be connected: {why.replace('[Errno 13] ', '')};"
                " name its network in allow_addresses if it is meant"
            )
            return Failure(text, Blame.TARGET, SLOW_SECONDS)
        why = reason.strerror or str(reason)
        text = f"{self._origin} cannot be connected ({why}): check that it runs, host and port"
        return Failure(text, Blame.TARGET)

    def _redirection(self, headers: Mapping[str, str]) -> str:
        try:
            place = str(self._url.join(URL(headers["Location"])).origin())
        except (KeyError, ValueError):
            place = ""
        return f", a redirect to {place}" if 0 < len(place) < _LONGEST_ORIGIN else ""


def _judge(status: int) -> tuple[Blame, str]:
    """What an answer says about other items, and the remedy."""
    if status in _REFUSES_US:
        return Blame.EITHER, "check that it has the newest secret and asks for no other login"
    if status == HTTPStatus.NOT_FOUND:
        return Blame.EITHER, "check the path of url"
    is_answer = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_answer or status in _MAYBE_ITEM:
        return Blame.EITHER, "look into its log"
    return Blame.ITEM, "it does not take this item, look into its log"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header: a number, or a date."""
    if not text:
        return None
    try:
        seconds = float(text) if text.isdecimal() else _seconds_until(text, now)
    except (ValueError, TypeError, OverflowError):  # also a date without a zone
        return None
    return min(seconds, _LONGEST_RETRY_AFTER) if 0 < seconds < math.inf else None


def _seconds_until(date: str, now: datetime) -> float:
    return (parsedate_to_datetime(date) - now).total_seconds()
