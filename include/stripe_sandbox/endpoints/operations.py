"""All operations, by name."""

from __future__ import annotations

from stripe_sandbox.endpoints import child_endpoints, object_endpoints, special_endpoints
from stripe_sandbox.endpoints.responses import Request
from stripe_sandbox.errors import ApiError
from stripe_sandbox.rendering import api_versions
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
        ApiError: The request is refused; whole objects in it are in the request's version.
    """
    try:
        return _OPERATIONS[match.route.operation](state, match, request)
    except ApiError as error:
        for name, doc in error.objects.items():
            error.body[name] = api_versions.downgrade(doc, request.version, request.store)
        raise
