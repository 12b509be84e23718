"""Indexes of a store are what a search of all objects would find."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.kube.store import Store

keys = st.tuples(st.sampled_from(["", "one", "two"]), st.sampled_from("abc"))
objects = st.lists(st.sampled_from(["red", "green", "blue"]), unique=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(keys, st.none() | objects)))
def test_indexes_follow_every_change(changes: list[tuple[tuple[str, str], list[str] | None]]) -> None:
    store: Store[list[str]] = Store()
    store.add_index("colour", lambda colours: colours)
    held: dict[tuple[str, str], list[str]] = {}
    for key, colours in changes:
        if colours is None:
            assert store.remove(key) == held.pop(key, None)
        else:
            assert store.put(key, colours) == held.get(key)
            held[key] = colours
    store.add_index("late", lambda colours: colours)
    assert len(store) == len(held)
    assert sorted(store) == sorted(held)
    for colour in ("red", "green", "blue"):
        found = sorted(colours for colours in held.values() if colour in colours)
        assert sorted(store.by_index("colour", colour)) == found
        assert sorted(store.by_index("late", colour)) == found
    for namespace in ("", "one", "two"):
        expected = sorted(colours for key, colours in held.items() if key[0] == namespace)
        assert sorted(store.list(namespace)) == expected


def test_unknown_index_names_those_there_are() -> None:
    store: Store[str] = Store()
    store.add_index("colour", lambda text: [text])
    with pytest.raises(LookupError, match="no index 'shape'; there is colour"):
        store.by_index("shape", "round")
    with pytest.raises(ValueError, match="colour"):
        store.add_index("colour", lambda text: [text])
