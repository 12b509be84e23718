"""What a placement under the External strategy says of itself: the three situations, and each member."""

from __future__ import annotations

import pytest

from echelon.api.placement import ApplyStrategy
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import Behaviour, FakeAgents
from .hub import APPROVAL, Hub, stage

EXTERNAL = "RolloutControlledByExternalController"
STEPS = ["Scheduled", "RolloutStarted", "Overridden", "WorkSynchronized", "Applied", "Available"]


async def ready(hub: Hub, **placement: object) -> None:
    await hub.join("a", env="one")
    await hub.join("b", env="two")
    await hub.configure("content 0")
    await hub.place(**placement)  # type: ignore[arg-type]
    await hub.until(lambda: hub.masters() and hub.is_placement("Scheduled", "True"))
    await hub.plan(stage("one", env="one", after=[APPROVAL]), stage("two", env="two"))


def shown(hub: Hub) -> list[tuple[str, str, str]]:
    kind = hub.scope.placement.resource.kind
    return [(c.type.removeprefix(kind), c.status, c.reason) for c in hub.placement().status.conditions]


def members(hub: Hub) -> dict[str, tuple[str, str, str]]:
    """The last condition of each member."""
    found = {}
    for status in hub.placement().status.placement_statuses:
        last = status.conditions[-1]
        found[status.cluster_name] = (last.type, last.status, status.observed_resource_index)
    return found


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_before_any_run(hub: Hub, scope: Scope) -> None:
    await ready(hub)
    await hub.pass_time(5)
    assert shown(hub) == [
        ("Scheduled", "True", "SchedulingPolicyFulfilled"),
        ("RolloutStarted", "Unknown", EXTERNAL),
    ]
    message = hub.placement().status.conditions[-1].message
    assert message == (
        "Rollout is controlled by an external controller and no resource snapshot name is observed across clusters. To "
        f"determine rollout status, check the {scope.run.resource.kind} resources with spec.placementName matching "
        "this placement"
    )
    status = hub.placement().status
    assert (status.observed_resource_index, status.selected_resources) == ("", ())
    assert members(hub) == {"a": ("RolloutStarted", "Unknown", ""), "b": ("RolloutStarted", "Unknown", "")}


async def test_while_members_differ(hub: Hub, agents: FakeAgents) -> None:
    await ready(hub)
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.pass_time(5)
    assert shown(hub)[-1] == ("RolloutStarted", "Unknown", EXTERNAL)
    assert hub.placement().status.conditions[-1].message == (
        "Rollout is controlled by an external controller and different resource snapshot versions are observed across "
        "clusters"
    )
    assert members(hub) == {"a": ("Available", "True", "0"), "b": ("RolloutStarted", "Unknown", "")}
    assert hub.placement().status.selected_resources == ()


async def test_once_all_have_the_same(hub: Hub, agents: FakeAgents) -> None:
    await ready(hub)
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert [type_ for type_, _, _ in shown(hub)] == STEPS
    assert {status for _, status, _ in shown(hub)} == {"True"}
    status = hub.placement().status
    assert status.observed_resource_index == "0"
    assert [(r.kind, r.namespace, r.name) for r in status.selected_resources] == [
        ("Namespace", "", "app"),
        ("ConfigMap", "app", "settings"),
    ]
    assert members(hub) == {"a": ("Available", "True", "0"), "b": ("Available", "True", "0")}


async def test_all_have_an_older_one(hub: Hub, agents: FakeAgents) -> None:
    """Then the resources shown are those of the snapshot, not those selected now."""
    await ready(hub)
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.succeeded()
    await hub.configure("more", "extra")
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.pass_time(5)
    status = hub.placement().status
    assert status.observed_resource_index == "0"
    assert [r.name for r in status.selected_resources] == ["app", "settings"]
    assert hub.is_placement("Available", "True")


async def test_the_one_in_trouble_is_named(hub: Hub, agents: FakeAgents) -> None:
    await ready(hub)
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.succeeded()
    agents.behave("b", Behaviour.FAILED)
    await hub.until(lambda: hub.is_placement("Applied", "False", "ApplyFailed"))
    assert [type_ for type_, _, _ in shown(hub)] == STEPS[:5]
    a, b = hub.placement().status.placement_statuses
    assert (a.failed_placements, len(b.failed_placements)) == ((), 2)
    assert hub.placement().status.conditions[-1].message == (
        "Failed to apply resources to 1 cluster(s), please check the `failedPlacements` status"
    )
    agents.behave("b", Behaviour.NOT_YET)
    await hub.until(lambda: hub.is_placement("Available", "False", "ResourceNotAvailableYet"))
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert all(not status.failed_placements for status in hub.placement().status.placement_statuses)


async def test_the_status_is_written_at_most_twice_a_second_and_always_at_the_end(hub: Hub, agents: FakeAgents) -> None:
    await ready(hub)
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    before = len(hub.writes)
    for turn in range(20):
        agents.behave("a", Behaviour.NOT_YET if turn % 2 else Behaviour.AVAILABLE)
        await hub.pass_time(0.1)
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: hub.is_placement("Available", "False"))
    written = [w for w in hub.writes[before:] if w.path.endswith("clusterresourceplacements/web/status")]
    assert 1 <= len(written) <= 6


async def test_an_edited_placement_is_observed_at_its_generation(hub: Hub, agents: FakeAgents) -> None:
    await ready(hub)
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.edit(hub.scope.placement, "web", {"spec": {"revisionHistoryLimit": 4}})

    def observed() -> bool:
        status = hub.placement().status
        found = {c.observed_generation for c in status.conditions}
        found |= {c.observed_generation for s in status.placement_statuses for c in s.conditions}
        return found == {2} and len(status.conditions) == len(STEPS)

    await hub.until(observed)


async def test_only_reporting_differences(hub: Hub, agents: FakeAgents) -> None:
    agents.otherwise = Behaviour.DIFF_REPORTED
    await ready(hub, apply_strategy=ApplyStrategy(type="ReportDiff"))
    await hub.start(index="0")
    await hub.approve("first-one")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("DiffReported", "True", "DiffReportingCompleted"))
    assert [type_ for type_, _, _ in shown(hub)] == [*STEPS[:4], "DiffReported"]
