"""Explanations of objects by their name: what they are made of is read from the hub."""

from __future__ import annotations

from typing import cast

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.eviction import ClusterResourcePlacementEviction
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.upgrade import ClusterUpgrade
from echelon.api.work import Work
from echelon.cli.kinds import find, find_placement
from echelon.cli.runs import bindings_of, get_run, local_now, runs_of
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation
from echelon.explain.kinds import Approval, Binding, Placement, Run, kinds_of
from echelon.explain.members import explain_member
from echelon.explain.placements import explain_binding, explain_placement, explain_work
from echelon.explain.rollouts import explain_approval, explain_eviction, explain_run
from echelon.explain.upgrades import explain_gate, explain_update_run, explain_upgrade
from echelon.kube.client import Client
from echelon.kube.errors import NotFound


async def member_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a member of the fleet. Raises Failed."""
    member = cast(MemberCluster, await find(client, MemberCluster, name))
    return explain_member(member, local_now(), access)


async def placement_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a placement of the hub. Raises Failed."""
    placement = await find_placement(client, name, namespace)
    return explain_placement(placement, await runs_of(client, name, namespace), access)


async def binding_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a binding of the hub. Raises Failed."""
    binding = cast(Binding, await find(client, kinds_of(namespace).binding, name, namespace))
    placement_name = binding.metadata.labels.get(names.PARENT_PLACEMENT, "")
    try:
        key = (namespace, placement_name)
        placement = cast(Placement, await client.get(kinds_of(namespace).placement, key))
    except NotFound:
        placement = None
    return explain_binding(binding, placement, access)


async def work_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a Work of the hub. Raises Failed."""
    work = cast(Work, await find(client, Work, name, namespace))
    try:
        member = await client.get(MemberCluster, names.member_of_namespace(namespace) or "")
    except NotFound:
        member = None
    return explain_work(work, member, access)


async def run_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a staged run of the hub. Raises Failed."""
    run = await get_run(client, name, namespace)
    return explain_run(run, await bindings_of(client, run), access)


async def approval_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain an approval request of the hub. Raises Failed."""
    kinds = kinds_of(namespace)
    request = cast(Approval, await find(client, kinds.approval, name, namespace))
    try:
        run = cast(Run, await client.get(kinds.run, (namespace, request.spec.parent_stage_rollout)))
    except NotFound:
        run = None
    return explain_approval(request, run, access)


async def eviction_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain an eviction of the hub. Raises Failed."""
    eviction = cast(ClusterResourcePlacementEviction, await find(client, ClusterResourcePlacementEviction, name))
    return explain_eviction(eviction, access)


async def update_run_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain an update run of the hub. Raises Failed."""
    return explain_update_run(cast(UpdateRun, await find(client, UpdateRun, name)), access)


async def gate_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain a gate of the hub. Raises Failed."""
    return explain_gate(cast(Gate, await find(client, Gate, name)), access)


async def upgrade_by_name(client: Client, name: str, namespace: str, access: Access) -> Explanation:
    """Explain the upgrade of a member. Without a namespace, the name is the member's. Raises Failed."""
    namespace = namespace or names.member_namespace(name)
    return explain_upgrade(cast(ClusterUpgrade, await find(client, ClusterUpgrade, name, namespace)), access)
