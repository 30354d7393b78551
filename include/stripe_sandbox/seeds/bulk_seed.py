"""Fills an account with many generated objects."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stripe_sandbox.errors import bad_request
from stripe_sandbox.generation.object_generator import ListLengths, ObjectBatch
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.state.sandbox_state import Mode, State
from stripe_sandbox.writes.child_relations import event_types_of

Spread = Literal["even", "random", "burst", "growing"]

_YEARS = 2 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """The objects to create.

    Attributes:
        counts: Objects per collection, by the value of their ``object`` field.
        start: First creation second; two years before ``end`` by default.
        end: Last creation second; now by default.
        seed: The same seed creates the same objects.
        spread: even; random; burst (all in a few seconds); growing (denser towards the end).
        emit: Write their Stripe events, too.
        children: Lengths of embedded lists, by collection and field.
    """

    counts: Mapping[str, int]
    start: int | None = None
    end: int | None = None
    seed: int = 0
    spread: Spread = "even"
    emit: bool = False
    children: Mapping[str, ListLengths] = field(default_factory=dict)


def seed(state: State, mode: Mode, plan: SeedPlan) -> dict[str, int]:
    """Create objects. Returns their number per collection."""
    end = plan.end if plan.end is not None else int(state.clock.now())
    start = plan.start if plan.start is not None else end - _YEARS
    for name, count in plan.counts.items():
        rng = random.Random(f"{plan.seed}/{name}")  # noqa: S311 - chances, no secrets
        if RESOURCES[name].id_scope:
            message = f"{name} objects are made with their owners"
            raise bad_request(message)
        collection = mode.store[name]
        creation_times = _creation_times(count, start, end, plan.spread, rng)
        batch = ObjectBatch(name, mode.store, plan.seed, plan.children.get(name))
        for number in batch.add_to(collection, creation_times):
            if plan.emit:
                stored = collection.by_id[make_id(name, plan.seed, number)]
                doc = stored.default_view()
                for kind in event_types_of(doc, "created"):
                    mode.log.write(kind, doc, created=stored.created)
    return dict(plan.counts)


def _creation_times(
    count: int, start: int, end: int, spread: Spread, rng: random.Random
) -> list[int]:
    width = max(end - start, 0)
    if spread == "random":
        return sorted(start + rng.randrange(width + 1) for _ in range(count))
    if spread == "burst":
        return sorted(start + rng.randrange(min(width, 3) + 1) for _ in range(count))
    if spread == "growing":
        return [start + int(width * ((n + 1) / count) ** 0.5) for n in range(count)]
    return [start + width * (n + 1) // count for n in range(count)]
