"""The scenario by which the ``az fleet`` extension is tested without a hub, step by step with its assertions."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient
from azure.mgmt.containerservicefleet import models as m

from .conftest import SUBSCRIPTION
from .steps import cluster_id, create_run, state, update

GATE = [m.GateConfiguration(type="Approval", display_name="a gate")]
STAGE = m.UpdateStage(
    name="stage1",
    groups=[
        m.UpdateGroup(name="group1", max_concurrency="100%", before_gates=GATE, after_gates=GATE),
        m.UpdateGroup(name="group2", max_concurrency="50%", before_gates=GATE, after_gates=GATE),
    ],
    after_stage_wait_in_seconds=3600,
    max_concurrency="7",
    before_gates=GATE,
    after_gates=GATE,
)


def test_a_fleet_from_its_creation_to_its_end(azure: ContainerServiceFleetMgmtClient) -> None:
    where = ("scenario", "hubless")
    root = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/scenario/providers/Microsoft.ContainerService/fleets/hubless"
    created = azure.fleets.begin_create_or_update(*where, m.Fleet(location="westus2")).result()
    assert (created.name, created.properties.provisioning_state) == ("hubless", "Succeeded")

    assert azure.fleets.begin_update(*where, m.FleetPatch(tags={"foo": "doo"})).result().tags == {"foo": "doo"}
    found = azure.fleets.get(*where)
    reconciled = azure.fleets.begin_create_or_update(*where, found).result()
    assert reconciled.tags == {"foo": "doo"}
    assert len(list(azure.fleets.list_by_resource_group("scenario"))) == 1
    assert len(list(azure.fleets.list_by_subscription())) > 1

    properties = m.FleetMemberProperties(
        cluster_resource_id=cluster_id("one", "scenario"), group="group1", labels={"team": "fleet"}
    )
    member = azure.fleet_members.begin_create(*where, "one", m.FleetMember(properties=properties)).result()
    assert member.properties.cluster_resource_id == cluster_id("one", "scenario")
    assert (member.properties.group, member.properties.labels) == ("group1", {"team": "fleet"})
    patch = m.FleetMemberUpdate(properties=m.FleetMemberUpdateProperties(group="group2"))
    assert azure.fleet_members.begin_update(*where, "one", patch).result().properties.group == "group2"
    found = azure.fleet_members.get(*where, "one")
    assert azure.fleet_members.begin_create(*where, "one", found).result().properties.group == "group2"
    assert len(list(azure.fleet_members.list_by_fleet(*where))) == 1

    add_group = m.FleetMemberUpdate(properties=m.FleetMemberUpdateProperties(group="group1"))
    other = m.FleetMemberProperties(cluster_resource_id=cluster_id("two", "scenario"), group="group2")
    azure.fleet_members.begin_create(*where, "two", m.FleetMember(properties=other)).result()
    azure.fleet_members.begin_update(*where, "one", add_group).result()

    order = m.UpdateRunStrategy(stages=[STAGE])
    run = create_run(azure, where, "run1", update("Full", "1.31.1", "Latest"), strategy=order)
    assert run.name == "run1"
    skips = m.SkipProperties(targets=[m.SkipTarget(type="Group", name="group2")])
    run = azure.update_runs.begin_skip(*where, "run1", skips).result()
    assert run.properties.status.stages[0].groups[1].status.state == "Skipped"
    azure.update_runs.begin_delete(*where, "run1").result()
    with pytest.raises(ResourceNotFoundError):
        azure.update_runs.get(*where, "run1")

    strategy = m.FleetUpdateStrategy(properties=m.FleetUpdateStrategyProperties(strategy=order))
    azure.fleet_update_strategies.begin_create_or_update(*where, "order", strategy).result()
    [stage] = azure.fleet_update_strategies.get(*where, "order").properties.strategy.stages
    assert (stage.max_concurrency, [group.max_concurrency for group in stage.groups]) == ("7", ["100%", "50%"])
    assert len(list(azure.fleet_update_strategies.list_by_fleet(*where))) == 1

    id_ = f"{root}/updateStrategies/order"
    create_run(azure, where, "run2", update("Full", "1.31.1", "Latest"), update_strategy_id=id_)
    azure.update_runs.begin_start(*where, "run2").result()
    run = azure.update_runs.get(*where, "run2")
    [stage] = run.properties.status.stages
    assert (stage.max_concurrency, [group.max_concurrency for group in stage.groups]) == (7, [1, 1])
    assert run.properties.strategy.stages[0].name == "stage1"
    assert run.properties.update_strategy_id == id_
    assert len(list(azure.update_runs.list_by_fleet(*where))) == 1

    [gate] = azure.gates.list_by_fleet(*where)
    assert azure.gates.get(*where, gate.name).properties.state == "Pending"
    assert len(list(azure.gates.list_by_fleet(*where, filter="state eq Pending"))) == 1
    done = m.GatePatch(properties=m.GatePatchProperties(state="Completed"))
    assert azure.gates.begin_update(*where, gate.name, done).result().properties.state == "Completed"
    assert state(azure.update_runs.get(*where, "run2")) in ("Running", "Pending")
    azure.update_runs.begin_delete(*where, "run2").result()

    rapid = m.AutoUpgradeProfileProperties(channel="Rapid", disabled=True, update_strategy_id=id_)
    azure.auto_upgrade_profiles.begin_create_or_update(*where, "aup", m.AutoUpgradeProfile(properties=rapid)).result()
    pinned = m.AutoUpgradeProfileProperties(
        channel="TargetKubernetesVersion", target_kubernetes_version="1.30", long_term_support=True
    )
    azure.auto_upgrade_profiles.begin_create_or_update(
        *where, "pinned", m.AutoUpgradeProfile(properties=pinned)
    ).result()
    assert azure.auto_upgrade_profiles.get(*where, "aup").properties.update_strategy_id == id_
    assert len(list(azure.auto_upgrade_profiles.list_by_fleet(*where))) == 2
    for _ in range(2):
        made = azure.auto_upgrade_profile_operations.begin_generate_update_run(*where, "aup").result()
        assert "/updateRuns/auto-aup-rapid" in made.id
    assert len(list(azure.update_runs.list_by_fleet(*where))) == 1

    azure.auto_upgrade_profiles.begin_delete(*where, "aup").result()
    azure.fleet_update_strategies.begin_delete(*where, "order").result()
    for name in ("one", "two"):
        azure.fleet_members.begin_delete(*where, name).result()
    assert list(azure.fleet_members.list_by_fleet(*where)) == []
    azure.fleets.begin_delete(*where).result()
    with pytest.raises(ResourceNotFoundError):
        azure.fleets.get(*where)
    azure.fleets.begin_delete(*where).result()
