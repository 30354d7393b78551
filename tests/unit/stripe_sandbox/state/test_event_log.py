from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stripe_sandbox.state.event_log import previous_attributes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=6,
)
DOCS = st.dictionaries(st.sampled_from("pqrs"), VALUES)


@given(DOCS, DOCS)
def test_previous_attributes_name_what_changed_and_only_that(old: dict, new: dict) -> None:
    changed = previous_attributes(old, new)
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        same = before == after and type(before) is type(after)
        if same:
            assert key not in changed
        elif not (isinstance(before, dict) and isinstance(after, dict)):
            assert changed[key] == before
