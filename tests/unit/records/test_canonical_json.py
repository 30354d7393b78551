"""Text that is JSON by its grammar keeps its value, however odd it is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_sync.records import canonical_json

LONG = 12345678901234567890123456789


@pytest.mark.parametrize(
    "text",
    [
        b'{"amount":12345678901234567890123456789}',
        b'{"amount":-9223372036854775809}',
        b'{"amount":18446744073709551616}',
        b'{"rate":0.1234567890123456789}',
        b'{"rate":12345678.1234567891}',
        b'{"rate":1E+400}',
        b'{"name":"half \\ud83d of a pair"}',
        b'{"name":"\\u0000"}',
        '{"name":"ü\\\\ud800"}'.encode(),
        b'{"a":' + b"[" * 250 + b"]" * 250 + b"}",
    ],
)
def test_a_canonical_text_is_kept_exactly(text: bytes) -> None:
    value = canonical_json.loads(text)
    assert canonical_json.canonical(value) == text
    assert canonical_json.dumps(value) == text


def test_a_text_that_is_nested_deeply_can_be_written_but_has_no_canonical_form() -> None:
    text = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"
    value = canonical_json.loads(text)
    assert canonical_json.dumps(value) == text
    with pytest.raises(ValueError, match="254 levels"):
        canonical_json.canonical(value)


def test_integers_keep_all_digits_and_stay_integers() -> None:
    assert canonical_json.loads(b"[%d]" % LONG) == [LONG]
    huge = "9" * 5_000
    assert canonical_json.loads(f"[{huge}]") == [Decimal(huge)]


def test_keys_are_sorted_in_what_orjson_cannot_write() -> None:
    written = canonical_json.canonical({"b": {"d": 1, "c": LONG}, "a": [True, None, "x"]})
    assert written == b'{"a":[true,null,"x"],"b":{"c":%d,"d":1}}' % LONG


def test_a_copy_of_an_odd_object_is_equal() -> None:
    odd = {"amount": LONG, "name": "\ud800", "rate": Decimal("1E+400")}
    assert canonical_json.copied(odd) == odd


@pytest.mark.parametrize(
    "text", [b"", b"[1", b"NaN", b"[-Infinity]", b'"\xed\xa0\x80"', b"[" * 100_000, b"[01]"]
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json.loads(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(categories=["L", "N", "P", "Cc", "Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_value_survives_being_written_and_read(value: object) -> None:
    assert canonical_json.loads(canonical_json.canonical(value)) == value
    assert canonical_json.loads(canonical_json.dumps(value)) == value
