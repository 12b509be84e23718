"""An idle hub with 1,000 members that send a heartbeat a minute, each over connections of its own.

The hub is a process of its own, as ``echelon up`` starts it. This process stands for the agents: for each
member it watches the member's namespace as an agent does, over TLS, and reports at the member's moment of
the minute.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bench.figures import Figure, emit
from bench.hubs import hub
from bench.served import Process, raise_file_limit
from echelon.api import names
from echelon.api.cluster import (
    MEMBER_AGENT,
    AgentStatus,
    InternalMemberCluster,
    MemberCluster,
    MemberClusterSpec,
)
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Condition, ObjectMeta, SystemClock, format_time
from echelon.api.work import Work
from echelon.cli.loop import run
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load

MEMBERS = 1000
PERIOD = 60.0
SETTLING = 70.0
MEASURED = 120.0
_AT_ONCE = 32


async def measure(data: Path, process: Process) -> list[Figure]:
    loop = asyncio.get_running_loop()
    client = Client(HttpTransport(load(data / "kubeconfig", context="hub")))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        began = loop.time()
        await _join(client)
        joined = loop.time() - began
        tasks = [asyncio.create_task(_agent(client, number)) for number in range(MEMBERS)]
        await asyncio.sleep(SETTLING)
        before = process.cpu()
        await asyncio.sleep(MEASURED)
        used = (process.cpu() - before) / MEASURED * 100
        memory = process.memory() / 1e6
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for problem in ended:
            if isinstance(problem, Exception):
                raise problem
    return [
        Figure("1,000 members of agents elsewhere join", joined, "s"),
        Figure("idle hub, 1,000 members, 60 s heartbeats: processor", used, "% of a core", 10.0),
        Figure("idle hub, 1,000 members, 60 s heartbeats: memory", memory, "MB", 400.0),
    ]


def _name(number: int) -> str:
    return f"member-{number:04d}"


async def _join(client: Client) -> None:
    """Declare all members and report for each until the hub says that it has joined."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def declare(number: int) -> None:
        async with places:
            identity = Subject(kind="User", name=f"agent-{number}", api_group=RBAC)
            await client.create(
                MemberCluster(metadata=ObjectMeta(name=_name(number)), spec=MemberClusterSpec(identity=identity))
            )

    await asyncio.gather(*(declare(number) for number in range(MEMBERS)))
    waiting = {_name(number) for number in range(MEMBERS)}
    async with asyncio.TaskGroup() as reports, client.watch(InternalMemberCluster, initial_events=True) as watch:
        async for event in watch:
            found = event.object
            if found is not None and found.metadata.name in waiting:
                waiting.discard(found.metadata.name)
                reports.create_task(_report(client, found, places))
            if not waiting:
                break
    left = {_name(number) for number in range(MEMBERS)}
    async with client.watch(MemberCluster, initial_events=True) as members:
        async for change in members:
            joined = None if change.object is None else find_condition(change.object.status.conditions, JOINED)
            if change.object is not None and joined is not None and joined.status == "True":
                left.discard(change.object.metadata.name)
            if not left:
                return


async def _report(client: Client, internal: InternalMemberCluster, places: asyncio.Semaphore) -> InternalMemberCluster:
    """What an agent says once a period."""
    now = SystemClock().now()
    agent = next((each for each in internal.status.agent_status if each.type == MEMBER_AGENT), None)
    if agent is None:
        conditions = tuple(
            Condition(type_, "True", "Bench", "", format_time(now), internal.metadata.generation)
            for type_ in (JOINED, HEALTHY)
        )
        agent = AgentStatus(type=MEMBER_AGENT, conditions=conditions)
    agent = msgspec.structs.replace(agent, last_received_heartbeat=format_time(now))
    status = msgspec.structs.replace(internal.status, agent_status=(agent,))
    async with places:
        return await client.patch_status(internal, msgspec.structs.replace(internal, status=status))


async def _agent(client: Client, number: int) -> None:
    """Watch and report for one member until it is ended."""
    name, namespace = _name(number), names.member_namespace(_name(number))
    places = asyncio.Semaphore(1)
    await asyncio.sleep(number / MEMBERS * PERIOD)
    async with asyncio.TaskGroup() as tasks:
        for kind in (Work, InternalMemberCluster):
            tasks.create_task(_watch(client, kind, namespace))
        internal = await client.get(InternalMemberCluster, (namespace, name))
        while True:
            internal = await _report(client, internal, places)
            await asyncio.sleep(PERIOD)


async def _watch(client: Client, kind: type[Work] | type[InternalMemberCluster], namespace: str) -> None:
    while True:
        async with client.watch(kind, namespace=namespace, initial_events=True) as watch:
            async for _ in watch:
                pass


def main() -> None:
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with hub(data, ["own"]) as running:
            emit(run(measure(data, running.process)))


if __name__ == "__main__":
    main()
