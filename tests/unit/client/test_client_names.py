from __future__ import annotations

import subprocess
import sys

import pytest

from stripe_sync import client


@pytest.mark.parametrize("name", client.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(client, name).__name__ == name


def test_public_names_are_sorted() -> None:
    assert client.__all__ == sorted(client.__all__)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = client.nothing


def test_describing_a_connection_loads_neither_sdk_nor_drivers() -> None:
    program = (
        "import sys; "
        "from stripe_sync.client import Credential, NoRateLimit, PacingLimits, Priority; "
        "print([name for name in ('stripe', 'aiohttp', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
