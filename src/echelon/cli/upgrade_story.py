"""The last act of the demo: the clusters themselves are upgraded, by an update run with a gate.

It is done with what the commands are made of, so that what is shown is what a user would see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from echelon.api.fleet import Gate, UpdateRun, UpdateStrategy
from echelon.api.meta import Resource, from_dict, to_dict
from echelon.api.upgrade import KubernetesRelease, NodeImage, ReleaseCatalogSpec
from echelon.cli.fleet.nouns import upgrade_words
from echelon.cli.fleet.run_create import until_taken_up
from echelon.cli.fleet.run_plan import preview_of
from echelon.cli.fleet.run_watch import follow_run
from echelon.cli.fleet.schedule import schedule_tree
from echelon.cli.runs import local_now
from echelon.cli.tables import server_table
from echelon.cli.tree import glyphs_for, tree
from echelon.explain.access import Access
from echelon.explain.items import State
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.local.members import DEFAULT_MEMBERS, MemberSpec
from echelon.local.simulation import SimulatedCluster, SimulatedPool
from echelon.upgrade.intents import started
from echelon.upgrade.outlook import Assumed

BEFORE, AFTER = "1.30.4", "1.31.1"
FAMILY, OLD_IMAGE, NEW_IMAGE = "AKSUbuntu-2204gen2containerd", "202410.01.0", "202410.15.0"
CONTROL_PLANE_SECONDS, SECONDS_PER_NODE = 0.8, 0.3
RUN, STRATEGY = "to-1-31-1", "careful"
ORDER: Mapping[str, Any] = {
    "apiVersion": UpdateStrategy.resource.api_version,
    "kind": UpdateStrategy.resource.kind,
    "metadata": {"name": STRATEGY},
    "spec": {
        "strategy": {
            "stages": [
                {
                    "name": "staging",
                    "memberSelector": {"byLabel": "environment=staging"},
                    "afterGates": [{"type": "Approval", "displayName": "Looks good?"}],
                },
                {"name": "canary", "memberSelector": {"byLabel": "environment=canary"}},
            ]
        }
    },
}
WANTED: Mapping[str, Any] = {
    "apiVersion": UpdateRun.resource.api_version,
    "kind": UpdateRun.resource.kind,
    "metadata": {"name": RUN},
    "spec": {
        "managedClusterUpdate": {
            "upgrade": {"type": "Full", "kubernetesVersion": AFTER},
            "nodeImageSelection": {"type": "Consistent"},
        },
        "updateStrategyName": STRATEGY,
    },
}
_CLUSTER = SimulatedCluster(
    kubernetes_version=BEFORE,
    pools=(SimulatedPool(name="system", nodes=3, node_image=f"{FAMILY}-{OLD_IMAGE}"),),
    control_plane_seconds=CONTROL_PLANE_SECONDS,
    seconds_per_node=SECONDS_PER_NODE,
)
MEMBERS: tuple[MemberSpec, ...] = tuple(msgspec.structs.replace(member, cluster=_CLUSTER) for member in DEFAULT_MEMBERS)
"""The members of the tutorial, each with nodes that can be upgraded."""

RELEASES = ReleaseCatalogSpec(
    kubernetes_versions=(KubernetesRelease(version=BEFORE), KubernetesRelease(version=AFTER)),
    node_images=(NodeImage(family=FAMILY, version=OLD_IMAGE), NodeImage(family=FAMILY, version=NEW_IMAGE)),
)
_UPGRADE = timedelta(seconds=CONTROL_PLANE_SECONDS + 3 * SECONDS_PER_NODE)
_NODES = Unstructured(Resource("", "v1", "nodes", "Node", namespaced=False))


class UpgradeFailed(Exception):
    """The run did not end as the demo shows; the message says how it did."""


async def play_upgrade(client: Client, members: Mapping[str, Client], console: Console, pause: float) -> None:
    """Upgrade the clusters of the demo and show it. Raises UpgradeFailed, or the ApiError of a request."""
    console.print()
    console.print(Text(f"Now the clusters: from Kubernetes {BEFORE} to {AFTER}, with new node images", style="bold"))
    await client.create(dict(ORDER))
    run = from_dict(UpdateRun, await client.create(dict(WANTED)))
    run = from_dict(UpdateRun, await until_taken_up(client, run))
    await _show_plan(client, run, console, pause)
    await asyncio.sleep(2 * pause)
    await _start(client, run, console, pause)
    await _show_members(members, console)
    console.print()
    console.print("[dim]$ kubectl get updateruns[/]")
    console.print(await server_table(client, UpdateRun.resource))


async def _show_plan(client: Client, run: UpdateRun, console: Console, pause: float) -> None:
    console.print(f"  UpdateStrategy {STRATEGY}: staging, then an approval, then canary, both at once", markup=False)
    console.print()
    console.print(f"[dim]$ echelon updaterun plan -n {RUN}[/]")
    planned = await preview_of(client, run, Assumed(_UPGRADE, timedelta(seconds=pause)), exists=True)
    now = local_now()
    item = schedule_tree(RUN, planned.preview, now)
    console.print(tree(item, now, title=_words(run), glyphs=glyphs_for(console)))


async def _start(client: Client, run: UpdateRun, console: Console, pause: float) -> None:
    console.print()
    console.print(f"[dim]$ echelon updaterun start -n {RUN}; echelon updaterun watch -n {RUN}[/]")
    await client.patch_object(run, started(run))
    async with asyncio.TaskGroup() as tasks:
        asked: set[str] = set()

        def approve(current: UpdateRun) -> None:
            for stage in current.status.stages:
                for gate in stage.after_gates:
                    if gate.state == "Pending" and gate.gate_name and gate.gate_name not in asked:
                        asked.add(gate.gate_name)
                        tasks.create_task(_approve(client, gate.gate_name, console, pause))

        _, item = await follow_run(client, RUN, console, Access(), on_change=approve)
    if item.state is not State.DONE:
        raise UpgradeFailed(f"the run {RUN} is {item.state}: {item.note}")


async def _approve(client: Client, name: str, console: Console, pause: float) -> None:
    await asyncio.sleep(pause)
    console.print("  approving the gate, as you would with echelon gate approve", markup=False)
    gate = await client.get(Gate, name)
    status = msgspec.structs.replace(gate.status, state="Completed", completed_by="the demo")
    await client.patch_status(gate, msgspec.structs.replace(gate, status=status))


async def _show_members(members: Mapping[str, Client], console: Console) -> None:
    """What the members themselves say they are; fails when it is not what they were to be."""
    shown = Text("  the members now:")
    for name, member in members.items():
        version = (await member.version()).git_version.partition("+")[0]
        nodes = await member.list(_NODES)
        kubelets = {node["status"]["nodeInfo"]["kubeletVersion"].partition("+")[0] for node in nodes.items}
        shown.append(f"  {name} ", style="dim").append(version, style="bold")
        if version != f"v{AFTER}" or kubelets != {version}:
            raise UpgradeFailed(f"want {name} and its nodes at v{AFTER}, found {version} and {sorted(kubelets)}")
    console.print(shown)


def _words(run: UpdateRun) -> str:
    return upgrade_words(to_dict(run.spec.managed_cluster_update))
