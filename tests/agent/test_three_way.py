"""Laws of client-side apply."""

from hypothesis import given
from hypothesis import strategies as st

from echelon.agent.three_way import three_way_patch

leaves = st.integers(0, 3) | st.sampled_from(["x", "y"]) | st.lists(st.integers(0, 2), max_size=2)
keys = st.sampled_from("abc")
documents = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3), max_leaves=6),
    max_size=3,
)


def merge(target, patch):
    """RFC 7386, as the server does it."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            base = result.get(key)
            result[key] = merge(base if isinstance(base, dict) else {}, value)
        else:
            result[key] = value
    return result


def holds(wanted, have):
    """Whether every field of the manifest has its value in the object."""
    if isinstance(wanted, dict):
        return isinstance(have, dict) and all(key in have and holds(value, have[key]) for key, value in wanted.items())
    return wanted == have


@given(documents, documents, documents)
def test_the_manifest_holds_afterwards(last, now, live):
    assert holds(now, merge(live, three_way_patch(last, now, live)))


@given(documents, documents, documents)
def test_applying_again_changes_nothing(last, now, live):
    after = merge(live, three_way_patch(last, now, live))
    assert three_way_patch(now, now, after) == {}


@given(documents, documents)
def test_what_is_no_longer_named_goes(last, now):
    assert merge(last, three_way_patch(last, now, last)) == now


@given(documents, documents)
def test_fields_of_others_stay(now, live):
    after = merge(live, three_way_patch({}, now, live))
    assert all(after[key] == value for key, value in live.items() if key not in now)
