"""Apply: make the stored syncs as a file declares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stripe_sync.accounts.plans.sync_file import DeclaredSync
from stripe_sync.accounts.plans.sync_plan import SyncPlan, plan_sync, store_sync
from stripe_sync.warehouse.warehouse import open_warehouse


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """What has to be done so that the syncs are as they are declared.

    Attributes:
        syncs: Each declared sync, in the order of the file.
        not_declared: Names of the other syncs; they are left alone.
    """

    syncs: tuple[SyncPlan, ...]
    not_declared: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether all declared syncs are as they are declared."""
        return all(plan.action == "none" for plan in self.syncs)


def plan_apply(warehouse_url: str, declared: Sequence[DeclaredSync]) -> ApplyPlan:
    """Compare declared syncs with the stored ones. Changes nothing, asks Stripe nothing.

    Args:
        warehouse_url: The warehouse.
        declared: What ``read_sync_file`` returns.

    Raises:
        ConfigurationError: A stored sync is in the other mode.
        SyncConflict: One is being deleted.

    Example:
        >>> from stripe_sync import plan_apply, read_sync_file
        >>> plan = plan_apply(connections.warehouse_url, read_sync_file(path))
        >>> [each.action for each in plan.syncs], plan.not_declared
        (['create', 'create'], ('default',))
    """
    with open_warehouse(warehouse_url) as warehouse:
        plans = tuple(plan_sync(warehouse, each.wanted()) for each in declared)
        names = {plan.sync for plan in plans}
        others = tuple(s.name for s in warehouse.syncs.all() if s.name not in names)
    return ApplyPlan(plans, others)


def apply_syncs(warehouse_url: str, declared: Sequence[DeclaredSync]) -> Iterator[SyncPlan]:
    """Create and change syncs so that they are as they are declared, one after the other.

    Each is stored for good: after an interruption call it again. Nothing is deleted, and nothing
    is backfilled.

    Args:
        warehouse_url: The warehouse.
        declared: What ``read_sync_file`` returns.

    Yields:
        For each sync that was created or changed, what was done.

    Raises:
        ConfigurationError: A stored sync is in the other mode.
        SyncConflict: One is being deleted, or the warehouse has data of a deleted one.

    Example:
        >>> from stripe_sync import apply_syncs, read_sync_file
        >>> declared = read_sync_file(path)
        >>> [plan.sync for plan in apply_syncs(connections.warehouse_url, declared)]
        ['north', 'south']
    """
    with open_warehouse(warehouse_url) as warehouse:
        for each in declared:
            plan = plan_sync(warehouse, each.wanted())
            if plan.action != "none":
                store_sync(warehouse, each.wanted())
                yield plan
