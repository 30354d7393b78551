"""All operations, by name."""

from __future__ import annotations

from stripe_sandbox.endpoints import child_endpoints, object_endpoints, special_endpoints
from stripe_sandbox.endpoints.responses import Request
from stripe_sandbox.requests.router import Match
from stripe_sandbox.state.sandbox_state import State

_OPERATIONS = {
    **object_endpoints.OPERATIONS,
    **child_endpoints.OPERATIONS,
    **special_endpoints.OPERATIONS,
}


def run(state: State, match: Match, request: Request) -> bytes:
    """Run the operation of a route. Returns the JSON of the response.

    Raises:
        ApiError: The request is refused.
    """
    return _OPERATIONS[match.route.operation](state, match, request)
