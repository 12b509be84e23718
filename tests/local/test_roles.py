"""The roles that a hub offers to people, both ways: what is meant to be possible is, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import APPROVED, SUCCEEDED, find_condition, set_condition
from echelon.api.core import RBAC, ConfigMap
from echelon.api.fleet import UpdateRun
from echelon.api.meta import Condition, KubeObject, LabelSelector, ObjectMeta, Resource, SystemClock
from echelon.api.placement import ClusterResourcePlacement, PlacementSpec, ResourcePlacement, ResourceSelector
from echelon.api.placement import RolloutStrategy as Strategy
from echelon.api.roles import FLEET_ADMIN, MEMBER_VIEWER, TEAM, VIEWER
from echelon.api.snapshot import ClusterResourceSnapshot, ResourceSnapshot
from echelon.api.staged import (
    ApprovalRequest,
    ApprovalRequestStatus,
    ClusterStagedUpdateRun,
    StageConfig,
    StagedUpdateRun,
    StagedUpdateStrategy,
    StageTask,
    UpdateRunSpec,
    UpdateStrategySpec,
)
from echelon.api.work import Work
from echelon.apiserver import Database, User, summarize
from echelon.kube.client import Client
from echelon.kube.errors import Forbidden
from echelon.kube.kinds import Unstructured
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec

SECRETS = Unstructured(Resource("", "v1", "secrets", "Secret", namespaced=True))
ENVELOPES = Unstructured(
    Resource("placement.kubernetes-fleet.io", "v1beta1", "resourceenvelopes", "ResourceEnvelope", namespaced=True)
)


@pytest.fixture
async def fleet() -> AsyncIterator[EmbeddedFleet]:
    """A hub with one member, two teams in namespaces of their own, a viewer and an administrator."""
    database = Database.open(None, summarize=summarize)
    fleet = EmbeddedFleet(database, FleetOptions(admin_token="secret"))
    await fleet.start([MemberSpec("one")])
    administrator = fleet.hub.administrator("test")
    for team in ("red", "blue"):
        await administrator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}})
        await administrator.create(_binding("RoleBinding", TEAM, team, team))
    await administrator.create(_binding("ClusterRoleBinding", VIEWER, "victor"))
    await administrator.create(_binding("ClusterRoleBinding", FLEET_ADMIN, "ada"))
    await administrator.create(_binding("ClusterRoleBinding", MEMBER_VIEWER, "red"))
    yield fleet
    await fleet.close()
    await database.close()


def _binding(kind: str, role: str, user: str, namespace: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": f"{role}-{user}", **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }


def as_user(fleet: EmbeddedFleet, name: str) -> Client:
    return fleet.hub.client(User(name))


async def refused(*calls: Awaitable[Any]) -> None:
    for call in calls:
        with pytest.raises(Forbidden):
            await call


def config_map(namespace: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="settings", namespace=namespace))


def placement(namespace: str) -> ResourcePlacement:
    selector = ResourceSelector(group="", version="v1", kind="ConfigMap", name="settings")
    spec = PlacementSpec(resource_selectors=(selector,), strategy=Strategy(type="External"))
    return ResourcePlacement(metadata=ObjectMeta(name="web", namespace=namespace), spec=spec)


def strategy(namespace: str) -> StagedUpdateStrategy:
    stage = StageConfig(name="all", label_selector=LabelSelector(), before_stage_tasks=(StageTask(type="Approval"),))
    return StagedUpdateStrategy(
        metadata=ObjectMeta(name="careful", namespace=namespace), spec=UpdateStrategySpec(stages=(stage,))
    )


def run(namespace: str) -> StagedUpdateRun:
    spec = UpdateRunSpec(placement_name="web", staged_rollout_strategy_name="careful", state="Run")
    return StagedUpdateRun(metadata=ObjectMeta(name="first", namespace=namespace), spec=spec)


async def until(client: Client, kind: type[Any], name: str, namespace: str, is_so: Any = lambda _: True) -> Any:
    async with asyncio.timeout(20):
        while True:
            async with client.watch(
                kind, namespace=namespace, fields=f"metadata.name={name}", initial_events=True
            ) as events:
                async for event in events:
                    if event.object is not None and event.type != "DELETED" and is_so(event.object):
                        return event.object


async def approve(client: Client, request: ApprovalRequest) -> None:
    condition = Condition(APPROVED, "True", "Fine", observed_generation=request.metadata.generation)
    status = ApprovalRequestStatus(conditions=set_condition(request.status.conditions, condition, SystemClock().now()))
    await client.patch_status(request, ApprovalRequest(metadata=request.metadata, spec=request.spec, status=status))


async def test_a_team_rolls_out_in_its_namespace_from_start_to_end(fleet: EmbeddedFleet) -> None:
    administrator = fleet.hub.administrator("test")
    selector = ResourceSelector(group="", version="v1", kind="Namespace", name="red", selection_scope="NamespaceOnly")
    await administrator.create(
        ClusterResourcePlacement(metadata=ObjectMeta(name="red"), spec=PlacementSpec(resource_selectors=(selector,)))
    )
    team = as_user(fleet, "red")
    for obj in (config_map("red"), placement("red"), strategy("red"), run("red")):
        await team.create(obj)
    request = await until(team, ApprovalRequest, "first-before-all", "red")
    await approve(team, request)
    done = await until(
        team, StagedUpdateRun, "first", "red", lambda found: find_condition(found.status.conditions, SUCCEEDED)
    )
    assert find_condition(done.status.conditions, SUCCEEDED).status == "True"
    assert (await team.list(ResourceSnapshot, namespace="red")).items
    assert [member.metadata.name for member in (await team.list(MemberCluster)).items] == ["one"]
    await team.delete(StagedUpdateRun, ("red", "first"))


async def test_a_team_has_nothing_of_another(fleet: EmbeddedFleet) -> None:
    blue = as_user(fleet, "blue")
    for obj in (config_map("blue"), placement("blue"), strategy("blue"), run("blue")):
        await blue.create(obj)
    request = await until(blue, ApprovalRequest, "first-before-all", "blue")
    team = as_user(fleet, "red")
    objects: list[KubeObject] = [config_map("blue"), placement("blue"), strategy("blue"), run("blue")]
    for obj in objects:
        kind, key = type(obj), obj.key
        await refused(team.get(kind, key), team.list(kind, namespace="blue"), team.list(kind))
        await refused(team.create(obj), team.delete(kind, key))
    await refused(team.get(ApprovalRequest, ("blue", "first-before-all")), approve(team, request))


async def test_a_team_reaches_neither_the_fleet_nor_its_members(fleet: EmbeddedFleet) -> None:
    team = as_user(fleet, "red")
    await refused(
        team.list(ClusterResourcePlacement),
        team.list(ClusterStagedUpdateRun),
        team.list(UpdateRun),
        team.list(Work, namespace=names.member_namespace("one")),
        team.delete(MemberCluster, "one"),
        team.create(_binding("RoleBinding", "cluster-admin", "red", "red")),
        team.create(_binding("ClusterRoleBinding", FLEET_ADMIN, "red")),
        team.create(
            {
                "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
                "kind": "ResourceEnvelope",
                "metadata": {"name": "anything", "namespace": "red"},
                "data": {},
            }
        ),
        team.list(ENVELOPES, namespace="red"),
    )


async def test_a_viewer_sees_all_but_secrets_and_changes_nothing(fleet: EmbeddedFleet) -> None:
    blue = as_user(fleet, "blue")
    for obj in (config_map("blue"), placement("blue"), strategy("blue"), run("blue")):
        await blue.create(obj)
    request = await until(blue, ApprovalRequest, "first-before-all", "blue")
    viewer = as_user(fleet, "victor")
    for kind in (ClusterResourcePlacement, ClusterStagedUpdateRun, ResourcePlacement, StagedUpdateRun, UpdateRun):
        await viewer.list(kind)
    assert [found.metadata.name for found in (await viewer.list(MemberCluster)).items] == ["one"]
    await viewer.get(ConfigMap, ("blue", "settings"))
    await refused(
        viewer.list(SECRETS),
        viewer.list(SECRETS, namespace="blue"),
        viewer.list(Work),
        viewer.list(ResourceSnapshot),
        viewer.list(ClusterResourceSnapshot),
        viewer.list(ENVELOPES),
    )
    await refused(
        viewer.create(config_map("red")),
        viewer.create(placement("red")),
        viewer.delete(StagedUpdateRun, ("blue", "first")),
        viewer.delete(MemberCluster, "one"),
        approve(viewer, request),
    )


async def test_an_administrator_of_the_fleet_runs_it(fleet: EmbeddedFleet) -> None:
    ada = as_user(fleet, "ada")
    await ada.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "green"}})
    await ada.create(_binding("RoleBinding", TEAM, "gina", "green"))
    await as_user(fleet, "gina").create(placement("green"))
    selector = ResourceSelector(group="", version="v1", kind="Namespace", name="green")
    spec = PlacementSpec(resource_selectors=(selector,))
    await ada.create(ClusterResourcePlacement(metadata=ObjectMeta(name="green"), spec=spec))
    await ada.list(Work)
    await refused(
        ada.create(_binding("ClusterRoleBinding", "cluster-admin", "ada")),
        ada.create(_binding("RoleBinding", "cluster-admin", "ada", "kube-system")),
    )
