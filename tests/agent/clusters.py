"""Clusters to test agents and membership on: embedded API servers in memory, read without a client.

Everything runs on the loop of the test in virtual time, the servers' clocks included. ``until`` waits
for what a test expects, woken by every change of any of its clusters, and never looks by the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import orjson

from echelon.api.crds import manifests
from echelon.api.meta import KubeObject, from_dict
from echelon.apiserver import MASTERS, ApiServer, Attributes, Database, Decision, StaticTokens, User, summarize
from echelon.kube import crds
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import Unreachable
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import JsonPatch, MergePatch
from echelon.kube.rest import BeforeWrite
from echelon.kube.transport import EMPTY, Response, Stream

K = TypeVar("K", bound=KubeObject)
Object = dict[str, Any]
Stored = Sequence[tuple[str, str, Mapping[str, Any]]]

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
GROUPS = ("placement.kubernetes-fleet.io", "cluster.kubernetes-fleet.io")
ADMIN = "admin"
WITHIN = 120.0  # virtual seconds after which what is waited for will not come
_DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"


class LoopClock:
    """The time of the running loop as a moment of the day."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class Written(NamedTuple):
    """A write that a server has answered."""

    user: str
    method: str
    path: str
    status: int


class Permissions:
    """Everyone may do everything, but for what a test forbids to users other than the administrator."""

    def __init__(self) -> None:
        self.forbidden: Callable[[Attributes], bool] = lambda _: False

    def decide(self, user: User, attributes: Attributes) -> Decision:
        return Decision(user.name == ADMIN or not self.forbidden(attributes), "a test forbids it")


