"""Every operation by its name."""

from __future__ import annotations

from stripe_sandbox import endpoints, single
from stripe_sandbox.endpoints import Request
from stripe_sandbox.routes import Match
from stripe_sandbox.state import State

_OPERATIONS = {**endpoints.OPERATIONS, **single.OPERATIONS}


def run(state: State, match: Match, request: Request) -> bytes:
    """Carry out an operation and return the answer's JSON.

    Raises:
        ApiError: The request is refused.
    """
    return _OPERATIONS[match.route.operation](state, match, request)
