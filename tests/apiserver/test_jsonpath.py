"""JSON paths of printer columns and scale fields."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.jsonpath import compile_path, dotted

OBJECT = {
    "metadata": {"annotations": {"example.com/key": "v", "plain": "p"}},
    "spec": {
        "colour": "red",
        "size": 3,
        "parts": [{"name": "a", "count": 1}, {"name": "b", "count": 2}, {"name": "c"}],
        "flag": True,
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.colour", ["red"]),
        ("{.spec.colour}", ["red"]),
        ("$.spec.colour", ["red"]),
        (".spec.absent", []),
        (".spec.colour.deeper", []),
        (r".metadata.annotations.example\.com/key", ["v"]),
        (".metadata.annotations['example.com/key']", ["v"]),
        ('.metadata.annotations["plain"]', ["p"]),
        (".spec.parts[0].name", ["a"]),
        (".spec.parts[-1].name", ["c"]),
        (".spec.parts[9].name", []),
        (".spec.parts[1:].name", ["b", "c"]),
        (".spec.parts[0:2].name", ["a", "b"]),
        (".spec.parts[*].count", [1, 2]),
        (".spec.parts.*.count", [1, 2]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Synced')].status", ["False"]),
        ('.status.conditions[?(@.type!="Ready")].type', ["Synced"]),
        (".spec.parts[?(@.count>1)].name", ["b"]),
        (".spec.parts[?(@.count)].name", ["a", "b"]),
        (".spec.parts[?(@.count<=1)].name", ["a"]),
        ('.spec.parts[?(@.name>"a")].name', ["b", "c"]),
        (".spec.parts[?(@.name>1)].name", []),
        ("..count", [1, 2]),
        (".spec..name", ["a", "b", "c"]),
    ],
)
def test_find(path: str, found: list[Any]) -> None:
    assert compile_path(path).find(OBJECT) == found


def test_first() -> None:
    assert compile_path(".spec.size").first(OBJECT) == 3
    assert compile_path(".spec.absent").first(OBJECT) is None


@pytest.mark.parametrize("path", [".spec[", ".spec.parts[x y]", ".spec.parts[?(]"])
def test_faults(path: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON path"):
        compile_path(path)


@pytest.mark.parametrize(
    ("path", "names"), [(".spec.replicas", ["spec", "replicas"]), (".spec.parts[0]", None), ("..name", None)]
)
def test_dotted(path: str, names: list[str] | None) -> None:
    assert dotted(path) == names
