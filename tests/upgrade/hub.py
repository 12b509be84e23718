"""A hub to test update runs on: an embedded API server, its users, and a provider that does as it is told.

Everything runs on the loop of the test in virtual time, the clock included. ``until`` waits for what a test expects,
woken by every change on the hub.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import orjson
from msgspec.structs import replace

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec, PropertyValue
from echelon.api.core import RBAC, Subject
from echelon.api.crds import manifests
from echelon.api.fleet import (
    Gate,
    GroupUpdateStatus,
    ManagedClusterUpdate,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateRun,
    UpdateRunSpec,
    UpdateRunStatus,
    UpdateStrategy,
)
from echelon.api.meta import KubeObject, ObjectMeta
from echelon.api.upgrade import AutoUpgradeProfile, ClusterUpgrade, ReleaseCatalog
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.kube import crds
from echelon.kube.asgi import AsgiTransport
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists
from echelon.kube.manager import Manager
from echelon.kube.patches import MergePatch
from echelon.kube.rest import BeforeWrite
from echelon.kube.transport import EMPTY, Response
from echelon.upgrade import UpgradeSettings, add_controllers, intents, moments
from echelon.upgrade.members import REGION_LABELS

K = TypeVar("K", bound=KubeObject)

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
GROUPS = ("fleet.echelon.dev", "cluster.kubernetes-fleet.io")
USERS = ("admin", "controllers", "provider")
WITHIN = 1800.0  # virtual seconds after which what is waited for will not come
KINDS: Sequence[type[KubeObject]] = (
    UpdateRun,
    UpdateStrategy,
    Gate,
    ClusterUpgrade,
    MemberCluster,
    ReleaseCatalog,
    AutoUpgradeProfile,
)
_DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"
Stored = Sequence[tuple[str, str, Mapping[str, Any]]]


class LoopClock:
    """The time of the running loop as a moment of the day."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class RecordingTransport(AsgiTransport):
    """Notes each request, and each write that was carried out: user, method and path. Watches are no requests here."""

    def __init__(
        self, server: ApiServer, user: str, writes: list[tuple[str, str, str]], calls: list[tuple[str, str, str]]
    ) -> None:
        super().__init__(server, headers={"Authorization": f"Bearer {user}"})
        self._user = user
        self._writes = writes
        self._calls = calls

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
        self._calls.append((self._user, method, path))
        response = await super().request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        if method != "GET" and response.status < 300:
            self._writes.append((self._user, method, path))
        return response


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
    """What the tests do to a hub, and see of it. The run is called ``run`` unless said otherwise."""

    def __init__(self, server: ApiServer) -> None:
        self.clock = LoopClock()
        self.writes: list[tuple[str, str, str]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.server = server
        self.admin = self.client("admin")
        self._view = SharedCache(self.admin)
        self._changed = asyncio.Event()
        self._viewing: asyncio.Task[None] | None = None
        self._manager: Manager | None = None
        self._working: asyncio.Task[None] | None = None
        self._clients: list[Client] = [self.admin]

    def client(self, user: str, before_write: BeforeWrite | None = None) -> Client:
        return Client(RecordingTransport(self.server, user, self.writes, self.calls), before_write=before_write)

    async def open(self) -> None:
        for kind in KINDS:
            self._view.informer(kind).add_handler(lambda _: self._changed.set())
        self._viewing = asyncio.create_task(self._view.run())
        await self._view.wait_for_sync()

    async def close(self) -> None:
        await self.stop_controllers()
        if self._viewing is not None:
            self._viewing.cancel()
            await asyncio.wait([self._viewing])
        for client in self._clients:
            await client.close()

    # controllers

    async def start_controllers(
        self, settings: UpgradeSettings | None = None, before_write: BeforeWrite | None = None
    ) -> asyncio.Task[None]:
        """Run the controllers of runs, as one process; the task ends when that does."""
        client = self.client("controllers", before_write)
        self._clients.append(client)
        self._manager = Manager(client)
        add_controllers(self._manager, settings or UpgradeSettings(), self.clock)
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

    def look_again(self) -> None:
        """Something has changed elsewhere that ``until`` may wait for."""
        self._changed.set()

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by; whatever is due happens."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """Let everything happen that is under way."""
        await asyncio.sleep(0.5)

    def describe(self) -> str:
        """What is on the hub, for those who read why a test failed."""
        found: list[UpdateRun | Gate | ClusterUpgrade] = [*self.all(UpdateRun), *self.all(Gate)]
        found += self.all(ClusterUpgrade)
        return "\n".join(f"{type(o).__name__} {o.key} {msgspec.json.encode(o.status).decode()}" for o in found)

    def find(self, kind: type[K], name: str | tuple[str, str]) -> K | None:
        return self._view.get(kind, name)

    def all(self, kind: type[K]) -> list[K]:
        return sorted(self._view.list(kind), key=lambda obj: obj.key)

    def run(self, name: str = "run") -> UpdateRun:
        found = self.find(UpdateRun, name)
        assert found is not None, f"no run {name}"
        return found

    def status(self, name: str = "run") -> UpdateRunStatus:
        found = self.find(UpdateRun, name)
        return UpdateRunStatus(state="NotStarted") if found is None else found.status

    def state(self, name: str = "run") -> str:
        return self.status(name).state

    def stage(self, index: int = 0, name: str = "run") -> StageUpdateStatus:
        return self.status(name).stages[index]

    def group(self, group: str, name: str = "run") -> GroupUpdateStatus:
        groups = (found for stage in self.status(name).stages for found in stage.groups)
        return next(found for found in groups if found.name == group)

    def member(self, member: str, name: str = "run") -> MemberUpdateStatus:
        return self.members(name)[member]

    def members(self, name: str = "run") -> dict[str, MemberUpdateStatus]:
        stages = self.status(name).stages
        return {member.name: member for stage in stages for group in stage.groups for member in group.members}

    def states(self, name: str = "run") -> dict[str, str]:
        """The state of each member."""
        return {member.name: member.state for member in self.members(name).values()}

    def upgrades(self, member: str) -> list[ClusterUpgrade]:
        namespace = names.member_namespace(member)
        return [upgrade for upgrade in self.all(ClusterUpgrade) if upgrade.metadata.namespace == namespace]

    def condition(self, type_: str, name: str = "run") -> tuple[str, str, str]:
        """Status, reason and message of a condition of a run."""
        found = next(condition for condition in self.status(name).conditions if condition.type == type_)
        return found.status, found.reason, found.message

    # doing

    async def join(
        self, *members: str, group: str = "", region: str = "", version: str = "1.30.0", **annotations: str
    ) -> None:
        """Members join the fleet. Annotations: ``window`` and ``image_window``."""
        for name in members:
            await self._namespace(names.member_namespace(name))
            labels = {names.UPDATE_GROUP: group} if group else {}
            if region:
                labels[REGION_LABELS[0]] = region
            notes = {names.CLUSTER_RESOURCE_ID: f"fake://{name}"}
            if "window" in annotations:
                notes[names.MAINTENANCE_WINDOW] = annotations["window"]
            if "image_window" in annotations:
                notes[names.NODE_IMAGE_MAINTENANCE_WINDOW] = annotations["image_window"]
            member = await self.admin.create(
                MemberCluster(
                    metadata=ObjectMeta(name=name, labels=labels, annotations=notes),
                    spec=MemberClusterSpec(identity=Subject(kind="User", name=name, api_group=RBAC)),
                )
            )
            await self._set_version(member, version)

    async def _namespace(self, name: str) -> None:
        with suppress(AlreadyExists):
            await self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def set_version(self, member: str, version: str) -> None:
        """The member's agent reports a Kubernetes version."""
        await self._set_version(await self.admin.get(MemberCluster, member), version)

    async def _set_version(self, member: MemberCluster, version: str) -> None:
        if not version:
            return
        value = PropertyValue(value=version, observation_time="2026-03-02T09:00:00Z")
        status = replace(member.status, properties={names.KUBERNETES_VERSION: value})
        await self.admin.patch_status(member, replace(member, status=status))

    async def catalogue(self, kubernetes: Mapping[str, Any], images: Mapping[str, Any] = EMPTY) -> None:
        """Versions and images that exist, each with its regions (none: everywhere)."""
        spec = {
            "kubernetesVersions": [
                {"version": version, "regions": list(regions)} for version, regions in kubernetes.items()
            ],
            "nodeImages": [
                {
                    "family": image.rpartition("-")[0],
                    "version": image.rpartition("-")[2],
                    "regions": list(regions),
                }
                for image, regions in images.items()
            ],
        }
        catalog = msgspec.convert({"metadata": {"name": "catalog"}, "spec": spec}, ReleaseCatalog)
        try:
            await self.admin.create(catalog)
        except AlreadyExists:
            await self.admin.patch(ReleaseCatalog, "catalog", MergePatch({"spec": spec}))

    async def create(
        self, name: str = "run", *, update: str = "1.30.4", state: str = "Initialize", **spec: Any
    ) -> UpdateRun:
        """Create a run; ``update`` is the version of a Full upgrade unless ``spec`` says otherwise."""
        content = {"managedClusterUpdate": full(update), "state": state, **spec}
        labels = content.pop("labels", {})
        run = UpdateRun(metadata=ObjectMeta(name=name, labels=labels), spec=msgspec.convert(content, UpdateRunSpec))
        return await self.admin.create(run)

    async def planned(self, name: str = "run") -> None:
        await self.until(lambda: self.status(name).stages)

    async def begin(self, name: str = "run", **spec: Any) -> None:
        """Create a run and start it."""
        await self.create(name, **spec)
        await self.planned(name)
        await self.start(name)

    async def start(self, name: str = "run") -> None:
        """Start a run, for the first time or again, as the command line does."""
        run = await self.admin.get(UpdateRun, name)
        await self.admin.patch_object(run, intents.started(run))

    async def stop(self, name: str = "run") -> None:
        run = await self.admin.get(UpdateRun, name)
        await self.admin.patch_object(run, intents.stopped(run))

    async def skip(self, *targets: str, name: str = "run") -> None:
        """Skip targets such as ``Group:a``."""
        run = await self.admin.get(UpdateRun, name)
        await self.admin.patch_object(run, intents.skipping(run, [intents.parse_skip(text) for text in targets]))

    async def edit(self, kind: type[KubeObject], name: str, content: Mapping[str, Any]) -> None:
        """Merge something into an object, as a user with kubectl would."""
        await self.admin.patch(kind, name, MergePatch(content))

    async def approve(self, gate: Gate, state: str = "Completed") -> None:
        """Set the state of a gate, as a user with kubectl would."""
        await self.admin.patch(Gate, gate.key, MergePatch({"status": {"state": state}}), subresource="status")

    async def ended(self, state: str = "Completed", name: str = "run") -> None:
        await self.until(lambda: self.state(name) == state)


def full(version: str) -> Mapping[str, Any]:
    """A Full upgrade."""
    return {"upgrade": {"type": "Full", "kubernetesVersion": version}}


def control_plane(version: str) -> Mapping[str, Any]:
    """An upgrade of control planes."""
    return {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": version}}


def node_images(selection: str = "Latest", *custom: str) -> Mapping[str, Any]:
    """An upgrade of node images."""
    chosen: dict[str, Any] = {"type": selection}
    if custom:
        chosen["customNodeImageVersions"] = [{"version": version} for version in custom]
    return {"upgrade": {"type": "NodeImageOnly"}, "nodeImageSelection": chosen}


def order(*stages: Mapping[str, Any]) -> Mapping[str, Any]:
    """A strategy."""
    return {"stages": list(stages)}


def stage(name: str, *groups: str | Mapping[str, Any], **fields: Any) -> Mapping[str, Any]:
    """A stage of groups, each a name or its fields."""
    content = [{"name": group} if isinstance(group, str) else group for group in groups]
    return {"name": name, **({"groups": content} if content else {}), **fields}


def weekly(day: str, start: str, hours: float) -> str:
    """A maintenance window in UTC."""
    schedule = {"weekly": {"daysOfWeek": [day]}}
    return json.dumps({"schedule": schedule, "startTime": start, "durationHours": hours})


def moment(text: str | None) -> datetime:
    """A time of a status."""
    found = moments.read(text)
    assert found is not None
    return found


UPDATE = msgspec.convert(full("1.30.4"), ManagedClusterUpdate)
