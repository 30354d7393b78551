"""Shards divide all syncs among them."""

from __future__ import annotations

import pytest

from stripe_sync.sync.poll.supervisor import Shard


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_sync_belongs_to_one_shard_and_none_is_empty(count: int) -> None:
    names = [f"sync{number}" for number in range(100)]
    shards = [Shard(number, count) for number in range(count)]
    assert all(sum(shard.holds(name) for shard in shards) == 1 for name in names)
    assert all(any(shard.holds(name) for name in names) for shard in shards)
