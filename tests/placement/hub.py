"""A hub to test controllers on: an embedded API server, its users, and agents that answer.

Everything runs on the loop of the test in virtual time, the clock included, so nothing is ever
waited for in earnest. ``until`` waits for what a test expects, woken by every change on the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson

from echelon.api import names
from echelon.api.cluster import MEMBER_AGENT, AgentStatus, MemberCluster, MemberClusterSpec, Taint
from echelon.api.conditions import APPROVED, HEALTHY, JOINED, find_condition
from echelon.api.core import RBAC, Subject
from echelon.api.crds import manifests
from echelon.api.meta import Condition, KubeObject, LabelSelector, ObjectMeta, format_time
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    ResourceOverride,
    ResourceOverrideSnapshot,
)
from echelon.api.placement import ApplyStrategy, PlacementSpec, ResourceSelector, RolloutStrategy
from echelon.api.policy import PlacementPolicy
from echelon.api.staged import (
    ApprovalRequestStatus,
    StageConfig,
    StageTask,
    UpdateRunSpec,
    UpdateRunStatus,
    UpdateStrategySpec,
)
from echelon.api.work import Work
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.kube import crds
from echelon.kube.asgi import AsgiTransport
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, Unreachable
from echelon.kube.kinds import Unstructured
from echelon.kube.manager import Manager
from echelon.kube.metrics import RECONCILES
from echelon.kube.patches import MergePatch
from echelon.kube.rest import BeforeWrite
from echelon.kube.transport import EMPTY, Response
from echelon.placement import PlacementSettings, add_controllers
from echelon.placement.scope import CLUSTER, NAMESPACED, Approval, Binding, Placement, Run, Scope

K = TypeVar("K", bound=KubeObject)

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
GROUPS = ("placement.kubernetes-fleet.io", "cluster.kubernetes-fleet.io")
USERS = ("admin", "controllers", "agents")
WITHIN = 120.0  # virtual seconds after which what is waited for will not come


class LoopClock:
    """The time of the running loop as a moment of the day."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class Written(NamedTuple):
    """A write as the server saw it."""

    user: str
    method: str
    path: str
    status: int


class RecordingTransport(AsgiTransport):
    """Notes each write and how it was answered; loses the answers that ``loses`` says."""

    def __init__(
        self, server: ApiServer, user: str, writes: list[Written], loses: Callable[[Written], bool] = lambda _: False
    ) -> None:
        super().__init__(server, headers={"Authorization": f"Bearer {user}"})
        self._user = user
        self._writes = writes
        self._loses = loses

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        response = await super().request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        if method != "GET":
            written = Written(self._user, method, path, response.status)
            self._writes.append(written)
            if self._loses(written):
                raise Unreachable("the answer was lost")
        return response


Stored = Sequence[tuple[str, str, Mapping[str, Any]]]
_DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"


def fleet_definitions() -> Stored:
    """The definitions of the fleet's kinds as an API server stores them; installing them takes its time."""

    async def install() -> Stored:
        database = Database.open(None, summarize=summarize)
        server = new_server(database)
        await server.start()
        client = Client(AsgiTransport(server, headers={"Authorization": "Bearer admin"}))
        await crds.install(client, [crd for crd in manifests() if crd["spec"]["group"] in GROUPS])
        records = database.keyspace("hub").bucket(_DEFINITIONS).list()
        stored = [(record.key.namespace, record.key.name, orjson.loads(record.value)) for record in records]
        await client.close()
        await server.close()
        await database.close()
        return stored

    return asyncio.run(install())


def new_server(database: Database[Any]) -> ApiServer:
    tokens = StaticTokens({user: User(user, groups=(MASTERS,)) for user in USERS})
    return ApiServer(database.keyspace("hub"), authenticator=tokens, clock=LoopClock())


@asynccontextmanager
async def running_server(definitions: Stored) -> AsyncIterator[ApiServer]:
    """An API server in memory that serves the fleet's kinds."""
    database = Database.open(None, summarize=summarize)
    bucket = database.keyspace("hub").bucket(_DEFINITIONS)
    for namespace, name, value in definitions:
        await bucket.put(namespace, name, lambda revision, value=value: _at(value, revision), expected=0)
    server = new_server(database)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
        await database.close()


def _at(value: Mapping[str, Any], revision: int) -> bytes:
    return orjson.dumps({**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}})


