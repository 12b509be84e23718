"""What changed between two sets of objects, in words."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.explain.changes import changes


def config(name: str, data: dict[str, Any], kind: str = "ConfigMap") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "data": data}


def test_objects_that_come_and_go_are_named() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert changes([config("old", {})], [config("new", {}), namespace]) == [
        "+ ConfigMap shop/new",
        "+ Namespace shop",
        "- ConfigMap shop/old",
    ]


def test_fields_that_differ_are_named_with_their_values() -> None:
    before, after = config("settings", {"a": "1", "gone": "x"}), config("settings", {"a": "2", "new": "y"})
    assert changes([before], [after]) == [
        "~ ConfigMap shop/settings: data.a 1 → 2",
        "~ ConfigMap shop/settings: data.new added, y",
        "~ ConfigMap shop/settings: data.gone removed, was x",
    ]


def test_items_of_a_list_are_compared_by_position() -> None:
    def deployment(image: str, *more: str) -> dict[str, Any]:
        containers = [{"name": "web", "image": image}, *({"name": name} for name in more)]
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": containers}}},
        }

    (line,) = changes([deployment("web:1")], [deployment("web:2")])
    assert line == "~ Deployment shop/web: spec.template.spec.containers[0].image web:1 → web:2"
    (line,) = changes([deployment("web:1")], [deployment("web:1", "side")])
    assert line.startswith("~ Deployment shop/web: spec.template.spec.containers [{")


def test_values_of_secrets_are_never_shown() -> None:
    before, after = config("key", {"token": "aGFsbG8="}, "Secret"), config("key", {"token": "d2VsdA=="}, "Secret")
    assert changes([before], [after]) == ["~ Secret shop/key: data.token (not shown)"]
    added = changes([config("key", {}, "Secret")], [after])
    assert added == ["~ Secret shop/key: data.token (not shown)"]


def test_many_and_long_changes_are_cut() -> None:
    before = config("big", {f"k{number}": "a" * 100 for number in range(8)})
    after = config("big", {f"k{number}": "b" * 100 for number in range(8)})
    lines = changes([before], [after])
    assert len(lines) == 6
    assert lines[-1] == "~ ConfigMap shop/big: 3 more fields"
    assert all(len(line) < 130 for line in lines)


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(values, values)
def test_there_are_changes_exactly_when_objects_differ(before: Any, after: Any) -> None:
    old, new = config("any", {"v": before}), config("any", {"v": after})
    assert bool(changes([old], [new])) == (old != new)
