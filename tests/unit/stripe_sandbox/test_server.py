from __future__ import annotations

import pytest

from stripe_sandbox.server import listen


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_only_loopback_addresses_are_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        listen(0, host)
