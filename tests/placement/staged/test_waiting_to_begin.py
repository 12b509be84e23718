"""A run that comes before its placement is scheduled, and one that can never begin."""

from __future__ import annotations

from echelon.api.policy import PlacementPolicy

from ..agents import FakeAgents
from ..hub import Hub, stage
from .conftest import Prepare

PREFIX = "cannot continue the updateRun: failed to validate the updateRun: "


def problem(hub: Hub, name: str = "first") -> str:
    condition = hub.condition("Initialized", name)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "UpdateRunInitializedFailed")
    return condition.message


async def failed(hub: Hub, name: str = "first") -> str:
    await hub.until(lambda: hub.is_run("Initialized", "False", name=name))
    return problem(hub, name)


async def test_a_run_right_after_its_placement(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.plan(stage("all"))
    await hub.place()
    await hub.start()
    await hub.succeeded()
    assert agents.got("a") == ["0"]


async def test_a_run_waits_until_its_placement_is_scheduled(hub: Hub, agents: FakeAgents) -> None:
    """PickFixed of a member that has yet to join."""
    await hub.join("a")
    await hub.configure("content")
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "b")))
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_run("Initialized", "Unknown", "UpdateRunWaitingForPlacement"))
    condition = hub.condition("Initialized")
    assert condition is not None
    assert condition.message == (
        "The UpdateRun waits until the placement is scheduled: policy snapshot `web-0` not fully scheduled yet: could "
        "not find all clusters needed as specified by the scheduling policy, found 1 cluster(s) instead"
    )
    await hub.pass_time(600)
    assert agents.effects == []
    await hub.join("b")
    await hub.succeeded()
    assert (agents.got("a"), agents.got("b")) == (["0"], ["0"])


async def test_no_placement(hub: Hub) -> None:
    await hub.plan(stage("all"))
    await hub.start()
    assert await failed(hub) == PREFIX + (
        "failed to process the request due to a client error: parent placement not found"
    )


async def test_a_placement_that_rolls_out_by_itself(hub: Hub, prepare: Prepare) -> None:
    await hub.join("a")
    await hub.admin.create(
        {
            "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
            "kind": "ClusterResourcePlacement",
            "metadata": {"name": "own"},
            "spec": {"resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "app"}]},
        }
    )
    await hub.plan(stage("all"))
    await hub.start(placement="own")
    assert await failed(hub) == PREFIX + (
        "failed to process the request due to a client error: parent placement does not have an external rollout "
        "strategy, current strategy: RollingUpdate"
    )


async def test_no_strategy(hub: Hub, prepare: Prepare) -> None:
    await prepare("a")
    await hub.start()
    assert await failed(hub) == PREFIX + (
        "failed to process the request due to a client error: referenced updateStrategy not found: `/stages`"
    )


async def test_no_members(hub: Hub, prepare: Prepare) -> None:
    await prepare()
    await hub.plan(stage("all"))
    await hub.start()
    assert await failed(hub) == PREFIX + (
        "no scheduled or to-be-deleted bindings found for the latest policy snapshot web-0"
    )


async def test_a_run_that_failed_to_begin_stays_so(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a")
    await hub.start()
    await failed(hub)
    await hub.plan(stage("all"))
    await hub.set_state("Stop")
    await hub.pass_time(60)
    problem(hub)
    assert agents.effects == []
    await hub.start("second")
    await hub.succeeded("second")


async def test_without_an_index_bad_selectors_are_the_problem(hub: Hub) -> None:
    await hub.join("a")
    selector = type(hub.selectors()[0])(group="", version="v1", kind="Namespace", name="kube-system")
    await hub.place(selectors=[selector])
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})
    await hub.plan(stage("all"))
    await hub.start()
    assert await failed(hub) == PREFIX + (
        "failed to process the request due to a client error: namespace kube-system is not allowed to propagate"
    )
