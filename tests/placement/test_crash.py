"""Kill the hub's controllers, or an agent, at every write of a staged run: it ends as if nothing had happened.

The process dies where a write would have been sent, and another one starts on what the hub holds. What
is compared is what users see of run, placement, bindings and Works, and what reached the members.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from echelon.agent import Agent
from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, InternalMemberClusterSpec
from echelon.api.meta import ObjectMeta, Resource, to_dict
from echelon.api.policy import PlacementPolicy
from echelon.api.work import AppliedWork, Work
from echelon.apiserver import ApiServer
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured
from echelon.kube.rest import BeforeWrite
from echelon.placement.scope import CLUSTER

from .agents import FakeAgents
from .hub import APPROVAL, Hub, RecordingTransport, Stored, Written, running_server, stage

MEMBERS = {"a": "one", "b": "two", "c": "two"}
CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))


class Killed(BaseException):
    """The end of a process."""


class FaultPoint:
    """Ends the process in place of its n-th write (from 0), and of every write that was under way beside it."""

    def __init__(self, position: int) -> None:
        self._left = position

    @property
    def hit(self) -> bool:
        return self._left < 0

    def __call__(self, method: str, path: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed(f"{method} {path}")


@asynccontextmanager
async def controllers_that_die(hub: Hub, fault: FaultPoint) -> AsyncIterator[None]:
    """Controllers that die at the fault point; when they do, others take over."""

    async def watch_over(working: asyncio.Task[None]) -> None:
        await asyncio.wait({working})
        assert isinstance(working.exception(), Killed)
        await hub.start_controllers()

    working = await hub.start_controllers(before_write=fault)
    watching = asyncio.create_task(watch_over(working))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await hub.stop_controllers()


async def snapshot(hub: Hub, number: int) -> None:
    await hub.configure(f"content {number}")
    await hub.until(lambda: hub.masters().get(f"web-{number}-snapshot") == "true")
    await hub.pass_time(3)


async def roll_out(hub: Hub, number: int) -> None:
    """One run to its end, as a user sees it."""
    name = f"run-{number}"
    await hub.start(name, index=str(number))
    await hub.approve(f"{name}-before-two")
    await hub.succeeded(name)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(3)


def outcome(hub: Hub, number: int) -> Mapping[str, Any]:
    """What users see in the end, without what names the run, its snapshot or the time."""
    run = hub.run(f"run-{number}")
    approval = hub.get(CLUSTER.approval, f"run-{number}-before-two")
    return {
        f"{obj.resource.kind} {obj.metadata.name.replace(run.metadata.name, 'RUN')}": _plain(to_dict(obj), number)
        for obj in (run, approval, hub.placement(), *hub.bindings(), *hub.all(Work))
    }


_LEFT_OUT = {"uid", "resourceVersion", "generation", "creationTimestamp", "observedGeneration", "managedFields"}
_LEFT_OUT |= {"startTime", "endTime", "lastTransitionTime", names.UPDATE_RUN_UID}


def _plain(value: Any, number: int) -> Any:
    match value:
        case dict():
            return {key: _plain(item, number) for key, item in value.items() if key not in _LEFT_OUT}
        case list():
            return [_plain(item, number) for item in value]
        case str() if value == str(number):
            return "INDEX"
        case str():
            for text in (f"run-{number}", f"web-{number}-snapshot", f"content {number}", f"Index: {number},"):
                value = value.replace(text, text.replace(str(number), "INDEX"))
    return value


async def test_the_hub_dies_at_every_write(bare_hub: Hub, agents: FakeAgents) -> None:
    hub = bare_hub
    await hub.start_controllers()
    for name, environment in MEMBERS.items():
        await hub.join(name, env=environment)
    await hub.place()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await snapshot(hub, 1)
    await roll_out(hub, 1)
    undisturbed = outcome(hub, 1)
    fault, position = FaultPoint(0), 0
    while position == 0 or fault.hit:
        fault, number = FaultPoint(position), position + 2
        await snapshot(hub, number)
        await hub.stop_controllers()
        before = len(agents.effects)
        async with controllers_that_die(hub, fault):
            await roll_out(hub, number)
        assert outcome(hub, number) == undisturbed, f"killed at write {position}"
        reached = sorted((effect.member, effect.index) for effect in agents.effects[before:])
        assert reached == [(member, str(number)) for member in MEMBERS], f"killed at write {position}"
        await hub.start_controllers()
        position += 1
    assert position > 20


async def live_and_die(hub: Hub) -> None:
    """The whole life of a placement: a rollout, a member that is no longer selected, a rollout, the end."""
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "c")))
    await hub.start("first")
    await hub.succeeded("first")
    await hub.edit(CLUSTER.placement, "web", {"spec": {"policy": {"clusterNames": ["a"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Bound", "c": "Unscheduled"})
    await hub.start("second")
    await hub.succeeded("second")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert hub.bound_to() == {"a": "Bound"}
    assert not hub.works("c")
    for run in ("first", "second"):
        await hub.delete(CLUSTER.run, run)
    await hub.delete(CLUSTER.placement, "web")
    await hub.until(lambda: hub.find(CLUSTER.placement, "web") is None and not hub.all(CLUSTER.run))
    await hub.pass_time(3)


async def test_the_hub_dies_at_every_write_of_a_placement(bare_hub: Hub, agents: FakeAgents) -> None:
    hub = bare_hub
    for name in ("a", "c"):
        await hub.join(name)
    await hub.configure("content")
    await hub.plan(stage("all", concurrency=2))
    fault, position = FaultPoint(0), 0
    while position == 0 or fault.hit:
        fault = FaultPoint(position)
        before = len(agents.effects)
        async with controllers_that_die(hub, fault):
            await live_and_die(hub)
            made = (CLUSTER.binding, CLUSTER.snapshot, CLUSTER.policy_snapshot, Work)
            assert [hub.all(kind) for kind in made] == [[]] * len(made), f"killed at write {position}"
        reached = sorted(effect.member for effect in agents.effects[before:])
        assert reached == ["a", "c"], f"killed at write {position}"
        for member in ("a", "c"):
            await hub.beat(member)
        position += 1
    assert position > 30


class Member:
    """A member with a cluster of its own and a real agent."""

    def __init__(self, hub: Hub, server: ApiServer) -> None:
        self.writes: list[Written] = []
        self._hub = hub
        self._server = server
        self._clients: list[Client] = []
        self.admin = self._client(server)

    def _client(self, server: ApiServer, before_write: BeforeWrite | None = None) -> Client:
        transport = (
            RecordingTransport(server, "agents", self.writes)
            if server is self._server
            else AsgiTransport(server, headers={"Authorization": "Bearer agents"})
        )
        client = Client(transport, before_write=before_write)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    @asynccontextmanager
    async def agent(self, before_write: FaultPoint) -> AsyncIterator[None]:
        """An agent that dies at the fault point; when it does, another one takes over."""
        current: list[Agent] = []

        async def run() -> None:
            fault: FaultPoint | None = before_write
            while True:
                hub, member = self._client(self._hub.server, fault), self._client(self._server, fault)
                current.append(Agent("a", hub, member, clock=self._hub.clock, rng=Random(1)))
                try:
                    return await current[-1].run()
                except Killed:
                    fault = None

        running = asyncio.create_task(run())
        try:
            yield
        finally:
            current[-1].stop()
            await running

    async def content(self, name: str) -> str | None:
        try:
            found = await self.admin.get(CONFIG_MAPS, ("app", name))
        except NotFound:
            return None
        text: str = found["data"]["key"]
        return text


async def test_an_agent_dies_at_every_write(bare_hub: Hub, definitions: Stored) -> None:
    """What is rolled out in turn changes one object, and adds or removes another."""
    hub = bare_hub
    await hub.join("a", env="one")
    await hub.admin.create(
        InternalMemberCluster(
            metadata=ObjectMeta(name="a", namespace=names.member_namespace("a")),
            spec=InternalMemberClusterSpec(state="Join"),
        )
    )
    await hub.place()
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await hub.start_controllers()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    async with running_server(definitions) as server:
        member = Member(hub, server)
        fault, position = FaultPoint(0), -1
        while position < 3 or fault.hit:
            fault, number = FaultPoint(max(0, position)), position + 2
            await _change(hub, number)
            before = len(member.writes)
            async with member.agent(fault):
                await hub.start(f"run-{number}", index=str(number))
                await hub.succeeded(f"run-{number}")
                await hub.pass_time(10)
            assert await member.content("settings") == f"content {number}"
            assert await member.content("extra") == ("more" if number % 2 else None)
            written = [w for w in member.writes[before:] if "/configmaps" in w.path and w.status < 300]
            assert len(written) == 2, f"killed at write {position}: {written}"
            position += 1
        applied = await member.admin.list(AppliedWork)
        assert [work.metadata.name for work in applied.items] == ["web-work"]
        await member.close()
    assert position >= 5


async def _change(hub: Hub, number: int) -> None:
    if number % 2:
        await hub.configure("more", "extra")
    else:
        await hub.admin.delete(CONFIG_MAPS, ("app", "extra"))
    await snapshot(hub, number)
