"""From a binding to Works and back: created, updated, removed, reported."""

from __future__ import annotations

from hashlib import sha256

import pytest

from echelon.api import names
from echelon.api.conditions import find_condition
from echelon.api.placement import ApplyStrategy
from echelon.api.work import Work
from echelon.kube.patches import MergePatch
from echelon.placement.scope import Binding

from .agents import Behaviour, FakeAgents
from .hub import Hub, stage


def reasons(binding: Binding) -> list[tuple[str, str, str]]:
    return [(c.type, c.status, c.reason) for c in binding.status.conditions]


async def rolled_out(hub: Hub, *members: str, wait: bool = True, **placement: object) -> None:
    for member in members:
        await hub.join(member)
    await hub.configure("content 0")
    await hub.place(**placement)  # type: ignore[arg-type]
    await hub.plan(stage("all", concurrency=10))
    await hub.start()
    if wait:
        await hub.succeeded()


async def test_what_a_work_says(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a", apply_strategy=ApplyStrategy(when_to_apply="IfNotDrifted"))
    (work,) = hub.works("a")
    assert work.metadata.name == "web-work"
    assert list(work.metadata.finalizers) == [names.WORK_CLEANUP]
    assert work.metadata.labels == {
        names.PARENT_BINDING: hub.binding("a").metadata.name,
        names.PARENT_PLACEMENT: "web",
        names.PARENT_SNAPSHOT_INDEX: "0",
    }
    nothing = sha256(b"[]").hexdigest()
    assert work.metadata.annotations == {
        names.PARENT_SNAPSHOT_NAME: "web-0-snapshot",
        names.PARENT_OVERRIDE_HASH: nothing,
        names.PARENT_CLUSTER_OVERRIDE_HASH: nothing,
    }
    assert work.spec.apply_strategy == ApplyStrategy(when_to_apply="IfNotDrifted")
    assert len(work.spec.workload.manifests) == 2


async def test_a_binding_reports_what_the_member_does(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    binding = hub.binding("a")
    assert reasons(binding) == [
        ("RolloutStarted", "True", "RolloutStarted"),
        ("Overridden", "True", "NoOverrideSpecified"),
        ("WorkSynchronized", "True", "AllWorkSynced"),
        ("Applied", "True", "AllWorkHaveBeenApplied"),
        ("Available", "True", "AllWorkAreAvailable"),
    ]
    assert {c.observed_generation for c in binding.status.conditions} == {binding.metadata.generation}
    assert list(binding.metadata.finalizers) == [names.SCHEDULER_BINDING_CLEANUP, names.WORK_CLEANUP]


async def test_a_member_in_trouble(hub: Hub, agents: FakeAgents) -> None:
    agents.behave("a", Behaviour.FAILED)
    await rolled_out(hub, "a", wait=False)
    await hub.until(lambda: hub.bindings() and hub.binding("a").status.failed_placements)
    binding = hub.binding("a")
    assert reasons(binding)[-1] == ("Applied", "False", "NotAllWorkHaveBeenApplied")
    failed = [(f.kind, f.name) for f in binding.status.failed_placements]
    assert failed == [("Namespace", "app"), ("ConfigMap", "settings")]
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: reasons(hub.binding("a"))[-1] == ("Available", "False", "NotAllWorkAreAvailable"))
    assert hub.binding("a").status.failed_placements
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: reasons(hub.binding("a"))[-1] == ("Available", "True", "AllWorkAreAvailable"))
    assert hub.binding("a").status.failed_placements == ()


async def test_a_member_that_says_nothing_is_shown_as_busy(hub: Hub, agents: FakeAgents) -> None:
    agents.behave("a", Behaviour.SILENT)
    await rolled_out(hub, "a", wait=False)
    await hub.until(lambda: hub.works("a"))
    assert reasons(hub.binding("a")) == [("RolloutStarted", "True", "RolloutStarted")]
    await hub.until(lambda: reasons(hub.binding("a"))[-1] == ("Applied", "False", "ApplyInProgress"), within=1)


