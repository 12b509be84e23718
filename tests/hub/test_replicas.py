"""Replicas of a hub in this process, against a server without any of Echelon's controllers, RBAC on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import RBAC, Lease, Namespace, Subject
from echelon.api.meta import ObjectMeta, SystemClock
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.hub.install import CannotInstall, Request, Step, install, kind_of_object, wait_until_available
from echelon.hub.manifests import NAME
from echelon.hub.others import find_others
from echelon.hub.process import Address, CannotRun, Replica, ReplicaOptions
from echelon.hub.report import report
from echelon.hub.settings import HubSettings, LeaderElectionSettings, settings_of
from echelon.hub.values import Values
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.crds import DEFINITIONS
from echelon.kube.errors import Forbidden, NotFound, Unreachable
from echelon.kube.leader import LeadershipLost, NotLeader
from echelon.kube.patches import JsonPatch, MergePatch
from echelon.kube.transport import EMPTY, Response, Stream
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec

SPACE = "fleet-system"
ACCOUNT = User(f"system:serviceaccount:{SPACE}:{NAME}", ("system:serviceaccounts", f"system:serviceaccounts:{SPACE}"))
SETTINGS = HubSettings(leader_election=LeaderElectionSettings(retry_period=0.2, renew_deadline=0.6, lease_duration=1))
PATIENCE = 20.0


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    database = Database.open(None, summarize=summarize)
    tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,)), "hub": ACCOUNT})
    server = ApiServer(database.keyspace("hub"), authenticator=tokens)
    await server.start()
    yield server
    await server.close()
    await database.close()


def transport(server: ApiServer, token: str) -> AsgiTransport:
    return AsgiTransport(server, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
async def admin(server: ApiServer) -> AsyncIterator[Client]:
    client = Client(transport(server, "admin"), field_manager="test")
    yield client
    await client.close()


async def installed(admin: Client, **more: Any) -> list[Step]:
    steps: list[Step] = []
    async with asyncio.timeout(PATIENCE):
        await install(admin, Request(values=Values(), namespace=SPACE, **more), steps.append)
    return steps


class Network:
    """The way of one replica to the server, which can be cut."""

    def __init__(self, server: ApiServer) -> None:
        self.cut = False
        self._server = server

    def open(self) -> _Way:
        return _Way(self, transport(self._server, "hub"))


class _Way:
    def __init__(self, network: Network, inner: AsgiTransport) -> None:
        self._network = network
        self._inner = inner

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
        if self._network.cut:
            raise Unreachable("the network is cut")
        return await self._inner.request(method, path, query=query, headers=headers, body=body, timeout=timeout)

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[Stream]:
        if self._network.cut:
            raise Unreachable("the network is cut")
        return self._inner.stream(method, path, query=query, headers=headers, timeout=timeout)

    async def close(self) -> None:
        await self._inner.close()


class Running:
    """A replica that runs, and its network."""

    def __init__(self, server: ApiServer, name: str, **options: Any) -> None:
        self.network = Network(server)
        self.replica = Replica(self.network.open, ReplicaOptions(name=name, settings=SETTINGS, **options))
        self.task = asyncio.create_task(self.replica.run())

    async def ready(self) -> None:
        ready = asyncio.create_task(self.replica.manager.wait_until_ready())
        await asyncio.wait([self.task, ready], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert not self.replica.not_ready()

    async def leads(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.replica.elector.wait_until_leading()

    async def stop(self) -> None:
        self.replica.stop()
        async with asyncio.timeout(PATIENCE):
            await self.task


async def join(admin: Client, name: str) -> None:
    """A member is made; the controllers give it a namespace."""
    identity = Subject(kind="User", name=f"agent-of-{name}", api_group=RBAC)
    await admin.create(MemberCluster(metadata=ObjectMeta(name=name), spec=MemberClusterSpec(identity=identity)))


async def has_namespace(admin: Client, name: str) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        admin.watch(Namespace, fields=f"metadata.name=fleet-member-{name}", initial_events=True) as events,
    ):
        async for event in events:
            if event.object is not None:
                return


async def holder(admin: Client) -> str:
    return ((await admin.get(Lease, (SPACE, NAME))).spec.holder_identity or "").rpartition("_")[0]


async def test_the_next_replica_begins_when_the_leader_is_stopped(server: ApiServer, admin: Client) -> None:
    await installed(admin)
    first = Running(server, "first")
    await first.leads()
    second = Running(server, "second")
    await second.ready()  # a replica that stands by is ready, too
    assert not second.replica.elector.is_leader
    await join(admin, "one")
    await has_namespace(admin, "one")
    await first.stop()
    await second.leads()
    assert await holder(admin) == "second"
    await join(admin, "two")
    await has_namespace(admin, "two")
    await second.stop()
    assert await holder(admin) == ""


async def test_a_leader_that_is_cut_off_ends_and_writes_nothing_more(server: ApiServer, admin: Client) -> None:
    await installed(admin)
    first = Running(server, "first")
    await first.leads()
    second = Running(server, "second")
    await second.ready()
    first.network.cut = True
    with pytest.raises(LeadershipLost, match=r"could not renew the lease for 0\.6 s"):
        await asyncio.wait_for(first.task, PATIENCE)
    with pytest.raises(NotLeader):
        first.replica._before_write("POST", "/api/v1/namespaces")
    await second.leads()
    await join(admin, "one")
    await has_namespace(admin, "one")
    await second.stop()


async def test_a_leader_whose_lease_is_taken_ends(server: ApiServer, admin: Client) -> None:
    """Somebody else has written the lease: two must never work."""
    await installed(admin)
    first = Running(server, "first")
    await first.leads()
    patch = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}
    lease = await admin.get(Lease, (SPACE, NAME))
    await admin.patch(Lease, lease.key, MergePatch(patch))
    with pytest.raises(LeadershipLost, match="the lease is held by thief"):
        await asyncio.wait_for(first.task, PATIENCE)


async def test_a_cluster_that_is_no_hub(server: ApiServer, admin: Client) -> None:
    await installed(admin)
    await admin.delete(Namespace, SPACE)
    client = Client(transport(server, "admin"))
    kind = (await client.list(DEFINITIONS)).items[0]["metadata"]["name"]
    await client.delete(DEFINITIONS, kind)
    with pytest.raises(CannotRun, match=f"lacks the kinds {kind}; put them there with: echelon hub install"):
        await Replica(lambda: transport(server, "admin"), ReplicaOptions(settings=SETTINGS)).run()


async def test_probes_and_metrics(server: ApiServer, admin: Client, unused_tcp_port: int) -> None:
    await installed(admin)
    running = Running(server, "first", listen=Address(unused_tcp_port, "127.0.0.1"))
    await running.leads()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as session:
        for path, text in (
            ("/healthz", "ok"),
            ("/readyz", "ok"),
            ("/metrics", 'lease="fleet-system/echelon-hub"} 1.0'),
        ):
            async with session.get(path) as answer:
                assert answer.status == 200
                assert text in await answer.text()
    await running.stop()


async def test_a_replica_may_do_nothing_but_its_work(server: ApiServer, admin: Client) -> None:
    await installed(admin)
    account = Client(transport(server, "hub"))
    for obj in (
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": SPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": SPACE}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": SPACE}, "spec": {"containers": []}},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": "r", "namespace": "default"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}],
        },
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "default"}},
    ):
        with pytest.raises(Forbidden):
            await account.create(obj)
    await account.close()


async def test_an_older_install_is_brought_up_to_date(admin: Client) -> None:
    await installed(admin)
    crd = (await admin.list(DEFINITIONS)).items[0]
    columns = {"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec"}
    await admin.patch(DEFINITIONS, crd["metadata"]["name"], JsonPatch([columns]))
    found = (await report(admin, SPACE, SystemClock().now())).kinds
    assert found.outdated == [crd["metadata"]["name"]]
    changed = [step for step in await installed(admin) if step.outcome != "unchanged"]
    assert [(step.kind, step.name, step.outcome) for step in changed] == [
        ("CustomResourceDefinition", crd["metadata"]["name"], "configured")
    ]


async def test_a_cluster_that_is_too_old_is_refused(admin: Client) -> None:
    database = Database.open(None, summarize=summarize)
    tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,))})
    old = ApiServer(database.keyspace("old"), authenticator=tokens, git_version="v1.27.16-eks-1")
    await old.start()
    client = Client(transport(old, "admin"))
    with pytest.raises(CannotInstall, match=r"runs Kubernetes v1\.27\.16-eks-1; a hub needs 1\.28 or newer"):
        await installed(client)
    with pytest.raises(NotFound):
        await client.get(Namespace, SPACE)
    await client.close()
    await old.close()
    await database.close()


async def test_a_server_that_knows_no_quantities_gets_no_rules_with_them() -> None:
    database = Database.open(None, summarize=summarize)
    tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,))})
    old = ApiServer(database.keyspace("old"), authenticator=tokens, git_version="v1.28.15")
    await old.start()
    client = Client(transport(old, "admin"))
    await installed(client)
    definitions = (await client.list(DEFINITIONS)).items
    assert "uantity(" not in str(definitions)
    assert "x-kubernetes-validations" in str(definitions)
    assert (await report(client, SPACE, SystemClock().now())).kinds.outdated == []
    assert all(step.outcome == "unchanged" for step in await installed(client))
    await client.close()
    await old.close()
    await database.close()


async def test_waiting_until_available(admin: Client) -> None:
    await installed(admin)
    waiting = asyncio.create_task(wait_until_available(admin, SPACE))
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2}
    for available in (1, 2):
        assert not waiting.done()
        status = {"status": {**counts, "readyReplicas": available, "availableReplicas": available}}
        await admin.patch(kind_of_object("Deployment"), (SPACE, NAME), MergePatch(status), subresource="status")
    await asyncio.wait_for(waiting, PATIENCE)


async def test_a_lease_that_nobody_renews_leads_nobody(server: ApiServer, admin: Client) -> None:
    await installed(admin)
    running = Running(server, "first")
    await running.leads()
    now = SystemClock().now()
    found = (await report(admin, SPACE, now)).leader
    assert found is not None
    assert found.leads
    later = await report(admin, SPACE, now + timedelta(minutes=1))
    assert later.leader is not None
    assert not later.leader.leads
    assert "nobody has taken over" in later.problems[-1].what
    await running.stop()


async def test_nothing_is_another_managers_after_an_install(admin: Client) -> None:
    await installed(admin)
    assert (await find_others(admin)).definitions == {}


def test_settings_reach_the_controllers() -> None:
    settings = settings_of({"dialect": "kubefleet", "snapshotDelay": 3, "leaveDeadline": 60}, "x").controllers()
    assert settings.placement.dialect.name == "kubefleet"
    assert settings.placement.snapshot_delay == 3
    assert settings.leave_deadline == timedelta(minutes=1)


async def test_an_embedded_hub_is_said_to_be_one() -> None:
    database = Database.open(None, summarize=summarize)
    fleet = EmbeddedFleet(database, FleetOptions(admin_token="secret"))
    await fleet.start([MemberSpec("one")])
    found = await report(fleet.hub.administrator("test"), SPACE, SystemClock().now())
    assert found.embedded
    assert found.members == {"one": "joined"}
    assert found.problems == []
    await fleet.close()
    await database.close()
