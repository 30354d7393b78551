from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_sync.records import canonical_json
from stripe_sync.warehouse.writing.jsonb_text import for_jsonb


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("a\x00b", "a\ufffdb"),
        ("\x00\x00", "\ufffd\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\x00", "\\\ufffd"),
        ("\\\\u0000\x00", "\\\\u0000\ufffd"),
        ("\x01\x00", "\x01\ufffd"),
    ],
)
def test_only_the_character_nul_is_replaced(value: str, expected: str) -> None:
    assert canonical_json.loads(for_jsonb(canonical_json.dumps({"k": value}))) == {"k": expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"a\udfffb\u0000"', "a\ufffdb\ufffd"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\udabc"', "\\\ufffd"),
    ],
)
def test_halves_of_surrogate_pairs_are_replaced(text: bytes, expected: str) -> None:
    canonical = canonical_json.canonical(canonical_json.loads(text))
    assert canonical_json.loads(for_jsonb(canonical)) == expected


def test_keys_are_covered_too() -> None:
    assert canonical_json.loads(for_jsonb(canonical_json.dumps({"a\x00": 1}))) == {"a\ufffd": 1}


@given(st.text(st.sampled_from('\\u0\x00"a\n')))
def test_any_mix_of_escapes_reads_as_the_text_with_nul_replaced(value: str) -> None:
    assert canonical_json.loads(for_jsonb(canonical_json.dumps(value))) == value.replace(
        "\x00", "\ufffd"
    )
