"""The update run tutorial, by the official client."""

from __future__ import annotations

from itertools import pairwise

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient
from azure.mgmt.containerservicefleet import models as m

from .conftest import SUBSCRIPTION
from .steps import create_run, ends, state, update

WHERE = ("demo", "fleet")
STAGES = [
    m.UpdateStage(
        name="stage1",
        groups=[m.UpdateGroup(name="group-1a"), m.UpdateGroup(name="group-1b")],
        after_stage_wait_in_seconds=1,
    ),
    m.UpdateStage(name="stage2", groups=[m.UpdateGroup(name="group-2a")]),
]
ORDER = m.UpdateRunStrategy(stages=STAGES)
GROUPS = {"member1": "group-1a", "member2": "group-1b", "member3": "group-2a", "member4": "group-2a"}
STRATEGY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/demo/providers/Microsoft.ContainerService/fleets/fleet"
    "/updateStrategies/strategy-1"
)


def start(azure: ContainerServiceFleetMgmtClient, name: str) -> None:
    azure.update_runs.begin_start(*WHERE, name).result()


def test_from_the_first_run_to_the_last(azure: ContainerServiceFleetMgmtClient) -> None:
    run = create_run(azure, WHERE, "run-1", update(images="Latest"))
    assert state(run) == "NotStarted"
    [stage] = run.properties.status.stages
    assert (stage.name, [group.name for group in stage.groups]) == ("default", ["default"])
    assert [member.name for member in stage.groups[0].members] == sorted(GROUPS)
    assert run.properties.strategy is None
    start(azure, "run-1")
    run = ends(azure, WHERE, "run-1")
    members = run.properties.status.stages[0].groups[0].members
    times = sorted((member.status.start_time, member.status.completed_time) for member in members)
    assert all(before[1] <= after[0] for before, after in pairwise(times))

    for member, group in GROUPS.items():
        properties = m.FleetMemberUpdateProperties(group=group)
        changed = azure.fleet_members.begin_update(*WHERE, member, m.FleetMemberUpdate(properties=properties)).result()
        assert changed.properties.group == group
    create_run(azure, WHERE, "run-2", update("ControlPlaneOnly", "1.31.1"), strategy=ORDER)
    start(azure, "run-2")
    run = ends(azure, WHERE, "run-2")
    first, second = run.properties.status.stages
    assert first.after_stage_wait_status.wait_duration_in_seconds == 1
    ended = max(group.status.completed_time for group in first.groups)
    assert (second.status.start_time - ended).total_seconds() >= 1

    strategy = m.FleetUpdateStrategy(properties=m.FleetUpdateStrategyProperties(strategy=ORDER))
    azure.fleet_update_strategies.begin_create_or_update(*WHERE, "strategy-1", strategy).result()
    create_run(azure, WHERE, "run-5", update("NodeImageOnly", None, "Consistent"), update_strategy_id=STRATEGY)
    start(azure, "run-5")
    chosen = ends(azure, WHERE, "run-5").properties.status.node_image_selection.selected_node_image_versions
    assert [image.version for image in chosen] == ["AKSUbuntu-2204gen2containerd-202410.15.0"]

    create_run(azure, WHERE, "run-6", update("Full", "1.31.1", "Latest"), update_strategy_id=STRATEGY)
    skips = m.SkipProperties(targets=[m.SkipTarget(type="Group", name="group-1b")])
    run = azure.update_runs.begin_skip(*WHERE, "run-6", skips).result()
    assert run.properties.status.stages[0].groups[1].status.state == "Skipped"
    start(azure, "run-6")
    azure.update_runs.begin_stop(*WHERE, "run-6").result()
    run = ends(azure, WHERE, "run-6", "Stopped")
    assert run.properties.status.stages[1].status.state == "NotStarted"
    start(azure, "run-6")
    ends(azure, WHERE, "run-6")

    create_run(azure, WHERE, "run-7", update("ControlPlaneOnly", "1.31.1"))
    start(azure, "run-7")
    run = ends(azure, WHERE, "run-7", "Skipped", "Completed")
    assert run.properties.status.stages[0].groups[0].members[0].status.state == "Skipped"

    with pytest.raises(HttpResponseError, match="'run-2' is completed"):
        start(azure, "run-2")


@pytest.mark.parametrize(
    ("what", "order", "why", "target"),
    [
        (update("Full", None), {}, "kubernetesVersion is required", "properties.managedClusterUpdate.upgrade"),
        (update("NodeImageOnly", "1.31.1"), {}, "must not be set", "properties.managedClusterUpdate.upgrade"),
        (update("Full", "1.99.0"), {}, "is in no ReleaseCatalog; there are: 1.30.0", None),
        (update(), {"strategy": ORDER, "update_strategy_id": STRATEGY}, "cannot both be set", "properties"),
        (update(), {"update_strategy_id": STRATEGY + "x"}, "there is no UpdateStrategy 'strategy-1x'", None),
        (
            update(),
            {"update_strategy_id": "strategy-1"},
            "is not the id of an update strategy",
            "properties.updateStrategyId",
        ),
        (update(), {"strategy": m.UpdateRunStrategy(stages=[])}, "at least 1", "properties.strategy.stages"),
        (
            update(),
            {"strategy": m.UpdateRunStrategy(stages=[m.UpdateStage(name="a", groups=[m.UpdateGroup(name="nobody")])])},
            "nobody",
            None,
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    azure: ContainerServiceFleetMgmtClient, what: m.ManagedClusterUpdate, order: dict, why: str, target: str | None
) -> None:
    before = [run.name for run in azure.update_runs.list_by_fleet(*WHERE)]
    with pytest.raises(HttpResponseError, match=why) as refused:
        create_run(azure, WHERE, "bad", what, **order)
    assert refused.value.status_code == 400
    assert refused.value.error.code == "InvalidParameter"
    assert target is None or refused.value.error.target == target
    assert [run.name for run in azure.update_runs.list_by_fleet(*WHERE)] == before


@pytest.mark.parametrize(
    "targets", [[], [m.SkipTarget(type="Gruop", name="x")], [m.SkipTarget(type="Group", name="x")]]
)
def test_targets_that_make_no_sense(azure: ContainerServiceFleetMgmtClient, targets: list[m.SkipTarget]) -> None:
    create_run(azure, WHERE, "unskipped", update())
    with pytest.raises(HttpResponseError) as refused:
        azure.update_runs.begin_skip(*WHERE, "unskipped", m.SkipProperties(targets=targets)).result()
    assert refused.value.status_code in (400, 409)
    azure.update_runs.begin_delete(*WHERE, "unskipped").result()
