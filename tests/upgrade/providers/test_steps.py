"""Steps and handles: pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.upgrade.providers.contract import NodePool, Observation, Operation, ProviderError
from echelon.upgrade.providers.steps import Handle, Step, steps_left

text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
names = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=8)
operations = st.builds(
    Operation,
    control_plane_version=st.none() | names,
    node_version=st.none() | names,
    node_images=st.lists(text.filter(bool), max_size=2).map(tuple),
)
steps = st.none() | st.builds(Step, pool=st.just("") | names, version=text, image=text)
numbers = st.integers(0, 10_000)


@settings(max_examples=100)
@given(
    st.builds(
        Handle,
        key=names,
        operation=operations,
        step=steps,
        operation_id=text,
        nodes_done=numbers,
        nodes_total=numbers,
        unseen=numbers,
    )
)
def test_a_handle_says_all_that_it_has(handle: Handle) -> None:
    assert Handle.parse(str(handle)) == handle


@pytest.mark.parametrize("text", ["", "key", "?step=a", "key?done=many", "key?step"])
def test_what_is_no_handle(text: str) -> None:
    with pytest.raises(ProviderError, match="is no operation that was started here"):
        Handle.parse(text)


def test_a_handle_can_be_read_by_people() -> None:
    operation = Operation(control_plane_version="1.31.1", node_version="1.31.1")
    handle = Handle(key="uid-1", operation=operation, step=Step(pool="user", version="1.31.1"), nodes_total=3)
    assert str(handle) == "uid-1?controlPlane=1.31.1&nodes=1.31.1&step=user&to=1.31.1&of=3"
    assert str(Handle(key="uid-1", operation=Operation())) == "uid-1?"


def pool(name: str, version: str, image: str = "") -> NodePool:
    return NodePool(name=name, count=1, kubernetes_version=version, node_image=image)


def test_what_is_left() -> None:
    seen = Observation(
        control_plane_version="1.30.0",
        node_pools=(pool("a", "1.30.0", "U-1"), pool("b", "1.31.1", "U-1"), pool("c", "1.31.1", "W-1")),
    )
    operation = Operation(control_plane_version="1.31.1", node_version="1.31.1", node_images=("U-2",))
    assert steps_left(operation, seen) == [
        Step(version="1.31.1"),
        Step(pool="a", version="1.31.1"),  # which brings an image of that version
        Step(pool="b", image="U-2"),
    ]
    assert steps_left(Operation(), seen) == []
