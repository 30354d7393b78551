"""Filling an account with many objects."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stripe_sandbox import child_writes
from stripe_sandbox.errors import bad_request
from stripe_sandbox.generate import Batch, Lengths
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.slots import make_id
from stripe_sandbox.state import Mode, State

Spread = Literal["even", "random", "burst", "growing"]

_YEARS = 2 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make.

    Attributes:
        counts: Objects per collection, by the value of their ``object`` field.
        start: First creation second; two years before ``end`` by default.
        end: Last creation second; now by default.
        seed: The same seed makes the same objects.
        spread: even; random; burst (all in few seconds); growing (more and more towards the end).
        emit: Write Stripe events for them, too.
        children: How long embedded lists are, by collection and field.
    """

    counts: Mapping[str, int]
    start: int | None = None
    end: int | None = None
    seed: int = 0
    spread: Spread = "even"
    emit: bool = False
    children: Mapping[str, Lengths] = field(default_factory=dict)


def seed(state: State, mode: Mode, plan: Plan) -> dict[str, int]:
    """Make objects. Returns how many were made, per collection."""
    end = plan.end if plan.end is not None else int(state.clock.now())
    start = plan.start if plan.start is not None else end - _YEARS
    for name, count in plan.counts.items():
        rng = random.Random(f"{plan.seed}/{name}")  # noqa: S311 - chances, no secrets
        if RESOURCES[name].scope:
            message = f"{name} objects are made with their owners"
            raise bad_request(message)
        collection = mode.store[name]
        moments = _moments(count, start, end, plan.spread, rng)
        batch = Batch(name, mode.store, plan.seed, plan.children.get(name))
        for number in batch.fill(collection, moments):
            if plan.emit:
                entry = collection.by_id[make_id(name, plan.seed, number)]
                doc = entry.view()
                for kind in child_writes.kinds_of_event(doc, "created"):
                    mode.log.write(kind, doc, created=entry.created)
    return dict(plan.counts)


def _moments(count: int, start: int, end: int, spread: Spread, rng: random.Random) -> list[int]:
    width = max(end - start, 0)
    if spread == "random":
        return sorted(start + rng.randrange(width + 1) for _ in range(count))
    if spread == "burst":
        return sorted(start + rng.randrange(min(width, 3) + 1) for _ in range(count))
    if spread == "growing":
        return [start + int(width * ((n + 1) / count) ** 0.5) for n in range(count)]
    return [start + width * (n + 1) // count for n in range(count)]
