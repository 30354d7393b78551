"""Idempotency keys: repeats of a request get its first response."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sandbox.errors import ApiError

MAX_LENGTH = 255


@dataclass(slots=True)
class Response:
    """A response with a JSON body."""

    status: int
    body: bytes


@dataclass(slots=True)
class _Use:
    fingerprint: bytes
    response: Response | None = None


class IdempotencyKeys:
    """The keys of one account and mode."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    def begin(self, key: str, fingerprint: bytes) -> Response | None:
        """Claim a key for a request, or return the stored response of the key.

        Args:
            key: As sent.
            fingerprint: Method, path and parameters in one text.

        Raises:
            ApiError: 400 the key was used for something else; 409 it is in use right now.
        """
        if len(key) > MAX_LENGTH:
            message = f"Idempotency keys may be at most {MAX_LENGTH} characters long."
            raise ApiError(400, message, kind="idempotency_error")
        use = self._uses.get(key)
        if use is None:
            self._uses[key] = _Use(fingerprint)
            return None
        if use.fingerprint != fingerprint:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to "
                "execute a different request.",
                kind="idempotency_error",
            )
        if use.response is None:
            raise ApiError(
                409,
                "There is currently another in-progress request using this idempotent key.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        return use.response

    def finish(self, key: str, response: Response) -> None:
        """Store the response to a request that was executed."""
        self._uses[key].response = response

    def release(self, key: str) -> None:
        """Release a key whose request was refused before it changed anything."""
        self._uses.pop(key, None)
