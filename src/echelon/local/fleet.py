"""A whole fleet in one process: the hub, its controllers, and members with their agents.

What belongs to the fleet is read from the hub itself: every MemberCluster whose cluster resource id
is ``simulated://…`` gets a cluster and an agent here, whoever created it. So a start on data that is
there goes on where it was, and members may come and go while the fleet runs. A cluster whose member
has left is still served, with what was placed on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from echelon.agent import Agent
from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.conditions import JOINED, find_condition
from echelon.api.core import RBAC, RoleBinding, Subject
from echelon.api.crds import manifests
from echelon.api.meta import Clock, ObjectMeta, SystemClock
from echelon.api.upgrade import ReleaseCatalog, ReleaseCatalogSpec
from echelon.api.work import AppliedWork
from echelon.apiserver import AccessOptions, AuditLog, Database, User
from echelon.apiserver.metadata import Summary
from echelon.hub.controllers import ControllerSettings, add_controllers
from echelon.kube import crds
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request, Result, Watches
from echelon.kube.errors import NotFound
from echelon.kube.manager import Manager
from echelon.kube.rest import BeforeWrite
from echelon.local.cluster import EmbeddedCluster
from echelon.local.members import MemberSpec
from echelon.local.mount import Mounts, NameTaken
from echelon.local.naming import HUB, FleetNames
from echelon.local.rights import HUB_USER, give, hub_rights, member_rights, user_of
from echelon.local.simulations import Simulations
from echelon.placement import PlacementSettings
from echelon.upgrade import UpgradeSettings
from echelon.upgrade.providers import HubCatalogue, ProviderSettings
from echelon.upgrade.providers.contract import Provider
from echelon.upgrade.providers.simulated import SimulatedProvider

SIMULATED = "simulated://"
CATALOG = "default"
_JOIN_PATIENCE = 10.0  # seconds until a start that waits for members says so
_ON_MEMBERS = AppliedWork.resource.kind

log = structlog.get_logger(__name__)


class FleetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a fleet is run.

    ``keys`` is the folder of the keys that sign tokens of service accounts, one a cluster; without it,
    such tokens end with the process. ``client_authority`` (PEM) issues client certificates, which all
    clusters accept. ``names`` says what the clusters are called. ``before_write`` is called before each
    write of a client of the fleet (crash tests).
    """

    admin_token: str
    keys: Path | None = None
    client_authority: bytes | None = None
    audit: AuditLog | None = None
    placement: PlacementSettings = PlacementSettings()
    upgrade: UpgradeSettings = UpgradeSettings(max_status_bytes=4_000_000)  # enough for 10,000 members
    providers: ProviderSettings = ProviderSettings()
    before_write: BeforeWrite | None = None
    names: FleetNames = FleetNames()


class _RunningAgent(msgspec.Struct, frozen=True):
    """The agent of a member, as whom it is known on the hub, and its clients of hub and member."""

    agent: Agent
    task: asyncio.Task[None]
    identity: Subject
    hub: Client
    member: Client


