"""A platform's account with much of everything that has children, made in seconds."""

from __future__ import annotations

from collections.abc import Mapping

from stripe_sandbox import demo_connect
from stripe_sandbox.generate import Lengths
from stripe_sandbox.seeding import Plan, seed
from stripe_sandbox.state import Mode, State

_LONGEST, _LONG, _PERIOD = 120, 25, 100

COUNTS: Mapping[str, int] = {
    "product": 20,
    "customer": 10_000,
    "subscription": 5_000,
    "invoice": 10_000,
    "account": 200,
    "person": 400,
}
"""Objects per collection."""

CHILDREN: Mapping[str, Lengths] = {
    "subscription": {"items": (12,)},
    "invoice": {
        "lines": tuple(
            _LONGEST if at == 0 else _LONG if at % 20 == 7 else 1 + at % 3  # noqa: PLR2004
            for at in range(_PERIOD)
        )
    },
}
"""One invoice in a hundred has 120 lines, five have 25."""


def fill(state: State, mode: Mode, share: float = 1.0) -> dict[str, int]:
    """Make the account.

    Args:
        state: The sandbox.
        mode: Where to.
        share: Part of the counts.

    Returns:
        Objects per collection.
    """
    counts = {name: max(1, int(count * share)) for name, count in COUNTS.items()}
    made = seed(state, mode, Plan(counts, spread="random", children=CHILDREN))
    store = mode.store
    accounts = [entry.id for entry in store["account"].order if entry.id != store.account]
    demo_connect.give_capabilities(store, accounts)
    for account in accounts:
        demo_connect.reflect(store, account)
    return {**made, "capability": len(store["capability"])}
