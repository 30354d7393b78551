"""Which requests show what a key may do."""

from __future__ import annotations

import pytest

from stripe_sandbox.errors import ApiError
from stripe_sandbox.requests.router import Router
from stripe_sync.accounts.credentials.probe_requests import NOBODY, ProbeRequest, ProbeRequests
from stripe_sync.catalog import PINNED_API_VERSION, Collection, load_catalog

CATALOG = load_catalog()
REQUESTS = ProbeRequests(CATALOG, PINNED_API_VERSION)
EVERY = pytest.mark.parametrize("collection", CATALOG.values(), ids=lambda each: each.name)


def path(request: ProbeRequest) -> str:
    return request.template.format(**dict(request.path_params))


@EVERY
def test_reads_ask_for_objects_that_do_not_exist(collection: Collection) -> None:
    reads = REQUESTS.reads(collection)
    assert reads or collection.name == "usage_record"
    for request in reads:
        assert NOBODY in path(request) + str(request.params)
        preview = request.template == "/v1/invoices/create_preview"
        assert request.method == ("POST" if preview else "GET")


@EVERY
def test_writes_never_use_a_route_that_creates_or_deletes(collection: Collection) -> None:
    writes = REQUESTS.writes(collection)
    assert bool(writes) >= bool(collection.mutations.update)
    for request in writes:
        assert request.method == "POST"
        assert f"POST {request.template}" not in collection.mutations.create
        assert path(request).split("/")[-1].endswith(NOBODY) or collection.mutations.actions
        assert NOBODY in path(request)


@EVERY
def test_every_request_is_one_of_stripes(collection: Collection) -> None:
    router = Router()
    for request in (*REQUESTS.reads(collection), *REQUESTS.writes(collection)):
        version = request.api_version or PINNED_API_VERSION
        try:
            router.match(request.method, path(request), version)
        except ApiError:
            # The sandbox does not write what Stripe retired.
            assert (request.method, collection.availability) == ("POST", "legacy")


def test_a_probe_is_about_a_hundred_requests() -> None:
    wanted = {
        request
        for each in CATALOG.values()
        for request in (*REQUESTS.reads(each), *REQUESTS.writes(each))
    }
    assert 80 < len(wanted) <= 130


def test_old_versions_preview_invoices_by_get() -> None:
    old = ProbeRequests(CATALOG, "2024-06-20")
    [request] = old.reads(CATALOG.resolve("upcoming_customer_invoice"))
    assert (request.method, request.template) == ("GET", "/v1/invoices/upcoming")
