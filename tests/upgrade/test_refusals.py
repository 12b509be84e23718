"""What a hub refuses of runs and strategies, with which words, and that nothing came of it.

Some is refused when it is written, by the definitions of the kinds; the rest by the controller, which plans and starts
nothing and says why in the status of the run. The command line judges by the same rules before it writes anything.
"""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api.fleet import Gate, UpdateRun, UpdateStrategy
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.errors import Invalid

from .hub import Hub, control_plane, full, node_images, order, stage
from .provider import HANG, FakeProvider
from .values import IMAGE

STAGES = order(stage("one", "a"), stage("two", "b"))


async def fleet(hub: Hub) -> None:
    """Two groups of one member each, and a catalogue."""
    await hub.catalogue({"1.30.0": [], "1.30.4": [], "1.31.1": [], "1.32.0": []}, {f"{IMAGE}-202410.15.0": []})
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")


def run(update: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "fleet.echelon.dev/v1alpha1",
        "kind": "UpdateRun",
        "metadata": {"name": "run"},
        "spec": {"managedClusterUpdate": update or full("1.30.4"), "state": "Run", **spec},
    }


def strategy(content: Any) -> dict[str, Any]:
    return {
        "apiVersion": "fleet.echelon.dev/v1alpha1",
        "kind": "UpdateStrategy",
        "metadata": {"name": "weekly"},
        "spec": {"strategy": content},
    }


TOO_MANY_GROUPS = stage("one", *(f"g{number}" for number in range(51)))
ORDERS_REFUSED = [
    (order(), "should have at least 1 items"),
    (order(stage("one")), "a stage needs at least one group or a memberSelector"),
    (order(stage("one", "a", "a")), "group names must be unique"),
    (order(stage("one", "a"), stage("one", "b")), "stage names must be unique"),
    (order(TOO_MANY_GROUPS), "must have at most 50 items"),
    (order(stage("One", "a")), r"should match '\^\[a-z0-9\]"),
    (order(stage("one", "a" * 51)), "may not be more than 50"),
    (order(stage("one", "a", maxConcurrency=0)), "should be greater than or equal to 1"),
    (order(stage("one", "a", maxConcurrency="0%")), "should match"),
    (order(stage("one", "a", maxConcurrency="101%")), "should match"),
    (order(stage("one", "a", maxAllowedFailures=-1)), "should be greater than or equal to 0"),
    (order(stage("one", "a", maxAllowedFailures="101%")), "should match"),
    (order(stage("one", "a", afterStageWaitInSeconds=-1)), "should be greater than or equal to 0"),
    (
        order(stage("one", "a", beforeGates=[{"type": "ScheduledStart"}])),
        "scheduledStartConfiguration must be set when type is ScheduledStart, and only then",
    ),
    (order(stage("one", "a", beforeGates=[{"type": "Rejection"}])), "supported values"),
    (
        order(stage("one", "a", beforeGates=[{"type": "Approval", "displayName": "x" * 101}])),
        "may not be more than 100",
    ),
    (order(stage("one", memberSelector={"byLabel": "x" * 513})), "may not be more than 512"),
]


