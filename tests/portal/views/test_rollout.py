"""Staged rollouts and placements as pages show them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from echelon.api import names
from echelon.api.placement import ClusterResourcePlacement
from echelon.api.snapshot import ClusterResourceSnapshot
from echelon.portal.views.placements import comparison, objects_by_index, placement_line, placement_page
from echelon.portal.views.rollout import rollout_page

from ...cli import runs

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def placement(**spec: object) -> ClusterResourcePlacement:
    content = {"resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "web"}], **spec}
    head = {"apiVersion": "v", "kind": "k", "metadata": {"name": "web"}}
    return msgspec.convert({**head, "spec": content}, ClusterResourcePlacement)


def snapshot(index: int, value: str, name: str = "settings") -> ClusterResourceSnapshot:
    """A snapshot of one ConfigMap."""
    selected = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "web"},
        "data": {"a": value},
    }
    content = {
        "apiVersion": "v",
        "kind": "k",
        "metadata": {
            "name": f"web-{index}-snapshot",
            "labels": {names.RESOURCE_INDEX: str(index), names.PARENT_PLACEMENT: "web"},
            "annotations": {names.RESOURCE_HASH: "x"},
            "creationTimestamp": "2026-01-31T08:00:00Z",
        },
        "spec": {"selectedResources": [selected]},
    }
    return msgspec.json.decode(msgspec.json.encode(content), type=ClusterResourceSnapshot)


@pytest.mark.parametrize(
    ("spec", "where", "how"),
    [
        ({}, "on all members", "by itself, as it changes"),
        ({"strategy": {"type": "External"}}, "on all members", "by staged rollouts"),
        ({"policy": {"placementType": "PickFixed", "clusterNames": ["m1", "m2"]}}, "on m1, m2", "by itself"),
        ({"policy": {"placementType": "PickN", "numberOfClusters": 1}}, "on 1 member that fit best", "by itself"),
    ],
)
def test_a_placement_in_words(spec: dict[str, object], where: str, how: str) -> None:
    line = placement_line(placement(**spec))
    assert (line.selects, line.where) == ("Namespace web", where)
    assert line.how.startswith(how)
    assert (line.path, line.total, line.counts) == ("/placements/web", 0, ())


def test_what_differs_between_snapshots() -> None:
    kept = [snapshot(0, "1"), snapshot(1, "2"), snapshot(2, "2", "others")]
    assert list(objects_by_index(kept)) == [0, 1, 2]
    found = comparison(kept, (), "0", "1")
    assert found is not None
    assert found.lines == (("~", "ConfigMap web/settings: data.a 1 → 2"),)
    found = comparison(kept, (), "1", "2")
    assert found is not None
    assert [sign for sign, _ in found.lines] == ["+", "-"]
    same = comparison(kept, (), "1", "1")
    assert same is not None
    assert same.lines == ()


@pytest.mark.parametrize(("before", "after"), [("0", "9"), ("x", "0"), ("member:nobody", "0"), ("", ""), ("-1", "0")])
def test_what_is_not_there_cannot_be_compared(before: str, after: str) -> None:
    assert comparison([snapshot(0, "1")], (), before, after) is None


def test_a_placement_without_rollouts_has_nothing_to_go_back_to() -> None:
    page = placement_page(placement(strategy={"type": "External"}), [snapshot(0, "1"), snapshot(1, "2")], (), ())
    assert (page.back, page.no_way_back) == (None, "")
    assert [line.revision.index for line in page.snapshots] == [1, 0]
    assert (page.snapshots[0].before, page.snapshots[1].before) == (0, None)
    assert page.snapshots[0].lines == ("~ ConfigMap web/settings: data.a 1 → 2",)


def test_a_rollout_has_its_stages_with_their_tasks() -> None:
    run = runs.waiting_for_approval()
    page = rollout_page(run, (), (), NOW)
    assert [stage.name for stage in page.stages]
    assert page.chart is not None
    assert sum(stage.total for stage in page.stages) == page.card.total
