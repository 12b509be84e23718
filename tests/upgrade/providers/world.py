"""A hub and simulated members, each an embedded API server, with the parts that work on them run, killed and rerun.

Everything is in virtual time. ``until`` waits for what a test expects, woken by every change on the hub or a member.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import RBAC, ConfigMap, Node, Subject
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeStatus, ReleaseCatalog
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User
from echelon.kube.asgi import AsgiTransport
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.manager import Manager
from echelon.kube.patches import MergePatch
from echelon.kube.rest import BeforeWrite
from echelon.local.rights import PROVIDER_USER, SIMULATION_USER, give, simulation_rights
from echelon.local.simulation import SimulatedCluster, SimulatedPool, Simulation, served_version
from echelon.upgrade import providers
from echelon.upgrade.catalogue import Catalogue, read_catalogue
from echelon.upgrade.providers import HubCatalogue, ProviderSettings
from echelon.upgrade.providers.contract import Progress, Provider
from echelon.upgrade.providers.simulated import SimulatedProvider, platform

from ..hub import Hub, LoopClock

IMAGE = "AKSUbuntu-2204gen2containerd"
OLD, COMMON, NEW = (f"{IMAGE}-{version}" for version in ("202410.01.0", "202410.15.0", "202411.03.0"))
VERSIONS = {"1.30.0": [], "1.30.4": [], "1.31.1": [], "1.32.0": []}
IMAGES = {OLD: [], COMMON: [], NEW: ["eastus"]}
WITHIN = 600.0

CLUSTER = SimulatedCluster(
    region="eastus",
    kubernetes_version="1.30.0",
    pools=(SimulatedPool(name="system", nodes=1, node_image=OLD), SimulatedPool(name="user", nodes=2, node_image=OLD)),
    control_plane_seconds=60.0,
    seconds_per_node=10.0,
)


class Killed(BaseException):
    """The end of a process."""


class KillAt:
    """Ends the process at its ``write``-th write, before that is sent; ``write`` 0 never."""

    def __init__(self, write: int) -> None:
        self._left = write

    def __call__(self, method: str, path: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


class SimulatedMember:
    """The API server of a member, and its simulation."""

    def __init__(self, name: str, server: ApiServer) -> None:
        self.name = name
        self.server = server
        self.clock = LoopClock()
        self.admin = self.client()
        self.changed = asyncio.Event()
        self._view = SharedCache(self.admin)
        self.replacements: list[str] = []
        """The nodes that came back with another version or image, in order."""

    def client(self, before_write: BeforeWrite | None = None, user: str = "admin") -> Client:
        transport = AsgiTransport(self.server, headers={"Authorization": f"Bearer {user}"})
        return Client(transport, before_write=before_write)

    async def view(self, changed: Callable[[], None]) -> None:
        self._view.informer(Node).add_handler(lambda change: self._seen(change.old, change.new))
        for kind in (Node, ConfigMap):
            self._view.informer(kind).add_handler(lambda _: changed())
        await self._view.run()

    def _seen(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and old.status.node_info != new.status.node_info:
            self.replacements.append(new.metadata.name)

    @property
    def nodes(self) -> dict[str, Node]:
        return {node.metadata.name: node for node in sorted(self._view.list(Node), key=lambda node: node.key)}

    @property
    def kubelets(self) -> list[str]:
        return [node.status.node_info.kubelet_version for node in self.nodes.values()]

    @property
    def images(self) -> list[str]:
        return [node.metadata.labels[names.NODE_IMAGE] for node in self.nodes.values()]

    @property
    def cordoned(self) -> list[str]:
        return [name for name, node in self.nodes.items() if node.spec.unschedulable]

    @property
    def operations(self) -> list[str]:
        maps = self._view.list(ConfigMap)
        return sorted(found.metadata.name for found in maps if found.metadata.name.startswith("simulated-operation-"))

    def progress(self, operation: str) -> Progress:
        found = self._view.get(ConfigMap, (platform.NAMESPACE, operation))
        assert found is not None
        return platform.read_operation(found).progress

    @property
    def is_set_up(self) -> bool:
        return self._view.get(ConfigMap, (platform.NAMESPACE, platform.CLUSTER)) is not None

    async def version(self) -> str:
        return (await self.admin.version()).git_version

    async def edit(self, **data: str) -> None:
        """Change the ConfigMap of the cluster, as a user does."""
        await self.admin.patch(ConfigMap, (platform.NAMESPACE, platform.CLUSTER), MergePatch({"data": data}))

    @asynccontextmanager
    async def simulated(
        self, cluster: SimulatedCluster | None = None, kill: KillAt | None = None
    ) -> AsyncIterator[None]:
        """Simulate until the end of the block. A simulation that is killed is begun anew at once."""

        async def run() -> None:
            fault: KillAt | None = kill
            while True:
                client = self.client(fault, SIMULATION_USER)
                simulation = Simulation(self.name, client, self.clock)
                try:
                    await simulation.set_up(cluster)
                    await simulation.run()
                except Killed:
                    fault = None
                finally:
                    await client.close()

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Wrapped:
    """A provider that passes everything on; subclasses change something."""

    def __init__(self, inner: Provider) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class World:
    """The hub, and its members by name."""

    def __init__(self, hub: Hub, database: Database[Any]) -> None:
        self.hub = hub
        self.members: dict[str, SimulatedMember] = {}
        self.unreachable: set[str] = set()
        self._database = database
        self._tasks: list[asyncio.Task[None]] = []

    def catalogue(self) -> Catalogue:
        """What there is to upgrade to now."""
        return read_catalogue(self.hub.all(ReleaseCatalog), self.hub.clock.now())

    async def join(self, name: str = "member1") -> SimulatedMember:
        """A member whose cluster is new; its simulation is to be run."""
        keyspace = self._database.keyspace(name)
        users = {name: User(name) for name in (SIMULATION_USER, PROVIDER_USER)}
        tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,)), **users})
        server = ApiServer(
            keyspace, authenticator=tokens, clock=LoopClock(), git_version=served_version(keyspace, "v1.30.0")
        )
        await server.start()
        member = self.members[name] = SimulatedMember(name, server)
        await give(member.admin, simulation_rights())
        self._tasks.append(asyncio.create_task(member.view(self.hub.look_again)))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.member_namespace(name)}}
        await self.hub.admin.create(namespace)
        await self.hub.admin.create(
            MemberCluster(
                metadata=ObjectMeta(name=name, annotations={names.CLUSTER_RESOURCE_ID: f"simulated://{name}"}),
                spec=MemberClusterSpec(identity=Subject(kind="User", name=name, api_group=RBAC)),
            )
        )
        return member

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members.values():
            await member.admin.close()
            await member.server.close()

    @asynccontextmanager
    async def provided(
        self,
        settings: ProviderSettings | None = None,
        kill: KillAt | None = None,
        wrap: Callable[[Provider], Provider] = lambda provider: provider,
    ) -> AsyncIterator[None]:
        """Run the controller until the end of the block. One that is killed is begun anew at once."""

        async def run() -> None:
            await self._provide_once(settings or ProviderSettings(), kill, wrap)
            while True:
                await self._provide_once(settings or ProviderSettings(), None, wrap)

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _provide_once(
        self, settings: ProviderSettings, kill: KillAt | None, wrap: Callable[[Provider], Provider]
    ) -> None:
        """One life of the controller's process; returns when it is killed."""
        client = self.hub.client("controllers", kill)
        manager = Manager(client)
        clients = {name: found.client(kill, PROVIDER_USER) for name, found in self.members.items()}
        catalogue = HubCatalogue(manager.cache, self.hub.clock)

        def connect(name: str) -> Client | None:
            return None if name in self.unreachable else clients.get(name)

        provider = wrap(SimulatedProvider(connect, catalogue, self.hub.clock))
        providers.add_controllers(manager, {"simulated": provider}, catalogue, settings, self.hub.clock)
        try:
            await manager.run()
        except Killed:
            return
        finally:
            for found in (client, *clients.values()):
                await found.close()

    # what a run does, and sees

    async def upgrade(
        self,
        type_: str = "Full",
        version: str | None = "1.30.4",
        *images: str,
        member: str = "member1",
        name: str = "run-1",
        **spec: Any,
    ) -> None:
        """Ask for the upgrade of a member."""
        upgrade = {"type": type_} | ({"kubernetesVersion": version} if version else {})
        content = {
            "upgrade": upgrade,
            "nodeImageVersions": [{"version": image} for image in images],
            "updateRun": "run",
            "attempt": 1,
            **spec,
        }
        await self.hub.admin.create(
            {
                "apiVersion": "fleet.echelon.dev/v1alpha1",
                "kind": "ClusterUpgrade",
                "metadata": {"name": name, "namespace": names.member_namespace(member)},
                "spec": content,
            }
        )

    def find(self, member: str = "member1", name: str = "run-1") -> ClusterUpgrade | None:
        return self.hub.find(ClusterUpgrade, (names.member_namespace(member), name))

    def status(self, member: str = "member1", name: str = "run-1") -> ClusterUpgradeStatus:
        found = self.find(member, name)
        return ClusterUpgradeStatus() if found is None else found.status

    async def until(self, holds: Callable[[], object], within: float = WITHIN) -> None:
        await self.hub.until(holds, within)

    async def ended(self, state: str = "Completed", member: str = "member1", within: float = WITHIN) -> None:
        """Wait until an upgrade has ended, in this state."""
        await self.until(lambda: self.status(member).state in ("Completed", "Skipped", "Failed"), within)
        assert self.status(member).state == state, self.status(member)

    async def annotate(self, member: str, **annotations: str | None) -> None:
        notes = {f"fleet.echelon.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        await self.hub.admin.patch(MemberCluster, member, MergePatch({"metadata": {"annotations": notes}}))
