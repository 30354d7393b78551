"""The settings of a stack."""

from __future__ import annotations

import pytest

from stripe_stack.settings import exempt_loopback_from_proxies
from stripe_sync.client import Credential
from stripe_sync.client.network import proxy_for


@pytest.mark.parametrize("before", [{}, {"NO_PROXY": "a.example"}, {"no_proxy": "a.example"}])
def test_the_stack_itself_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str]
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, before.get(name, ""))
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")

    exempt_loopback_from_proxies()

    for local in ("http://127.0.0.1:12111", "http://localhost:8080"):
        assert proxy_for(Credential("sk_test_1", local)) is None
    exempted = proxy_for(Credential("sk_test_1", "https://a.example")) is None
    assert exempted == bool(before)
    assert proxy_for(Credential("sk_test_1")) == "http://proxy.example:3128"
