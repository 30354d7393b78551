"""What an answer to a probe shows."""

from __future__ import annotations

import pytest

from stripe_sync.accounts.credentials.health import Access
from stripe_sync.accounts.credentials.probe import Finding, combined, finding_of
from stripe_sync.errors import (
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    StripeError,
    StripeUnavailable,
    UnusableAnswer,
)

YES, NO, PART = Access.YES, Access.NO, Access.IN_PART
UNAVAILABLE, UNKNOWN = Access.UNAVAILABLE, Access.UNKNOWN
CUSTOMER, PERSONS = "/v1/customers/{id}", "/v1/accounts/{account}/persons"


@pytest.mark.parametrize(
    ("error", "template", "access"),
    [
        (NotFound("no such customer", code="resource_missing"), CUSTOMER, YES),
        (PermissionDenied("no", permission="rak_customer_read"), CUSTOMER, NO),
        (PermissionDenied("no access to account", code="account_invalid"), PERSONS, YES),
        (PermissionDenied("no access to account", code="account_invalid"), CUSTOMER, NO),
        (EndpointUnavailable("no such endpoint"), CUSTOMER, UNAVAILABLE),
        (InvalidRequest("Your account is not set up to use Issuing."), CUSTOMER, UNAVAILABLE),
        (InvalidRequest("No such customer", code="resource_missing"), CUSTOMER, YES),
        (InvalidRequest("something else"), CUSTOMER, UNKNOWN),
        (RateLimited("wait", reason="global-rate"), CUSTOMER, UNKNOWN),
        (StripeUnavailable("down"), CUSTOMER, UNKNOWN),
        (UnusableAnswer("cut"), CUSTOMER, UNKNOWN),
    ],
)
def test_what_an_answer_shows(error: StripeError, template: str, access: Access) -> None:
    finding = finding_of(error, template)
    assert finding.access is access
    assert bool(finding.note) is (access in (UNAVAILABLE, UNKNOWN))


def test_a_refusal_names_permission_and_account() -> None:
    refused = PermissionDenied("no", permission="rak_plan_read", account="acct_1")
    assert finding_of(refused, CUSTOMER) == Finding(NO, "plan_read", "acct_1")


@pytest.mark.parametrize(
    ("found", "access"),
    [
        ([YES, YES], YES),
        ([YES, UNAVAILABLE], YES),
        ([YES, NO], PART),
        ([NO, UNAVAILABLE], NO),
        ([UNAVAILABLE], UNAVAILABLE),
        ([YES, UNKNOWN], UNKNOWN),
    ],
)
def test_several_requests_together(found: list[Access], access: Access) -> None:
    assert combined(Finding(each) for each in found) is access
