"""Members of a fleet whose hub is elsewhere: makes each a MemberCluster and runs its agent, as administrator.

    python tests/real/agents.py KUBECONFIG [NAME[:key=value,…]]...

The contexts of the kubeconfig are the hub and the members. It prints ``joined`` once all have, and ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from echelon.agent import Agent
from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.conditions import JOINED, find_condition
from echelon.api.core import RBAC, Namespace, Subject
from echelon.api.crds import manifests
from echelon.api.meta import KubeObject, ObjectMeta, SystemClock
from echelon.cli.logs import log_to_stderr
from echelon.kube import crds
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load

ADMIN = Subject(kind="User", name="admin", api_group=RBAC)


async def main(kubeconfig: Path, members: list[str]) -> None:
    hub = _client(kubeconfig, "hub")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    agents, clients = [], [hub]
    for member in members:
        name, _, labels = member.partition(":")
        at_member = _client(kubeconfig, name)
        await crds.install(at_member, [crd for crd in manifests() if crd["spec"]["names"]["kind"] == "AppliedWork"])
        metadata = ObjectMeta(name=name, labels=dict(label.split("=") for label in labels.split(",") if label))
        await hub.create(MemberCluster(metadata=metadata, spec=MemberClusterSpec(identity=ADMIN)))
        await _see(hub, Namespace, names.member_namespace(name))
        agent = Agent(name, _client(kubeconfig, "hub"), at_member, clock=SystemClock())
        clients.append(at_member)
        agents.append((agent, asyncio.create_task(agent.run())))
    for member in members:
        await _see(hub, MemberCluster, member.partition(":")[0], joined=True)
    print("joined", flush=True)
    await stopped.wait()
    for agent, _ in agents:
        agent.stop()
    await asyncio.wait([task for _, task in agents])
    for client in clients:
        await client.close()


def _client(kubeconfig: Path, context: str) -> Client:
    return Client(HttpTransport(load(kubeconfig, context=context)), field_manager=names.AGENT_MANAGER)


async def _see(client: Client, kind: type[KubeObject], name: str, *, joined: bool = False) -> None:
    """Wait until an object is there."""
    async with client.watch(kind, fields=f"metadata.name={name}", initial_events=True) as events:
        async for event in events:
            if event.object is not None and (not joined or _has_joined(event.object)):
                return


def _has_joined(obj: KubeObject) -> bool:
    assert isinstance(obj, MemberCluster)
    found = find_condition(obj.status.conditions, JOINED)
    return found is not None and found.status == "True"


if __name__ == "__main__":
    log_to_stderr(verbose=False)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