@pytest.mark.parametrize(("content", "why"), ORDERS_REFUSED)
async def test_an_order_that_makes_no_sense_is_not_stored(hub: Hub, content: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        await hub.admin.create(strategy(content))
    with pytest.raises(Invalid, match=why):
        await hub.admin.create(run(strategy=content))
    await hub.settle()
    assert (hub.all(UpdateStrategy), hub.all(UpdateRun)) == ([], [])


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (run({"upgrade": {"type": "Full"}}), "kubernetesVersion is required when type is Full or ControlPlaneOnly"),
        (run({"upgrade": {"type": "ControlPlaneOnly"}}), "kubernetesVersion is required when type is Full or Con"),
        (
            run({"upgrade": {"type": "NodeImageOnly", "kubernetesVersion": "1.31.1"}}),
            "kubernetesVersion must not be set when type is NodeImageOnly",
        ),
        (run(full("newest")), "should match"),
        (run({"upgrade": {"type": "Everything", "kubernetesVersion": "1.31.1"}}), 'supported values: "Full"'),
        (run(node_images("Custom")), "customNodeImageVersions must be set when type is Custom, and only then"),
        (run(node_images("Latest", f"{IMAGE}-1.0")), "customNodeImageVersions must be set when type is Custom, and"),
        (run(strategy=STAGES, updateStrategyName="weekly"), "strategy and updateStrategyName cannot both be set"),
        (run(skips=[{"type": "Cluster", "name": "m1"}]), 'supported values: "Member"'),
        (run(attempt=-1), "should be greater than or equal to 0"),
        (run(state="Pause"), "supported values"),
        ({**run(), "metadata": {"name": "r" * 51}}, "metadata.name max length is 50"),
    ],
)
async def test_a_run_that_makes_no_sense_is_not_stored(hub: Hub, made: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        await hub.admin.create(made)
    await hub.settle()
    assert hub.all(UpdateRun) == []


UPDATE = "spec.managedClusterUpdate"


@pytest.mark.parametrize(
    ("update", "spec", "why"),
    [
        (
            full("1.30.9"),
            {},
            f"{UPDATE}.upgrade.kubernetesVersion: '1.30.9' is in no ReleaseCatalog; "
            "there are: 1.30.0, 1.30.4, 1.31.1, 1.32.0",
        ),
        (
            control_plane("1.32.0"),
            {},
            f"{UPDATE}.upgrade.kubernetesVersion: '1.32.0' is more than one minor version ahead of members of the "
            "run: m1 is at 1.30.0, m2 is at 1.30.0",
        ),
        (
            node_images("Custom", f"{IMAGE}-1.0"),
            {},
            f"{UPDATE}.nodeImageSelection.customNodeImageVersions[0]: '{IMAGE}-1.0' is in no ReleaseCatalog",
        ),
        (
            None,
            {"updateStrategyName": "weekly"},
            "spec.updateStrategyName: there is no UpdateStrategy 'weekly'; there are: none",
        ),
        (
            None,
            {"strategy": order(stage("one", "a", "c"))},
            "spec.strategy.stages[0].groups[1].name: no member is in the group 'c'; there are: a, b",
        ),
        (
            None,
            {"strategy": order(stage("one", "a"), stage("two", "a"))},
            "spec.strategy.stages[1].groups[0].name: group 'a' appears twice, in stage 'one' and in stage 'two'",
        ),
        (
            None,
            {"strategy": order(stage("one", "a", maxConcurrency=51))},
            "spec.strategy.stages[0].maxConcurrency: 51 is more than the 50 that a stage may have",
        ),
        (
            None,
            {"strategy": order(stage("one", {"name": "a", "maxConcurrency": 3}, maxConcurrency=2))},
            "spec.strategy.stages[0].groups[0].maxConcurrency: 3 is more than the 2 of its stage 'one'",
        ),
        (
            None,
            {"strategy": order(stage("one", memberSelector={"byLabel": "a b"}))},
            "spec.strategy.stages[0].memberSelector.byLabel: 'a b' in 'a b' is no t",
        ),
    ],
)
async def test_a_run_that_cannot_be_is_not_started_and_says_why(
    hub: Hub, provider: FakeProvider, update: Any, spec: Any, why: str
) -> None:
    await fleet(hub)
    await hub.admin.create(run(update, **spec))
    await hub.until(lambda: hub.status().error)
    await hub.pass_time(60)
    status = hub.status()
    assert status.error is not None
    assert (status.state, status.error.code, status.stages, status.start_time) == (
        "NotStarted",
        "InvalidUpdateRun",
        (),
        None,
    )
    assert status.error.message.startswith(why)
    assert hub.condition("Initialized") == ("False", "InvalidUpdateRun", status.error.message)
    assert (hub.all(ClusterUpgrade), hub.all(Gate), provider.begun) == ([], [], [])


# -- of runs that are there ---------------------------------------------------------------------


async def started(hub: Hub, provider: FakeProvider) -> None:
    """A run of which the first member is being upgraded."""
    await fleet(hub)
    provider.behave("m1", HANG)
    await hub.begin(strategy=STAGES)
    await hub.until(lambda: hub.member("m1").operation_id)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"managedClusterUpdate": control_plane("1.30.4")}, "managedClusterUpdate cannot be changed once the run was"),
        ({"strategy": order(stage("other", "a"))}, "the strategy cannot be changed once the run was started"),
        ({"strategy": None}, "the strategy cannot be changed once the run was started"),
        (
            {"strategy": None, "updateStrategyName": "weekly"},
            "the strategy cannot be changed once the run was started",
        ),
        ({"state": "Initialize"}, "invalid state transition: cannot transition from Run to Initialize"),
        ({"attempt": 0}, "attempt cannot be lowered"),
    ],
)
async def test_a_started_run_is_not_changed(hub: Hub, provider: FakeProvider, change: Any, why: str) -> None:
    await started(hub, provider)
    before = hub.run()
    with pytest.raises(Invalid, match=why):
        await hub.edit(UpdateRun, "run", {"spec": change})
    await hub.settle()
    assert hub.run() == before
    assert provider.began() == ["m1"]


async def test_a_stopped_run_is_not_changed_either(hub: Hub, provider: FakeProvider) -> None:
    await started(hub, provider)
    await hub.stop()
    await hub.ended("Stopping")
    before = hub.run()
    with pytest.raises(Invalid, match="the strategy cannot be changed once the run was started"):
        await hub.edit(UpdateRun, "run", {"spec": {"strategy": order(stage("other", "a"))}})
    await hub.settle()
    assert hub.run() == before


async def test_skips_of_what_the_run_does_not_have_do_nothing(hub: Hub, provider: FakeProvider) -> None:
    """Command lines refuse them; what kubectl writes is kept, and has nothing to act on."""
    await fleet(hub)
    await hub.create(strategy=STAGES)
    await hub.planned()
    before = hub.status()
    await hub.skip("Member:m9", "Group:z", "Stage:z", "AfterStageWait:one")
    await hub.settle()
    assert hub.status().stages == before.stages
    await hub.start()
    await hub.ended()
    assert provider.began() == ["m1", "m2"]


async def test_a_completed_run_is_not_started_again(hub: Hub, provider: FakeProvider) -> None:
    await fleet(hub)
    await hub.begin(strategy=STAGES)
    await hub.ended()
    before = hub.run()
    with pytest.raises(Invalid, match="the run is completed and cannot be started, stopped or changed any more"):
        await hub.start()
    await hub.settle()
    assert hub.run() == before
    assert provider.began() == ["m1", "m2"]
