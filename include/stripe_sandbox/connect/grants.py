"""Authorization codes and connected accounts of a sandbox's platform."""

from __future__ import annotations

from dataclasses import dataclass

CLIENT_IDS = {False: "ca_test_sandbox", True: "ca_live_sandbox"}
"""The client id of the platform, which is the first account, by livemode."""

CODE_SECONDS = 300.0

INVALID_CLIENT = "invalid_client"
INVALID_GRANT = "invalid_grant"
INVALID_REDIRECT_URI = "invalid_redirect_uri"
INVALID_REQUEST = "invalid_request"
INVALID_SCOPE = "invalid_scope"
UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


class OAuthError(Exception):
    """A refusal in the form of OAuth.

    Args:
        error: Such as ``invalid_grant``.
        description: A sentence.
        status: HTTP status.
    """

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


@dataclass(slots=True)
class Grant:
    """What an authorization code is for."""

    account: str
    livemode: bool
    scope: str
    created: float
    is_used: bool = False


class Grants:
    """The codes of a sandbox, and the accounts whose connection was revoked.

    Attributes:
        revoked: Accounts that the platform has lost, with their mode.
    """

    def __init__(self) -> None:
        self._codes: dict[str, Grant] = {}
        self.revoked: set[tuple[str, bool]] = set()

    def add(self, code: str, grant: Grant) -> None:
        """Add a code; its account is connected when the code is exchanged."""
        self._codes[code] = grant

    def exchange(self, code: str, *, livemode: bool, now: float) -> Grant:
        """Use a code. A second use revokes the connection of its account.

        Args:
            code: The code.
            livemode: Mode of the key that exchanges it.
            now: The sandbox's time.

        Raises:
            OAuthError: The code is unknown, used, too old, or of the other mode.
        """
        grant = self._codes.get(code)
        if grant is None or now - grant.created > CODE_SECONDS:
            description = f"Authorization code does not exist: {code}"
            raise OAuthError(INVALID_GRANT, description)
        if grant.is_used:
            self.revoked.add((grant.account, grant.livemode))
            description = (
                "This authorization code has already been used. All tokens issued with this code"
                " have been revoked."
            )
            raise OAuthError(INVALID_GRANT, description)
        if grant.livemode != livemode:
            mode = "live" if grant.livemode else "test"
            description = f"This is a {mode} mode authorization code; use a {mode} mode key."
            raise OAuthError(INVALID_GRANT, description)
        grant.is_used = True
        self.revoked.discard((grant.account, grant.livemode))
        return grant
