from __future__ import annotations

from stripe_sandbox.requests.router import Router
from stripe_sandbox.resources.resource_spec import LAST_LEGACY
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL


def test_every_route_leads_to_its_resource() -> None:
    router = Router()
    for resource in TOP_LEVEL:
        assert router.match("GET", resource.path, LAST_LEGACY).route.resource is resource
        if "r" in resource.ops:
            found = router.match("GET", f"{resource.path}/x%2Fy", LAST_LEGACY)
            assert (found.label, found.ids) == (f"GET {resource.retrieve_path}", ("x%2Fy",))
