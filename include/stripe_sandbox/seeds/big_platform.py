"""A big platform account, with many children in each list, for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

from stripe_sandbox.generation.object_generator import ListLengths
from stripe_sandbox.seeds import demo_accounts
from stripe_sandbox.seeds.bulk_seed import SeedPlan, seed
from stripe_sandbox.state.sandbox_state import Mode, State

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

CHILDREN: Mapping[str, ListLengths] = {
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
    """Create the objects of the account.

    Args:
        state: The state of the sandbox.
        mode: The account and mode to fill.
        share: Factor of the counts.

    Returns:
        Objects per collection.
    """
    counts = {name: max(1, int(count * share)) for name, count in COUNTS.items()}
    created = seed(state, mode, SeedPlan(counts, spread="random", children=CHILDREN))
    store = mode.store
    accounts = [stored.id for stored in store["account"].order if stored.id != store.account]
    demo_accounts.create_capabilities(store, accounts)
    for account in accounts:
        demo_accounts.refresh_account(store, account)
    return {**created, "capability": len(store["capability"])}