async def test_an_available_member_that_breaks_later(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: hub.is_placement("Available", "False", "ResourceNotAvailableYet"))
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.is_placement("Available", "True", "ResourceAvailable"))


async def test_a_new_snapshot_changes_the_work_that_is_there(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    (before,) = hub.works("a")
    await hub.configure("content 1")
    await hub.start("second")
    await hub.succeeded("second")
    (after,) = hub.works("a")
    assert after.metadata.uid == before.metadata.uid
    assert after.metadata.generation == before.metadata.generation + 1
    assert after.metadata.labels[names.PARENT_SNAPSHOT_INDEX] == "1"


async def test_equal_content_under_another_index_is_not_applied_again(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    await hub.configure("content 1")
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.configure("content 0")
    await hub.until(lambda: "web-2-snapshot" in hub.masters())
    await hub.start("second", index="2")
    await hub.succeeded("second")
    (work,) = hub.works("a")
    assert work.metadata.generation == 1
    assert work.metadata.labels[names.PARENT_SNAPSHOT_INDEX] == "2"
    assert agents.got("a") == ["0"]


async def test_works_that_somebody_deletes_or_changes_are_mended(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    (before,) = hub.works("a")
    await hub.admin.delete(Work, before.key)
    await hub.until(lambda: hub.works("a") and hub.works("a")[0].metadata.uid != before.metadata.uid)
    (again,) = hub.works("a")
    await hub.admin.patch(Work, again.key, MergePatch({"spec": {"workload": {"manifests": []}}}))
    await hub.until(lambda: len(hub.works("a")[0].spec.workload.manifests) == 2)
    await hub.until(lambda: hub.is_placement("Available", "True"))


async def test_a_work_that_somebody_deletes_is_not_shown_as_available(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    agents.behave("a", Behaviour.SILENT)
    (work,) = hub.works("a")
    await hub.admin.delete(Work, work.key)
    await hub.until(lambda: reasons(hub.binding("a"))[-1] == ("Applied", "False", "ApplyInProgress"))
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: reasons(hub.binding("a"))[-1] == ("Available", "True", "AllWorkAreAvailable"))
    assert hub.works("a")[0].metadata.uid != work.metadata.uid


async def test_a_binding_goes_after_its_works(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    agents.behave("a", Behaviour.SILENT)
    await hub.delete(hub.scope.binding, hub.binding("a").metadata.name)
    await hub.until(lambda: hub.works("a")[0].metadata.deletion_timestamp)
    await hub.pass_time(200)
    (binding,) = hub.bindings()
    assert names.WORK_CLEANUP in binding.metadata.finalizers
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"} and not hub.works("a"))


async def test_a_binding_that_is_not_scheduled_goes_on_reporting(hub: Hub, agents: FakeAgents) -> None:
    for member in ("a", "b"):
        await hub.join(member)
    await rolled_out(hub)
    await hub.leave("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled", "b": "Bound"})
    await hub.pass_time(5)
    assert hub.works("a")


async def test_a_member_in_trouble_costs_no_endless_writes(hub: Hub, agents: FakeAgents) -> None:
    agents.behave("a", Behaviour.FAILED)
    await rolled_out(hub, "a", wait=False)
    await hub.pass_time(60)
    before = len(hub.writes)
    await hub.pass_time(200)
    assert hub.writes[before:] == []


@pytest.mark.parametrize("step", ["Overridden", "WorkSynchronized", "Applied", "Available"])
async def test_times_tell_when_a_condition_changed(hub: Hub, agents: FakeAgents, step: str) -> None:
    await rolled_out(hub, "a")
    before = find_condition(hub.binding("a").status.conditions, step)
    await hub.pass_time(120)
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: reasons(hub.binding("a"))[-1][1] == "False")
    after = find_condition(hub.binding("a").status.conditions, step)
    assert before is not None
    assert after is not None
    changed = before.last_transition_time != after.last_transition_time
    assert changed == (step == "Available")
