"""Snapshots of overrides: made on change, marked, trimmed, and gone with their override."""

from __future__ import annotations

import pytest

from echelon.api import names
from echelon.api.override import ClusterResourceOverride, ResourceOverride
from echelon.placement.overrides.snapshots import HISTORY, override_hash

from ..hub import Hub, stage
from .hubs import SNAPSHOTS, Kind, annotates, remove, roll, snapshots, write

both_kinds = pytest.mark.parametrize("kind", [ClusterResourceOverride, ResourceOverride])


@both_kinds
async def test_what_a_snapshot_is(hub: Hub, kind: Kind) -> None:
    await write(hub, kind, "a", annotates("one"), placement="web")
    await hub.until(lambda: snapshots(hub, kind) == {"a-0": "true"})
    (override,), (snapshot,) = hub.all(kind), hub.all(SNAPSHOTS[kind])
    assert list(override.metadata.finalizers) == [names.OVERRIDE_CLEANUP]
    assert snapshot.metadata.labels == {
        names.PARENT_OVERRIDE: "a",
        names.OVERRIDE_INDEX: "0",
        names.IS_LATEST_SNAPSHOT: "true",
    }
    (owner,) = snapshot.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == (kind.__name__, "a", override.metadata.uid, True)
    assert snapshot.metadata.namespace == override.metadata.namespace
    assert snapshot.spec.override_spec == override.spec
    assert snapshot.spec.override_hash == override_hash(override)
    assert len(override_hash(override)) == 64


@both_kinds
async def test_a_change_makes_another(hub: Hub, kind: Kind) -> None:
    for number, text in enumerate(["one", "two", "one"]):
        await write(hub, kind, "a", annotates(text))
        await hub.until(lambda number=number: f"a-{number}" in snapshots(hub, kind))
    await hub.until(lambda: snapshots(hub, kind) == {"a-0": "false", "a-1": "false", "a-2": "true"})


async def test_what_says_the_same_makes_none(hub: Hub) -> None:
    await write(hub, ClusterResourceOverride, "a", annotates("one"))
    await hub.until(lambda: snapshots(hub, ClusterResourceOverride))
    await hub.edit(ClusterResourceOverride, "a", {"metadata": {"labels": {"mine": "yes"}}})
    await write(hub, ClusterResourceOverride, "a", annotates("one"))
    await hub.pass_time(5)
    assert snapshots(hub, ClusterResourceOverride) == {"a-0": "true"}


async def test_only_the_newest_are_kept(hub: Hub) -> None:
    for number in range(HISTORY + 3):
        await write(hub, ResourceOverride, "a", annotates(str(number)))
        await hub.until(lambda number=number: f"a-{number}" in snapshots(hub, ResourceOverride))
    await hub.pass_time(1)
    assert list(snapshots(hub, ResourceOverride)) == [f"a-{number}" for number in range(3, HISTORY + 3)]


async def test_what_a_binding_or_a_run_names_is_kept(hub: Hub) -> None:
    """The binding has the first; the run that has not begun is going to give the second."""
    await hub.join("m")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await write(hub, ClusterResourceOverride, "a", annotates("0"))
    await hub.start("first")
    await hub.succeeded("first")
    await write(hub, ClusterResourceOverride, "a", annotates("1"))
    await hub.until(lambda: "a-1" in snapshots(hub, ClusterResourceOverride))
    await hub.start("second", state="Initialize")
    await hub.until(lambda: hub.is_run("Initialized", "True", name="second"))
    for number in range(2, HISTORY + 4):
        await write(hub, ClusterResourceOverride, "a", annotates(str(number)))
        await hub.until(lambda number=number: f"a-{number}" in snapshots(hub, ClusterResourceOverride))
    await hub.pass_time(1)
    assert list(snapshots(hub, ClusterResourceOverride))[:3] == ["a-0", "a-1", "a-4"]


@both_kinds
async def test_all_go_with_the_override(hub: Hub, kind: Kind) -> None:
    for text in ("one", "two"):
        await write(hub, kind, "a", annotates(text))
    await write(hub, kind, "other", annotates("one"))
    await hub.until(lambda: snapshots(hub, kind) and snapshots(hub, kind, "other"))
    await remove(hub, kind, "a")
    await hub.until(lambda: not snapshots(hub, kind) and [each.metadata.name for each in hub.all(kind)] == ["other"])
    assert snapshots(hub, kind, "other") == {"other-0": "true"}


async def test_a_name_never_stands_for_two_contents(hub: Hub) -> None:
    """Under External a binding names the snapshot of an override that is gone, until its next run."""
    await hub.join("m")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await write(hub, ClusterResourceOverride, "a", annotates("0"))
    await hub.start("first")
    await hub.succeeded("first")
    await remove(hub, ClusterResourceOverride, "a")
    await hub.until(lambda: not hub.all(ClusterResourceOverride))
    await write(hub, ClusterResourceOverride, "a", annotates("1"))
    await hub.until(lambda: snapshots(hub, ClusterResourceOverride))
    assert snapshots(hub, ClusterResourceOverride) == {"a-1": "true"}


async def test_marks_and_finalizers_that_somebody_takes_away(hub: Hub) -> None:
    kind = ClusterResourceOverride
    await write(hub, kind, "a", annotates("one"))
    await hub.until(lambda: snapshots(hub, kind) == {"a-0": "true"})
    await hub.edit(SNAPSHOTS[kind], "a-0", {"metadata": {"labels": {names.IS_LATEST_SNAPSHOT: "false"}}})
    await hub.until(lambda: snapshots(hub, kind) == {"a-0": "true"})
    await hub.delete(SNAPSHOTS[kind], "a-0")
    await hub.until(lambda: snapshots(hub, kind) == {"a-0": "true"})
    await hub.edit(kind, "a", {"metadata": {"finalizers": []}})
    await hub.until(lambda: hub.all(kind)[0].metadata.finalizers)


async def test_overrides_cost_nothing_when_nothing_happens(hub: Hub) -> None:
    await hub.join("m")
    await hub.configure("content")
    await write(hub, ClusterResourceOverride, "a", annotates("one"))
    await roll(hub)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(30)
    before = len(hub.writes)
    await hub.pass_time(300)
    assert hub.writes[before:] == []
