"""The status of a collection of which Stripe refused a part."""

from __future__ import annotations

import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.errors import (
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    StripeError,
)
from stripe_sync.extract.refusals import Lack, Refusals
from stripe_sync.sync.outcome import read_outcome

CATALOG = load_catalog()
DENIED = PermissionDenied("no", permission="rak_subscription_read")


def outcome(
    *refused: tuple[Lack, StripeError],
    objects: int = 0,
    anything_read: bool = True,
    collection: str = "discount",
    source: str = "x",
) -> tuple[str, str | None]:
    """Status and message of a collection."""
    refusals = Refusals()
    refusals.anything_read = anything_read
    for lack, error in refused:
        refusals.add(lack, source, error)
    found = read_outcome(CATALOG.resolve(collection), objects, refusals)
    return found.status.value, found.message


def test_without_refusals_a_collection_is_done_or_empty() -> None:
    assert outcome(objects=1) == ("done", None)
    assert outcome() == ("empty", None)


@pytest.mark.parametrize(
    "error", [DENIED, InvalidRequest("no"), NotFound("no"), EndpointUnavailable("no")]
)
def test_with_objects_it_is_done_in_part(error: StripeError) -> None:
    assert outcome((Lack.LIST, error), objects=1) == ("done", "in part: without x: no")


def test_without_objects_a_denied_part_makes_it_forbidden_in_part() -> None:
    assert outcome((Lack.LIST, DENIED)) == ("forbidden", "in part: without x: no")


def test_where_everything_is_denied_it_is_forbidden() -> None:
    found = outcome((Lack.OBJECTS, DENIED), anything_read=False)
    assert found == ("forbidden", "without x: no")


@pytest.mark.parametrize(
    ("collection", "status", "message"),
    [
        ("discount", "unavailable", "not available: without x: no"),
        ("order", "retired", "retired by Stripe: without x: no"),
    ],
)
def test_where_no_endpoint_exists_it_is_unavailable(
    collection: str, status: str, message: str
) -> None:
    gone = (Lack.OBJECTS, EndpointUnavailable("no"))
    assert outcome(gone, anything_read=False, collection=collection) == (status, message)


def test_where_its_only_list_does_not_exist_it_is_unavailable_whatever_else_was_read() -> None:
    path = CATALOG.resolve("capability").lists[0].path
    gone = (Lack.OBJECTS, EndpointUnavailable("no"))
    assert outcome(gone, source=path, collection="capability")[0] == "unavailable"
    assert outcome(gone, source="/v1/accounts", collection="capability")[0] == "done"


@pytest.mark.parametrize("lack", [Lack.FIELD, Lack.TEST_CLOCKS])
def test_it_is_not_empty_where_something_may_be_missing(lack: Lack) -> None:
    assert outcome((lack, DENIED))[0] == "done"
