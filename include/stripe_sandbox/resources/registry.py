"""Every resource, by name."""

from __future__ import annotations

from collections.abc import Mapping

from stripe_sandbox.resources.child_resources import (
    CHILD_RESOURCES,
    PARENT_RESOURCES,
    UNLISTED_RESOURCES,
)
from stripe_sandbox.resources.further_resources import FURTHER_RESOURCES
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL

RESOURCES: Mapping[str, Resource] = {
    resource.object: resource
    for resource in (
        *TOP_LEVEL,
        *FURTHER_RESOURCES,
        *PARENT_RESOURCES,
        *CHILD_RESOURCES,
        *UNLISTED_RESOURCES,
    )
}
"""By the value of the ``object`` field."""
