"""A hub and a member with a network between hub and agent, and a story that is told on them.

Both are API servers on sockets, the hub with the controllers of a hub, the member with an agent that is a whole
``AgentProcess`` with a token of its own. The story changes what is placed, step by step; ``effects`` are all the writes
that it made on the member. However the network behaves, they have to be those of an undisturbed run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson

from echelon import membership, placement
from echelon.agent.process import AgentProcess, HubByToken
from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import find_condition
from echelon.api.crds import manifests
from echelon.api.meta import SystemClock, from_dict
from echelon.apiserver import MASTERS, AccessOptions, ApiServer, Database, StaticTokens, User, serve, summarize
from echelon.kube import crds
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.credentials import StaticCredentials, bearer
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import Connection
from echelon.kube.manager import Manager
from echelon.placement import PlacementSettings

from .proxy import Network, network

MEMBER = "one"
NAMESPACE = names.member_namespace(MEMBER)
ACCOUNT = (NAMESPACE, names.AGENT_ACCOUNT)
PATIENCE = 60.0
Object = dict[str, Any]


class Clock:
    """The wall clock, which can be wrong."""

    def __init__(self) -> None:
        self.off = timedelta(0)

    def now(self) -> datetime:
        return SystemClock().now() + self.off


class Cluster:
    """An API server on a socket, which says in its answers what time it has."""

    def __init__(self, server: ApiServer, clock: Clock, changed: asyncio.Event) -> None:
        self.server = server
        self.clock = clock
        self.port = 0
        self.effects: list[tuple[str, str]] = []  # of the agent: what was written, and with which value
        server.objects.observe(lambda _: changed.set())
        self.admin = Client(AsgiTransport(server, headers={"Authorization": "Bearer admin"}), field_manager="admin")

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        for definition in self.server.registry.definitions():
            if definition.kind == kind and not definition.virtual:
                record = self.server.objects.bucket(definition).get(namespace, name)
                if record is not None:
                    return orjson.loads(record.value)
        return None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
                self._note(scope, message["status"])
            await send(message)

        await self.server(scope, receive, dated)

    def _note(self, scope: Any, status: int) -> None:
        method, path = scope["method"], scope["path"]
        if method != "GET" and status < 300 and "/configmaps" in path:
            self.effects.append((method, path.rpartition("/")[2]))


class Story:
    """What a test does to the clusters, and sees of them."""

    def __init__(self, hub: Cluster, member: Cluster, between: Network, folder: Path, changed: asyncio.Event) -> None:
        self.hub = hub
        self.member = member
        self.network = between
        self.token = folder / "token"
        self.clock = Clock()  # of the agent
        self.process: AgentProcess | None = None
        self._running: asyncio.Task[None] | None = None
        self._changed = changed

    # the agent

    async def start_agent(self) -> None:
        hub = HubByToken(url=f"http://127.0.0.1:{self.network.port}", token_file=self.token)
        member = Connection(f"http://127.0.0.1:{self.member.port}", credentials=StaticCredentials(bearer("agent")))
        self.process = AgentProcess(MEMBER, hub, member, clock=self.clock)
        self._running = asyncio.create_task(self.process.run())

    async def stop_agent(self) -> None:
        if self.process is not None and self._running is not None:
            self.process.stop()
            await self._running
        self.process = self._running = None

    async def give_token(self) -> None:
        """Put a new token where the agent has it from."""
        token = await self.hub.admin.issue_token(ACCOUNT, 3600)
        self.token.touch(mode=0o600)
        self.token.write_text(token)

    # the hub

    async def declare(self) -> None:
        """Make the member and the account of its agent."""
        identity = {"kind": "ServiceAccount", "name": names.AGENT_ACCOUNT, "namespace": NAMESPACE}
        version = MemberCluster.resource.api_version
        obj = {"apiVersion": version, "kind": "MemberCluster", "metadata": {"name": MEMBER}}
        await self.hub.admin.create(obj | {"spec": {"identity": identity, "heartbeatPeriodSeconds": 1}})
        await self.until(lambda: self.hub.find("InternalMemberCluster", MEMBER, NAMESPACE))
        metadata = {"name": names.AGENT_ACCOUNT, "namespace": NAMESPACE}
        await self.hub.admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        await self.give_token()

    async def place(self, name: str, value: str) -> None:
        """Have a Work place a ConfigMap of this value; made by hand, so that each change is one effect."""
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"key": value},
        }
        work = {
            "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
            "kind": "Work",
            "metadata": {"name": name, "namespace": NAMESPACE, "finalizers": [names.WORK_CLEANUP]},
            "spec": {"workload": {"manifests": [manifest]}},
        }
        await self.hub.admin.apply(work)

    async def remove(self, name: str) -> None:
        resource = await self.hub.admin.mapper.resource("placement.kubernetes-fleet.io/v1beta1", "Work")
        await self.hub.admin.delete(Unstructured(resource), (NAMESPACE, name))

    def is_placed(self, name: str, value: str) -> bool:
        """Whether it is there and the hub knows."""
        there, work = self.member.find("ConfigMap", name, "default"), self.hub.find("Work", name, NAMESPACE)
        if there is None or work is None or there["data"]["key"] != value:
            return False
        conditions = (work.get("status") or {}).get("conditions") or ()
        return any(
            each["type"] == "Available"
            and each["status"] == "True"
            and each["observedGeneration"] == work["metadata"]["generation"]
            for each in conditions
        )

    async def placed(self, name: str, value: str) -> None:
        await self.until(lambda: self.is_placed(name, value))

    async def gone(self, name: str) -> None:
        await self.until(
            lambda: (
                self.member.find("ConfigMap", name, "default") is None
                and self.hub.find("Work", name, NAMESPACE) is None
            )
        )

    def member_condition(self, type_: str) -> str:
        found = self.hub.find("MemberCluster", MEMBER)
        assert found is not None
        condition = find_condition(from_dict(MemberCluster, found).status.conditions, type_)
        return "" if condition is None else condition.status

    async def joined(self) -> None:
        await self.until(lambda: self.member_condition("Joined") == "True")

    async def until(self, holds: Callable[[], object], within: float = PATIENCE) -> None:
        """Wait until something is so, looking again at every change on hub or member."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not so within {within:g} s") from None


