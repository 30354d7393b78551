from __future__ import annotations

import pytest

from stripe_sync.client import Credential
from stripe_sync.client.credential import Mode
from stripe_sync.errors import ConfigurationError


@pytest.mark.parametrize(
    ("key", "livemode"),
    [
        ("sk_test_abc123", False),
        ("rk_test_abc123", False),
        ("sk_live_abc123", True),
        ("rk_live_abc123", True),
    ],
)
def test_the_mode_is_read_from_the_key(key: str, livemode: bool) -> None:
    assert Credential(key).livemode is livemode


@pytest.mark.parametrize("beginning", ["pk_live_", "whsec_", "sk_", "sk_test_ ", "", "SK_TEST_"])
def test_what_is_no_secret_key_is_refused_without_repeating_it(beginning: str) -> None:
    with pytest.raises(ConfigurationError, match="sk_test_…") as caught:
        Credential(f"{beginning}abc123")
    assert "abc123" not in str(caught.value)


@pytest.mark.parametrize(
    ("pasted", "kind"),
    [
        ("pk_live_abc123", "a publishable key"),
        (" pk_test_abc123", "a publishable key"),
        ("sk_org_live_abc123", "a key of an organization"),
        ("ek_test_abc123", "an ephemeral key"),
        ("whsec_abc123", "the signing secret of a webhook endpoint"),
        ("ac_abc123", "the authorization code of a Connect callback"),
        ("ca_abc123", "the client id"),
        ("acct_abc123", "the id of an account"),
    ],
)
def test_what_was_pasted_by_mistake_is_named(pasted: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"this is {kind}") as caught:
        Credential(pasted)
    assert "abc123" not in str(caught.value)


@pytest.mark.parametrize(("key", "mode"), [("rk_live_a", "test"), ("sk_test_a", "live")])
def test_a_key_of_the_other_mode_is_refused(key: str, mode: Mode) -> None:
    with pytest.raises(ConfigurationError, match=f"a {mode} mode key is expected here"):
        Credential(key, mode=mode)
    assert Credential(key, mode="live" if mode == "test" else "test").mode != mode


def test_a_mode_is_live_or_test() -> None:
    with pytest.raises(ConfigurationError, match="live or test, not 'sandbox'"):
        Credential("sk_test_a", mode="sandbox")  # type: ignore[arg-type]


def test_the_key_does_not_show() -> None:
    credential = Credential("sk_test_abc123", account="acct_1", proxy="http://u:abc123@h:1")
    assert "abc123" not in repr(credential)
    assert "acct_1" in repr(credential)


def test_a_trailing_slash_of_the_base_does_not_matter() -> None:
    assert Credential("sk_test_a", "http://127.0.0.1:80/") == Credential(
        "sk_test_a", "http://127.0.0.1:80"
    )


@pytest.mark.parametrize(
    "base", ["api.stripe.com", "ftp://x", "https://", "https://x/v1", "https://user:pw@x", "//x"]
)
def test_a_base_that_is_more_or_less_than_scheme_and_host_is_refused(base: str) -> None:
    with pytest.raises(ConfigurationError, match="scheme and host"):
        Credential("sk_test_a", base)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80"])
def test_a_live_key_may_travel_unencrypted_within_the_machine_only(host: str) -> None:
    assert Credential("sk_live_a", f"http://{host}").host == host
    with pytest.raises(ConfigurationError, match="https only"):
        Credential("sk_live_a", "http://stripe.internal")


def test_a_connected_account_is_an_account_id() -> None:
    with pytest.raises(ConfigurationError, match="acct_123"):
        Credential("sk_test_a", account="cus_1\r\nX: y")
