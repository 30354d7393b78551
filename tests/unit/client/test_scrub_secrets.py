"""What is masked in messages, and what is not."""

from __future__ import annotations

import pytest

from stripe_sync.client.scrub_secrets import scrubbed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Invalid API Key provided: sk_test_****1234.", "Invalid API Key provided: sk_…."),
        ("rk_live_51Hx, pk_test_a", "rk_…, pk_…"),
        ("sk_test_1", "sk_…"),
        ("sk_test__", "sk_…"),
        ("sk_org_test_1", "sk_…"),
        ("sk_testimony", "sk_…"),
        ("whsec_abc", "whsec_…"),
        (
            "expected: sk_test_…, rk_live_… or rk_live_",
            "expected: sk_test_…, rk_live_… or rk_live_",
        ),
        ("task_test_1", "task_test_1"),
    ],
)
def test_keys_are_masked_and_the_kinds_of_keys_are_named(text: str, shown: str) -> None:
    assert scrubbed(text) == shown