class Hub:
    """What the tests of controllers do to a hub, and see of it.

    ``scope`` chooses the kinds; objects of the namespaced scope live in the namespace ``app``, whose
    content is what placements select.
    """

    def __init__(self, server: ApiServer, scope: Scope = CLUSTER) -> None:
        self.scope = scope
        self.namespace = "app" if scope is NAMESPACED else ""
        self.clock = LoopClock()
        self.writes: list[Written] = []
        self.loses: Callable[[Written], bool] = lambda _: False
        self.server = server
        self.admin = self.client("admin")
        self._view = SharedCache(self.admin)
        self._changed = asyncio.Event()
        self._viewing: asyncio.Task[None] | None = None
        self._manager: Manager | None = None
        self._working: asyncio.Task[None] | None = None
        self._clients: list[Client] = [self.admin]

    def client(self, user: str, before_write: BeforeWrite | None = None) -> Client:
        transport = RecordingTransport(self.server, user, self.writes, lambda written: self.loses(written))
        return Client(transport, before_write=before_write)

    async def open(self) -> None:
        for kind in self._kinds():
            self._view.informer(kind).add_handler(lambda _: self._changed.set())
        self._viewing = asyncio.create_task(self._view.run())
        await self._view.wait_for_sync()
        await self.create("v1", "Namespace", "app")

    def _kinds(self) -> Sequence[type[KubeObject]]:
        scope = self.scope
        return (
            *(scope.placement, scope.policy_snapshot, scope.snapshot, scope.binding),
            *(scope.run, scope.strategy, scope.approval, MemberCluster, Work),
            *(ClusterResourceOverride, ResourceOverride),
            *(ClusterResourceOverrideSnapshot, ResourceOverrideSnapshot),
        )

    async def close(self) -> None:
        await self.stop_controllers()
        if self._viewing is not None:
            self._viewing.cancel()
            await asyncio.wait([self._viewing])
        for client in self._clients:
            await client.close()

    # controllers

    async def start_controllers(
        self, settings: PlacementSettings | None = None, before_write: BeforeWrite | None = None
    ) -> asyncio.Task[None]:
        """Run the placement controllers, as one process; the task ends when that does."""
        client = self.client("controllers", before_write)
        self._clients.append(client)
        self._manager = Manager(client)
        add_controllers(self._manager, settings or PlacementSettings(), self.clock)
        self._working = asyncio.create_task(self._manager.run())
        ready = asyncio.create_task(self._manager.wait_until_ready())
        await asyncio.wait([self._working, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._working

    async def stop_controllers(self) -> None:
        if self._manager is not None and self._working is not None and not self._working.done():
            self._manager.stop()
            await self._working
        self._manager = self._working = None

    # seeing

    async def until(self, holds: Callable[[], object], within: float = WITHIN) -> None:
        """Wait until something is so, looking again at every change on the hub."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not so within {within:g} s; the hub holds\n{self.describe()}") from None

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by; whatever is due happens."""
        await asyncio.sleep(seconds)

    def describe(self) -> str:
        """What is on the hub, for those who read why a test failed."""
        return "\n".join(
            f"{kind.__name__} {'/'.join(obj.key)} {_brief(obj)}" for kind in self._kinds() for obj in self.all(kind)
        )

    def find(self, kind: type[K], name: str) -> K | None:
        return self._view.get(kind, (self.namespace if kind.resource.namespaced else "", name))

    def get(self, kind: type[K], name: str) -> K:
        found = self.find(kind, name)
        assert found is not None, f"no {kind.__name__} {name}"
        return found

    def all(self, kind: type[K]) -> list[K]:
        return sorted(self._view.list(kind), key=lambda obj: obj.key)

    def placement(self, name: str = "web") -> Placement:
        return self.get(self.scope.placement, name)

    def run(self, name: str = "first") -> Run:
        return self.get(self.scope.run, name)

    def status(self, name: str = "first") -> UpdateRunStatus:
        found = self.find(self.scope.run, name)
        return UpdateRunStatus() if found is None else found.status

    def condition(self, type_: str, name: str = "first") -> Condition | None:
        """A condition of a run."""
        return find_condition(self.status(name).conditions, type_)

    def is_run(self, type_: str, status: str, reason: str = "", name: str = "first") -> bool:
        found = self.condition(type_, name)
        return found is not None and found.status == status and reason in ("", found.reason)

    def placement_condition(self, type_: str, name: str = "web") -> Condition | None:
        found = self.find(self.scope.placement, name)
        if found is None:
            return None
        return find_condition(found.status.conditions, self.scope.placement.resource.kind + type_)

    def is_placement(self, type_: str, status: str, reason: str = "", name: str = "web") -> bool:
        found = self.placement_condition(type_, name)
        return found is not None and found.status == status and reason in ("", found.reason)

    def masters(self, placement: str = "web") -> dict[str, str]:
        """Snapshots of a placement by name, each with its mark."""
        return {
            snapshot.metadata.name: snapshot.metadata.labels[names.IS_LATEST_SNAPSHOT]
            for snapshot in self.all(self.scope.snapshot)
            if snapshot.metadata.labels[names.PARENT_PLACEMENT] == placement
            and names.RESOURCE_HASH in snapshot.metadata.annotations
        }

    def binding(self, member: str, placement: str = "web") -> Binding:
        return next(b for b in self.bindings(placement) if b.spec.target_cluster == member)

    def bindings(self, placement: str = "web") -> list[Binding]:
        return [b for b in self.all(self.scope.binding) if b.metadata.labels[names.PARENT_PLACEMENT] == placement]

    def bound_to(self, placement: str = "web") -> dict[str, str]:
        """The members of a placement, each with the state of its binding."""
        return {binding.spec.target_cluster: binding.spec.state for binding in self.bindings(placement)}

    def works(self, member: str) -> list[Work]:
        return [work for work in self.all(Work) if work.metadata.namespace == names.member_namespace(member)]

    # doing

    async def create(self, api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> None:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        metadata |= fields.pop("metadata", {})
        await self.admin.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields})

    async def configure(self, value: str, name: str = "settings") -> None:
        """Give a ConfigMap of the namespace ``app`` this content."""
        try:
            await self.create("v1", "ConfigMap", name, "app", data={"key": value})
        except AlreadyExists:
            await self.patch("v1", "ConfigMap", name, "app", {"data": {"key": value}})

    async def patch(self, api_version: str, kind: str, name: str, namespace: str, content: Mapping[str, Any]) -> None:
        resource = await self.admin.mapper.resource(api_version, kind)
        await self.admin.patch(Unstructured(resource), (namespace, name), MergePatch(content))

    async def edit(self, kind: type[KubeObject], name: str, content: Mapping[str, Any]) -> None:
        """Merge something into an object, as a user with kubectl would."""
        await self.admin.patch(kind, self.key(kind, name), MergePatch(content))

    async def delete(self, kind: type[KubeObject], name: str) -> None:
        await self.admin.delete(kind, self.key(kind, name))

    def key(self, kind: type[KubeObject], name: str) -> tuple[str, str]:
        return (self.namespace if kind.resource.namespaced else "", name)

    async def join(self, name: str, taints: Sequence[Taint] = (), **labels: str) -> None:
        """A member joins the fleet and is healthy."""
        with suppress(AlreadyExists):
            await self.create("v1", "Namespace", names.member_namespace(name))
        identity = Subject(kind="User", name=name, api_group=RBAC)
        member = await self.admin.create(
            MemberCluster(
                metadata=ObjectMeta(name=name, labels=labels),
                spec=MemberClusterSpec(identity=identity, taints=tuple(taints)),
            )
        )
        now = format_time(self.clock.now())
        joined, healthy = Condition(JOINED, "True", "Joined", "", now), Condition(HEALTHY, "True", "Healthy", "", now)
        agent = AgentStatus(type=MEMBER_AGENT, last_received_heartbeat=now, conditions=(joined, healthy))
        status = msgspec.structs.replace(member.status, agent_status=(agent,))
        await self.admin.patch_status(member, msgspec.structs.replace(member, status=status))

    async def beat(self, name: str) -> None:
        """A heartbeat of a member."""
        member = self.get(MemberCluster, name)
        (agent,) = member.status.agent_status
        beaten = msgspec.structs.replace(agent, last_received_heartbeat=format_time(self.clock.now()))
        status = msgspec.structs.replace(member.status, agent_status=(beaten,))
        await self.admin.patch_status(member, msgspec.structs.replace(member, status=status))

    async def leave(self, name: str) -> None:
        await self.admin.delete(MemberCluster, name)

    async def place(
        self,
        name: str = "web",
        *,
        policy: PlacementPolicy | None = None,
        selectors: Sequence[ResourceSelector] | None = None,
        apply_strategy: ApplyStrategy | None = None,
        history: int = 10,
    ) -> None:
        """A placement of the namespace ``app`` (or of its ConfigMaps) under the External strategy."""
        await self.admin.create(
            self.scope.placement(
                metadata=ObjectMeta(name=name, namespace=self.namespace),
                spec=PlacementSpec(
                    resource_selectors=tuple(selectors or self.selectors()),
                    policy=policy,
                    strategy=RolloutStrategy(type="External", apply_strategy=apply_strategy),
                    revision_history_limit=history,
                ),
            )
        )

    def selectors(self) -> Sequence[ResourceSelector]:
        if self.namespace:
            return (ResourceSelector(group="", version="v1", kind="ConfigMap", name="settings"),)
        return (ResourceSelector(group="", version="v1", kind="Namespace", name="app"),)

    async def plan(self, *stages: StageConfig, name: str = "stages") -> None:
        """A strategy."""
        await self.admin.create(
            self.scope.strategy(
                metadata=ObjectMeta(name=name, namespace=self.namespace), spec=UpdateStrategySpec(stages=stages)
            )
        )

    async def start(
        self,
        name: str = "first",
        *,
        index: str = "",
        state: Any = "Run",
        placement: str = "web",
        strategy: str = "stages",
    ) -> None:
        """A staged run."""
        await self.admin.create(
            self.scope.run(
                metadata=ObjectMeta(name=name, namespace=self.namespace),
                spec=UpdateRunSpec(
                    placement_name=placement,
                    resource_snapshot_index=index,
                    staged_rollout_strategy_name=strategy,
                    state=state,
                ),
            )
        )

    async def set_state(self, state: str, name: str = "first") -> None:
        await self.edit(self.scope.run, name, {"spec": {"state": state}})

    async def approve(self, name: str, *, generation: int = 1, status: Any = "True") -> None:
        """Set the condition Approved of an approval request, once it is there."""
        await self.until(lambda: self.find(self.scope.approval, name))
        approval: Approval = self.get(self.scope.approval, name)
        condition = Condition(
            APPROVED, status, "LooksGood", "", format_time(self.clock.now()), observed_generation=generation
        )
        changed = msgspec.structs.replace(approval, status=ApprovalRequestStatus(conditions=(condition,)))
        await self.admin.patch_status(approval, changed)

    async def succeeded(self, name: str = "first") -> None:
        await self.until(lambda: self.is_run("Succeeded", "True", name=name))


def passes(controller: str) -> float:
    """How often a controller of this name has reconciled anything, of all hubs so far."""
    results = ("success", "error", "terminal")
    return sum(RECONCILES.labels(controller, result)._value.get() for result in results)


def _brief(obj: KubeObject) -> str:
    status = getattr(obj, "status", None)
    conditions = getattr(status, "conditions", ())
    parts = [f"{c.type}={c.status}/{c.reason}: {c.message}" for c in conditions]
    spec = getattr(obj, "spec", None)
    if isinstance(obj, CLUSTER.binding | NAMESPACED.binding):
        parts.insert(0, f"{obj.spec.state} {obj.spec.resource_snapshot_name} {obj.metadata.finalizers}")
    if obj.metadata.deletion_timestamp:
        parts.insert(0, "DELETING")
    if isinstance(spec, UpdateRunSpec):
        parts.insert(0, str(spec.state))
    return "; ".join(parts)


def stage(
    name: str,
    *before: StageTask,
    after: Sequence[StageTask] = (),
    concurrency: int | str = 1,
    sort: str = "",
    **labels: str,
) -> StageConfig:
    """A stage of the members with these labels; without any, of all."""
    return StageConfig(
        name=name,
        label_selector=LabelSelector(match_labels=labels),
        max_concurrency=concurrency,
        sorting_label_key=sort or None,
        before_stage_tasks=before,
        after_stage_tasks=tuple(after),
    )


APPROVAL = StageTask(type="Approval")


def wait(duration: str) -> StageTask:
    return StageTask(type="TimedWait", wait_time=duration)
