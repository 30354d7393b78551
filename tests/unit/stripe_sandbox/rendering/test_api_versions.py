from __future__ import annotations

import pytest

from stripe_sandbox.errors import ApiError
from stripe_sandbox.rendering import api_versions
from stripe_sandbox.resources.resource_spec import NEWEST_VERSION


def test_versions_are_dates_with_a_name_since_acacia() -> None:
    for good in ("2011-01-01", "2020-08-27", "2024-06-20", "2024-09-30.acacia", NEWEST_VERSION):
        assert api_versions.validate(good) == good
    for bad in ("", "2024-06-20.acacia", "2024-09-30", "2027-01-01.fir", "2024-6-20", "latest"):
        with pytest.raises(ApiError):
            api_versions.validate(bad)
