"""Idempotency keys: repeats of a request get its first response, for a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stripe_sandbox.errors import ApiError

MAX_LENGTH = 255
LIFETIME = 86_400
"""Seconds of the sandbox's time after which a key executes again."""

_NEVER_STORED = (401, 403, 409, 429)


@dataclass(slots=True)
class Response:
    """A response with a JSON body."""

    status: int
    body: bytes


@dataclass(slots=True)
class Use:
    """What a key was first used for.

    Attributes:
        fingerprint: Method, path and parameters in one text.
        request_id: The first request with the key.
        began: When that one came, in seconds since 1970.
        response: Its response; None while it is in progress.
    """

    fingerprint: str
    request_id: str
    began: float
    response: Response | None = None

    def has_ended(self, now: float) -> bool:
        """Whether the key may be used for anything again."""
        return self.response is not None and self.began + LIFETIME <= now


def is_stored(error: ApiError) -> bool:
    """Whether a key keeps a refusal: only what was refused after its execution had begun."""
    return not error.before_execution and error.status not in _NEVER_STORED


class IdempotencyKeys:
    """The keys of one account and mode."""

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}

    def begin(self, key: str, use: Use) -> Use:
        """Claim a key for a request.

        Args:
            key: As sent.
            use: What it is to be used for.

        Returns:
            The given use, whose response is to be set unless ``release`` is called, or an earlier
            one of the same request, with its response.

        Raises:
            ApiError: 400 the key is too long, or was used for something else; 409 it is in use
                right now.
        """
        if len(key) > MAX_LENGTH:
            message = f"Idempotency keys may be at most {MAX_LENGTH} characters long."
            raise ApiError(400, message, kind="idempotency_error")
        known = self._uses.get(key)
        if known is None or known.has_ended(use.began):
            self._uses[key] = use
            return use
        headers = {"original-request": known.request_id}
        if known.fingerprint != use.fingerprint:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to "
                "execute a different request.",
                kind="idempotency_error",
                headers=headers,
            )
        if known.response is None:
            raise ApiError(
                409,
                "There is currently another in-progress request using this idempotent key.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
                headers=headers,
            )
        return known

    def put(self, key: str, use: Use) -> None:
        """Store a key as it is."""
        self._uses[key] = use

    def release(self, key: str) -> None:
        """Release a key whose request was refused before it changed anything."""
        self._uses.pop(key, None)

    def finished(self) -> Iterator[tuple[str, Use, Response]]:
        """The keys whose requests have a response, with it."""
        for key, use in self._uses.items():
            if use.response is not None:
                yield key, use, use.response
