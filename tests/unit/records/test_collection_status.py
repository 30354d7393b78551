from __future__ import annotations

import pytest

from stripe_sync.records import CollectionStatus


@pytest.mark.parametrize("status", CollectionStatus)
def test_every_status_is_in_exactly_one_group(status: CollectionStatus) -> None:
    assert [status.is_complete, status.is_closed, status.is_unfinished].count(True) == 1


def test_the_groups_of_statuses() -> None:
    assert {s for s in CollectionStatus if s.is_complete} == {"done", "empty"}
    assert {s for s in CollectionStatus if s.is_closed} == {"forbidden", "unavailable", "retired"}
    assert {s for s in CollectionStatus if s.is_unfinished} == {"pending", "running", "failed"}


def test_the_least_complete_status_of_several() -> None:
    statuses = [CollectionStatus.EMPTY, CollectionStatus.FORBIDDEN, CollectionStatus.DONE]
    assert CollectionStatus.least_complete(statuses) is CollectionStatus.FORBIDDEN
    statuses.append(CollectionStatus.RUNNING)
    assert CollectionStatus.least_complete(statuses) is CollectionStatus.RUNNING
    statuses.append(CollectionStatus.FAILED)
    assert CollectionStatus.least_complete(statuses) is CollectionStatus.FAILED