class EmbeddedFleet:
    """Hub and members over one database."""

    def __init__(
        self,
        database: Database[Summary],
        options: FleetOptions,
        *,
        clock: Clock | None = None,
        mounts: Mounts | None = None,
    ) -> None:
        self._database = database
        self._options = options
        self._clock = clock or SystemClock()
        self.mounts = mounts or Mounts()
        self.clusters: dict[str, EmbeddedCluster] = {}
        self._agents: dict[str, _RunningAgent] = {}
        self._simulations = Simulations(self._watch_over, self._clock, options.before_write)
        self._manager: Manager | None = None
        self._running: asyncio.Task[None] | None = None
        self.on_cluster: Callable[[], None] = lambda: None
        self._failed: asyncio.Future[None] | None = None

    @property
    def hub(self) -> EmbeddedCluster:
        return self.clusters[HUB]

    async def start(self, members: Sequence[MemberSpec], catalogue: ReleaseCatalogSpec | None = None) -> None:
        """Bring everything up; returns once the hub's controllers run and these members have joined.

        With ``catalogue``, that is what there is to upgrade to from now on.
        """
        self._failed = asyncio.get_running_loop().create_future()
        self._simulations.first = {member.name: member.cluster for member in members if member.cluster is not None}
        hub = await self._start_cluster(HUB)
        known = map(self._options.names.cluster, self._database.keyspaces())
        await asyncio.gather(*(self._start_cluster(name) for name in known if name is not None and name != HUB))
        administrator = hub.administrator("echelon-up")
        await crds.install(administrator, manifests())
        await give(administrator, hub_rights())
        client = hub.client(User(HUB_USER), field_manager="echelon-hub", before_write=self._options.before_write)
        manager = self._manager = Manager(client)
        self._add_controllers(manager)
        manager.add(
            Controller(
                "embedded-members",
                self._reconcile_member,
                For(MemberCluster),
                Watches(RoleBinding, _member_of_binding),
                workers=8,
            )
        )
        self._running = self._watch_over(manager.run(), "hub controllers")
        if catalogue is not None:
            await _publish(administrator, catalogue)
        await self._declare(administrator, members)
        await self._wait_until_joined(administrator, {member.name for member in members})
        await hub.release(administrator)

    def _add_controllers(self, manager: Manager) -> None:
        """The controllers of any hub; and one provider more, which upgrades simulated members."""
        options, clock = self._options, self._clock
        settings = ControllerSettings(placement=options.placement, upgrade=options.upgrade, providers=options.providers)

        def simulated(catalogue: HubCatalogue) -> Mapping[str, Provider]:
            return {"simulated": SimulatedProvider(self._simulations.connect, catalogue, clock)}

        add_controllers(
            manager,
            settings,
            clock,
            agent_client=lambda: self._agent_client(self.hub, User(HUB_USER)),
            given=simulated,
        )

    async def wait(self) -> None:
        """Wait until a part of the fleet fails; raises what it failed with."""
        assert self._failed is not None
        await self._failed

    async def stop(self) -> None:
        """Stop agents and controllers, which finish what is under way; the clusters are still served."""
        for running in self._agents.values():
            running.agent.stop()
        if self._manager is not None:
            self._manager.stop()
        await self._simulations.stop()
        tasks = [running.task for running in self._agents.values()]
        if self._running is not None:
            tasks.append(self._running)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop everything; what was written stays."""
        await self.stop()
        for cluster in self.clusters.values():
            self.mounts.remove(cluster.served_as)
        await asyncio.gather(*(cluster.close() for cluster in self.clusters.values()))

    def end_streams(self) -> None:
        """End open watches of all clusters, so that their connections can be closed."""
        for cluster in self.clusters.values():
            cluster.server.end_streams()

    # clusters

    async def _start_cluster(self, name: str) -> EmbeddedCluster:
        cluster = EmbeddedCluster(
            name,
            self._database,
            names=self._options.names,
            admin_token=self._options.admin_token,
            access=self._access(self._options.names.keyspace(name)),
            audit=self._options.audit,
        )
        await cluster.start()
        try:
            self.mounts.add(cluster.served_as, cluster.server)
        except NameTaken:
            await cluster.close()
            raise
        self.clusters[name] = cluster
        self.on_cluster()
        return cluster

    def _access(self, keyspace: str) -> AccessOptions:
        keys = self._options.keys
        return AccessOptions(
            signing_key=None if keys is None else keys / f"service-accounts-{keyspace}.key",
            client_authority=self._options.client_authority,
        )

    def _watch_over(self, work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=what)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)

    # members

    async def _declare(self, client: Client, members: Sequence[MemberSpec]) -> None:
        """Create these members, or give them these labels and annotations if they are there."""
        for member in members:
            try:
                present = await client.get(MemberCluster, member.name)
            except NotFound:
                await client.create(_member_cluster(member))
                continue
            labels = {**present.metadata.labels, **member.labels}
            annotations = {**present.metadata.annotations, **member.annotations}
            metadata = msgspec.structs.replace(present.metadata, labels=labels, annotations=annotations)
            await client.patch_object(present, msgspec.structs.replace(present, metadata=metadata))

    async def _reconcile_member(self, request: Request) -> Result | None:
        """Run a cluster for each simulated member, and an agent from the moment it has its rights on the hub."""
        assert self._manager is not None
        name, cache = request.name, self._manager.cache
        member = cache.get(MemberCluster, request.key)
        running = self._agents.get(name)
        if member is None or (running is not None and running.identity != member.spec.identity):
            await self._stop_agent(name)
        if member is None or not _is_simulated(member.metadata.annotations):
            await self._simulations.end(name)
            return None
        cluster = self.clusters.get(name) or await self._start_cluster(name)
        await self._simulations.keep(cluster, member.metadata.annotations)
        if name in self._agents:
            return None
        binding = cache.get(RoleBinding, (names.member_namespace(name), names.member_role_binding(name)))
        if binding is not None and any(_is(subject, member.spec.identity) for subject in binding.subjects):
            await self._start_agent(cluster, member.spec.identity)
        return None

    async def _start_agent(self, cluster: EmbeddedCluster, identity: Subject) -> None:
        name = cluster.name
        administrator = cluster.administrator("echelon-up")
        await give(administrator, member_rights(agent_user(name)))
        await crds.install(
            administrator, [crd for crd in manifests() if crd["spec"]["names"]["kind"] == AppliedWork.resource.kind]
        )
        await cluster.release(administrator)
        hub = self._agent_client(self.hub, user_of(identity, agent_user(name)))
        member = self._agent_client(cluster, User(agent_user(name)))
        agent = Agent(name, hub, member, clock=self._clock)
        task = self._watch_over(agent.run(), f"agent of {name}")
        self._agents[name] = _RunningAgent(agent, task, identity, hub, member)
        log.info("member runs", member=name)

    def _agent_client(self, cluster: EmbeddedCluster, user: User) -> Client:
        return cluster.client(user, field_manager=names.AGENT_MANAGER, before_write=self._options.before_write)

    async def _stop_agent(self, name: str) -> None:
        if name in self._agents:
            running = self._agents.pop(name)
            running.agent.stop()
            await asyncio.wait([running.task])
            await self.hub.release(running.hub)
            await self.clusters[name].release(running.member)
            log.info("member has left", member=name)

    async def _wait_until_joined(self, client: Client, members: set[str]) -> None:
        """Wait, however long it takes; whoever waits is told after a while for whom."""
        waiting = set(members)
        loop = asyncio.get_running_loop()
        told = loop.call_later(
            _JOIN_PATIENCE, lambda: log.warning("still waiting for members", members=sorted(waiting))
        )
        try:
            while waiting:
                async with client.watch(MemberCluster, initial_events=True) as watch:
                    async for event in watch:
                        if event.object is not None and _has_joined(event.object):
                            waiting.discard(event.object.metadata.name)
                        if not waiting:
                            break
        finally:
            told.cancel()


def _has_joined(member: MemberCluster) -> bool:
    joined = find_condition(member.status.conditions, JOINED)
    return joined is not None and joined.status == "True"


async def _publish(client: Client, catalogue: ReleaseCatalogSpec) -> None:
    """Make the catalogue of the hub this one."""
    wanted = ReleaseCatalog(metadata=ObjectMeta(name=CATALOG), spec=catalogue)
    try:
        present = await client.get(ReleaseCatalog, CATALOG)
    except NotFound:
        await client.create(wanted)
        return
    await client.patch_object(present, msgspec.structs.replace(present, spec=catalogue))


def agent_user(member: str) -> str:
    """The name by which the agent of an embedded member is known."""
    return f"system:fleet-agent:{member}"


def _member_of_binding(binding: RoleBinding) -> Iterable[Request]:
    member = names.member_of_namespace(binding.metadata.namespace)
    return () if member is None else (Request("", member),)


def _is(subject: Subject, identity: Subject) -> bool:
    """Whether a subject, whose API group may have been filled in, is this one."""
    return (subject.kind, subject.namespace, subject.name) == (identity.kind, identity.namespace, identity.name)


def _is_simulated(annotations: Mapping[str, str]) -> bool:
    return annotations.get(names.CLUSTER_RESOURCE_ID, "").startswith(SIMULATED)


def _member_cluster(member: MemberSpec) -> MemberCluster:
    identity = Subject(kind="User", name=agent_user(member.name), api_group=RBAC)
    return MemberCluster(
        metadata=ObjectMeta(
            name=member.name,
            labels=member.labels,
            annotations={names.CLUSTER_RESOURCE_ID: SIMULATED + member.name, **member.annotations},
        ),
        spec=MemberClusterSpec(identity=identity),
    )
