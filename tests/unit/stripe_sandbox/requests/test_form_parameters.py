from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from stripe_sandbox.errors import ApiError
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.sdk_schema import Schema


@pytest.mark.parametrize(
    ("encoded", "tree"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("metadata[a]=b&metadata[c.d]=e", {"metadata": {"a": "b", "c.d": "e"}}),
        ("l[]=x&l[]=y", {"l": {"0": "x", "1": "y"}}),
        ("l[1]=y&l[0]=x", {"l": {"1": "y", "0": "x"}}),
        ("a[0][b][c]=1&a[0][d]=2", {"a": {"0": {"b": {"c": "1"}, "d": "2"}}}),
        ("a%5Bb%5D=%C3%A9+%26", {"a": {"b": "é &"}}),
    ],
)
def test_form_encoding_becomes_a_tree(encoded: str, tree: dict[str, Any]) -> None:
    assert form_parameters.decode(encoded) == tree
    assert form_parameters.decode(encoded.encode()) == tree


def test_lists_are_in_the_order_of_their_numbers() -> None:
    numbers = Schema("list", item=Schema("int"))
    tree = {str(n): str(n) for n in (10, 2, 0, 1, 9, 8, 7, 3, 4, 5, 6)}
    assert form_parameters.coerce(tree, numbers, "l") == list(range(11))


@pytest.mark.parametrize("indices", ["1", "02", "013", "x", ["0", "-1"], ["00"]])
def test_lists_begin_at_0_and_have_no_gaps(indices: Iterable[str]) -> None:
    numbers = Schema("list", item=Schema("int"))
    with pytest.raises(ApiError) as caught:
        form_parameters.coerce(dict.fromkeys(indices, "5"), numbers, "l")
    assert (caught.value.body["param"], caught.value.before_execution) == ("l", True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1.5", "int"),
        (str(2**63), "int"),
        ("-1" + "0" * 40, "int"),
        ("x", "float"),
        ("yes", "bool"),
        ("x", "map"),
        ("x", "list"),
    ],
)
def test_texts_that_do_not_fit_are_refused(text: str, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        form_parameters.coerce(text, Schema(kind), "field")
    assert caught.value.body["param"] == "field"


def test_ranges_take_a_moment_or_edges() -> None:
    created = (sdk_schema.params("customer", "list") or {})["created"]
    assert form_parameters.coerce("5", created, "created") == 5
    assert form_parameters.coerce({"gte": "5"}, created, "created") == {"gte": 5}
    with pytest.raises(ApiError):
        form_parameters.coerce({"above": "5"}, created, "created")


def test_required_parameters_come_from_the_sdk() -> None:
    assert sdk_schema.required_params("payment_intent", "create") == {"amount", "currency"}
    with pytest.raises(ApiError, match="amount"):
        form_parameters.require_params(
            {"currency": "usd"}, sdk_schema.required_params("payment_intent", "create")
        )