class Network(AsgiTransport):
    """The way to a server: notes writes, and can be cut."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        super().__init__(cluster.server, headers={"Authorization": f"Bearer {user}"})
        self._cluster = cluster
        self._user = user

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
        self._check()
        if self._user != ADMIN and (delay := self._cluster.delays.get(path)):
            await asyncio.sleep(delay)
        response = await super().request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        if method != "GET":
            self._cluster.writes.append(Written(self._user, method, path, response.status))
        else:
            self._cluster.reads.append((self._user, path))
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        timeout: float | None = None,
    ) -> AsyncIterator[Stream]:
        self._check()
        async with super().stream(method, path, query=query, headers=headers, timeout=timeout) as stream:
            yield stream

    def _check(self) -> None:
        if self._user != ADMIN and not self._cluster.reachable:
            raise Unreachable(f"{self._cluster.name}: connection refused")


class Cluster:
    """One embedded API server, and what a test does to it as its administrator."""

    def __init__(self, name: str, server: ApiServer, permissions: Permissions, changed: asyncio.Event) -> None:
        self.name = name
        self.server = server
        self.permissions = permissions
        self.reachable = True
        self.delays: dict[str, float] = {}  # seconds that requests for a path take, but for the administrator's
        self.writes: list[Written] = []
        self.reads: list[tuple[str, str]] = []
        self._changed = changed
        self._clients: list[Client] = []
        server.objects.observe(lambda _: changed.set())
        self.admin = self.client(ADMIN)

    def client(self, user: str, *, field_manager: str = "echelon", before_write: BeforeWrite | None = None) -> Client:
        client = Client(Network(self, user), field_manager=field_manager, before_write=before_write)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    # seeing

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """An object of ``kind`` (``Deployment``, or ``group/Kind`` where two groups have it) as it is stored."""
        group, _, kind = kind.rpartition("/")
        for definition in self.server.registry.definitions():
            if definition.kind == kind and not definition.virtual and group in ("", definition.group):
                record = self.server.objects.bucket(definition).get(namespace, name)
                if record is not None:
                    return orjson.loads(record.value)
        return None

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        found = self.find(kind, name, namespace)
        assert found is not None, f"no {kind} {namespace}/{name} on {self.name}"
        return found

    def typed(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        found = self.find(f"{kind.resource.group}/{kind.resource.kind}", name, namespace)
        return None if found is None else from_dict(kind, found)

    def written(self, user: str = "agent", *, method: str = "", path: str = "") -> list[Written]:
        """The successful writes of a user so far, those to paths that contain ``path``."""
        return [
            write
            for write in self.writes
            if write.user == user and write.status < 300 and method in ("", write.method) and path in write.path
        ]

    # doing

    async def create(self, obj: Object) -> Object:
        return await self.admin.create(obj)

    async def edit(
        self, kind: str, name: str, content: Mapping[str, Any], namespace: str = "", *, subresource: str | None = None
    ) -> None:
        """Merge something into an object, as a user with kubectl would."""
        found = self.get(kind, name, namespace)
        resource = await self.admin.mapper.resource(found["apiVersion"], found["kind"])
        await self.admin.patch(Unstructured(resource), (namespace, name), MergePatch(content), subresource=subresource)

    async def amend(self, kind: str, name: str, *operations: Mapping[str, Any], namespace: str = "") -> None:
        """Apply a JSON patch to an object."""
        found = self.get(kind, name, namespace)
        resource = await self.admin.mapper.resource(found["apiVersion"], found["kind"])
        await self.admin.patch(Unstructured(resource), (namespace, name), JsonPatch(operations))

    async def delete(self, kind: str, name: str, namespace: str = "", propagation: Any = None) -> None:
        found = self.get(kind, name, namespace)
        resource = await self.admin.mapper.resource(found["apiVersion"], found["kind"])
        await self.admin.delete(Unstructured(resource), (namespace, name), propagation=propagation)


class Clusters:
    """All clusters of a test, and waiting for what becomes of them."""

    def __init__(self, definitions: Stored) -> None:
        self._definitions = definitions
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def start(self, name: str) -> AsyncIterator[Cluster]:
        """A cluster that serves the fleet's kinds."""
        database = Database.open(None, summarize=summarize)
        bucket = database.keyspace(name).bucket(_DEFINITIONS)
        for namespace, definition, value in self._definitions:
            await bucket.put(namespace, definition, lambda revision, value=value: _at(value, revision), expected=0)
        permissions = Permissions()
        server = _server(database, name, permissions)
        await server.start()
        cluster = Cluster(name, server, permissions, self._changed)
        try:
            yield cluster
        finally:
            await cluster.close()
            await server.close()
            await database.close()

    async def until(self, holds: Callable[[], object], within: float = WITHIN, describe: Any = None) -> None:
        """Wait until something is so, looking again at every change."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            shown = "" if describe is None else f"; there is {describe()}"
            raise AssertionError(f"not so within {within:g} s{shown}") from None

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by; whatever is due happens."""
        await asyncio.sleep(seconds)


def fleet_definitions() -> Stored:
    """The definitions of the fleet's kinds as an API server stores them; installing them takes its time."""

    async def install() -> Stored:
        database = Database.open(None, summarize=summarize)
        server = _server(database, "main", Permissions())
        await server.start()
        client = Client(AsgiTransport(server, headers={"Authorization": f"Bearer {ADMIN}"}))
        await crds.install(client, [crd for crd in manifests() if crd["spec"]["group"] in GROUPS])
        records = database.keyspace("main").bucket(_DEFINITIONS).list()
        stored = [(record.key.namespace, record.key.name, orjson.loads(record.value)) for record in records]
        await client.close()
        await server.close()
        await database.close()
        return stored

    return asyncio.run(install())


def _server(database: Database[Any], name: str, permissions: Permissions) -> ApiServer:
    users = {user: User(user, groups=(MASTERS,)) for user in (ADMIN, "agent", "controllers")}
    return ApiServer(
        database.keyspace(name), authenticator=StaticTokens(users), authorizer=permissions, clock=LoopClock()
    )


def _at(value: Mapping[str, Any], revision: int) -> bytes:
    return orjson.dumps({**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}})