@asynccontextmanager
async def story(folder: Path, seed: int = 1) -> AsyncIterator[Story]:
    """Hub, member and network; the agent is not started yet."""
    changed = asyncio.Event()
    async with AsyncExitStack() as open_:
        hub = await open_.enter_async_context(_cluster("hub", folder, changed))
        member = await open_.enter_async_context(_cluster("member", folder, changed))
        await crds.install(hub.admin, [crd for crd in manifests() if "fleet.echelon" not in crd["spec"]["group"]])
        await crds.install(member.admin, [crd for crd in manifests() if crd["spec"]["names"]["kind"] == "AppliedWork"])
        between = await open_.enter_async_context(network(hub.port, seed))
        controllers = Client(AsgiTransport(hub.server, headers={"Authorization": "Bearer controllers"}))
        manager = Manager(controllers)
        membership.add_controllers(manager, hub.clock)
        placement.add_controllers(manager, PlacementSettings(snapshot_delay=0.05), hub.clock)
        running = asyncio.create_task(manager.run())
        told = Story(hub, member, between, folder, changed)
        try:
            await told.declare()
            yield told
        finally:
            between.heal()
            await told.stop_agent()
            manager.stop()
            await running
            await controllers.close()


@asynccontextmanager
async def _cluster(name: str, folder: Path, changed: asyncio.Event) -> AsyncIterator[Cluster]:
    database = Database.open(None, summarize=summarize)
    clock = Clock()
    users = {user: User(user, (MASTERS,)) for user in ("admin", "agent", "controllers")}
    server = ApiServer(
        database.keyspace(name),
        authenticator=StaticTokens(users),
        access=AccessOptions(signing_key=folder / f"{name}.key"),
        clock=clock,
    )
    await server.start()
    cluster = Cluster(server, clock, changed)
    http = await serve(cluster, before_stop=server.end_streams)
    cluster.port = http.port
    try:
        yield cluster
    finally:
        await cluster.admin.close()
        await http.stop()
        await server.close()
        await database.close()
