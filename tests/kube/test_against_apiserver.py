"""The client and its controllers on the embedded API server, over a socket and within the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from echelon.api.meta import ObjectMeta, OwnerReference, Resource
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.kube.asgi import AsgiTransport
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Owns, Request, generation_changed
from echelon.kube.crds import install
from echelon.kube.credentials import StaticCredentials, bearer
from echelon.kube.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from echelon.kube.events import EVENT, EventRecorder
from echelon.kube.http import HttpTransport
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import Connection
from echelon.kube.leader import LeaderElector, Lease
from echelon.kube.manager import Manager
from echelon.kube.patches import JsonPatch, MergePatch, StrategicPatch
from echelon.kube.testing import Widget, WidgetSpec, WidgetStatus

CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", True))
NAMESPACES = Unstructured(Resource("", "v1", "namespaces", "Namespace", False))
A = ("one", "a")

WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.test.echelon.dev"},
    "spec": {
        "group": "test.echelon.dev",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "maximum": 1000},
                                    "parts": {"type": "array", "items": {"type": "string"}},
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"ready": {"type": "boolean"}, "size": {"type": "integer"}},
                            },
                        },
                    }
                },
            }
        ],
    },
}


@asynccontextmanager
async def server() -> AsyncIterator[ApiServer]:
    database = Database.open(None, summarize=summarize)
    tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,)), "nobody": User("nobody")})
    api = ApiServer(database.keyspace("main"), authenticator=tokens)
    await api.start()
    yield api
    await api.close()
    await database.close()


@pytest.fixture(params=["asgi", "http"])
async def connect(
    request: pytest.FixtureRequest, served: Callable[..., AbstractAsyncContextManager[int]]
) -> AsyncIterator[Callable[[str], Client]]:
    """Clients of one server by token."""
    clients: list[Client] = []
    async with server() as api, served(api) as port:

        def make(token: str) -> Client:
            if request.param == "asgi":
                clients.append(Client(AsgiTransport(api, headers={"Authorization": f"Bearer {token}"})))
            else:
                credentials = StaticCredentials(bearer(token))
                clients.append(Client(HttpTransport(Connection(f"http://127.0.0.1:{port}", credentials))))
            return clients[-1]

        yield make
        for client in clients:
            await client.close()


@pytest.fixture
async def client(connect: Callable[[str], Client]) -> Client:
    client = connect("admin")
    await client.create({"metadata": {"name": "one"}}, NAMESPACES)
    await install(client, [WIDGETS])
    return client


def widget(name: str = "a", **spec: Any) -> Widget:
    return Widget(metadata=ObjectMeta(name=name, namespace="one"), spec=WidgetSpec(**spec))


async def until(informers: Sequence[Informer[Any]], holds: Callable[[], bool]) -> None:
    """Wait until something holds that the changes of these informers bring about."""
    changed = asyncio.Event()
    for informer in informers:
        informer.add_handler(lambda change: changed.set())
    async with asyncio.timeout(10):
        while not holds():
            await changed.wait()
            changed.clear()


async def test_objects(client: Client) -> None:
    created = await client.create(widget(size=1, parts=["x"]))
    with pytest.raises(AlreadyExists):
        await client.create(widget())
    with pytest.raises(Invalid) as caught:
        await client.create(widget("b", size=1001))
    assert caught.value.causes[0]["field"] == "spec.size"
    with pytest.raises(NotFound):
        await client.get(Widget, ("one", "b"))
    changed = await client.patch_object(created, msgspec.structs.replace(created, spec=WidgetSpec(size=2)))
    assert (changed.spec, changed.metadata.generation) == (WidgetSpec(size=2), 2)
    ready = msgspec.structs.replace(created, status=WidgetStatus(ready=True))
    with pytest.raises(Conflict):
        await client.patch_status(created, ready, lock=True)
    ready = msgspec.structs.replace(changed, status=WidgetStatus(ready=True))
    status = await client.patch_status(changed, ready, lock=True)
    assert (status.status.ready, status.metadata.generation) == (True, 2)
    with pytest.raises(Conflict):
        await client.update(changed)
    assert (await client.update(msgspec.structs.replace(status, spec=WidgetSpec(size=3)))).spec.size == 3
    with pytest.raises(Conflict):
        await client.delete(Widget, A, uid="another")
    await client.delete(Widget, A, uid=created.metadata.uid, propagation="Background")
    await client.delete(Widget, A, missing_ok=True)


async def test_every_kind_of_patch(client: Client) -> None:
    name = ("one", "settings")
    await client.create({"metadata": {"name": "settings", "namespace": "one"}, "data": {"a": "1"}}, CONFIG_MAPS)
    await client.patch(CONFIG_MAPS, name, MergePatch({"data": {"b": "2"}}))
    await client.patch(CONFIG_MAPS, name, JsonPatch([{"op": "remove", "path": "/data/a"}]))
    await client.patch(CONFIG_MAPS, name, StrategicPatch({"data": {"c": "3"}}))
    found = await client.get(CONFIG_MAPS, name)
    assert found["data"] == {"b": "2", "c": "3"}
    assert found["kind"] == "ConfigMap"


async def test_lists(client: Client) -> None:
    for number in range(1100):
        labels = {"parity": "odd" if number % 2 else "even"}
        content = {"metadata": {"name": f"c{number:04}", "namespace": "one", "labels": labels}}
        await client.create(content, CONFIG_MAPS)
    found = await client.list(CONFIG_MAPS, namespace="one", labels={"parity": "odd"})
    assert [item["metadata"]["name"] for item in found.items] == [f"c{number:04}" for number in range(1, 1100, 2)]
    named = await client.list(CONFIG_MAPS, fields="metadata.name=c0007")
    assert len(named.items) == 1
    await client.delete_all(CONFIG_MAPS, namespace="one", labels={"parity": "odd"})
    assert len((await client.list(CONFIG_MAPS, namespace="one", labels={"parity": "odd"})).items) == 0


async def test_watch_from_a_list(client: Client) -> None:
    listed = await client.list(Widget)
    created = await client.create(widget(size=1))
    await client.delete(Widget, A)
    async with client.watch(Widget, resource_version=listed.resource_version) as events:
        first, second = await anext(events), await anext(events)
    assert (first.type, first.object) == ("ADDED", created)
    assert second.type == "DELETED"
    assert int(second.resource_version) > int(first.resource_version)


async def test_watch_that_is_over_ends(client: Client) -> None:
    async with client.watch(Widget, timeout=1) as events:
        assert [event.type async for event in events if event.type != "BOOKMARK"] == []


async def test_discovery_and_version(client: Client) -> None:
    assert await client.mapper.resource("test.echelon.dev/v1", "Widget") == Widget.resource
    found = {item.resource.plural: item for item in await client.mapper.resources() if item.preferred}
    assert found["configmaps"].resource == CONFIG_MAPS.resource
    assert {"get", "list", "watch", "patch"} <= found["configmaps"].verbs
    assert list(found["configmaps"].short_names) == ["cm"]
    assert (await client.version()).git_version.startswith("v1.")
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "one"}}
    assert (await client.create(content))["metadata"]["uid"]


async def test_who_may(connect: Callable[[str], Client], client: Client) -> None:
    with pytest.raises(Unauthorized):
        await connect("wrong").list(Widget)
    with pytest.raises(Forbidden, match="nobody"):
        await connect("nobody").list(Widget)


async def test_cache_follows_the_server(client: Client, connect: Callable[[str], Client]) -> None:
    other = connect("admin")
    cache = SharedCache(client)
    informer = cache.informer(Widget)
    changes: list[Change[Widget]] = []
    informer.add_handler(changes.append)
    await other.create(widget("before"))
    task = asyncio.create_task(cache.run())
    await cache.wait_for_sync()
    assert [change.initial for change in changes] == [True]
    await other.create(widget(size=1))
    await until([informer], lambda: cache.get(Widget, A) is not None)
    await other.patch(Widget, A, MergePatch({"spec": {"size": 2}}))
    await other.delete(Widget, A)
    await until([informer], lambda: cache.get(Widget, A) is None)
    assert [change.type for change in changes] == ["ADDED", "ADDED", "MODIFIED", "DELETED"]
    mine = await client.create(widget("mine"))
    assert cache.get(Widget, ("one", "mine")) is mine
    task.cancel()
    await asyncio.wait([task])


class Copier:
    """Keeps a ConfigMap with the size of each widget, and says in the status when it is there."""

    def __init__(self, client: Client, cache: SharedCache) -> None:
        self.client = client
        self.cache = cache
        self.passes = 0

    async def reconcile(self, request: Request) -> None:
        self.passes += 1
        widget = self.cache.get(Widget, request.key)
        if widget is None:
            return
        copy = self.cache.get(CONFIG_MAPS, request.key)
        if copy is None:
            await self.client.create(self._copy(widget), CONFIG_MAPS)
        elif copy["data"] != {"size": str(widget.spec.size)}:
            await self.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": {"size": str(widget.spec.size)}}))
        status = WidgetStatus(ready=True, size=widget.spec.size)
        await self.client.patch_status(widget, msgspec.structs.replace(widget, status=status))

    def _copy(self, widget: Widget) -> dict[str, Any]:
        meta = widget.metadata
        owner = OwnerReference(Widget.resource.api_version, "Widget", meta.name, meta.uid, controller=True)
        return {
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                "ownerReferences": [msgspec.to_builtins(owner)],
            },
            "data": {"size": str(widget.spec.size)},
        }


async def test_controller(client: Client, connect: Callable[[str], Client]) -> None:
    user = connect("admin")
    manager = Manager(client)
    copier = Copier(client, manager.cache)
    sources = (For(Widget, generation_changed), Owns(CONFIG_MAPS, owner=Widget))
    manager.add(Controller("copier", copier.reconcile, *sources, workers=4))
    task = asyncio.create_task(manager.run())
    await manager.wait_until_ready()
    held: Sequence[Informer[Any]] = [manager.cache.informer(Widget), manager.cache.informer(CONFIG_MAPS)]

    def copied(name: str, size: int) -> bool:
        copy = manager.cache.get(CONFIG_MAPS, ("one", name))
        widget = manager.cache.get(Widget, ("one", name))
        status = WidgetStatus(ready=True, size=size)
        return (
            copy is not None and copy["data"] == {"size": str(size)} and widget is not None and widget.status == status
        )

    for number in range(50):
        await user.create(widget(f"w{number}", size=number))
    await until(held, lambda: all(copied(f"w{number}", number) for number in range(50)))
    assert copier.passes <= 150
    await user.patch(Widget, ("one", "w1"), MergePatch({"spec": {"size": 77}}))
    await until(held, lambda: copied("w1", 77))
    await user.patch(CONFIG_MAPS, ("one", "w2"), MergePatch({"data": {"size": "tampered"}}))
    await until(held, lambda: copied("w2", 2))
    await user.delete(CONFIG_MAPS, ("one", "w3"))
    await until(held, lambda: manager.cache.get(CONFIG_MAPS, ("one", "w3")) is not None)
    await user.delete(Widget, ("one", "w4"))
    await until(held, lambda: manager.cache.get(CONFIG_MAPS, ("one", "w4")) is None)
    manager.stop()
    await task


async def test_leader_election(client: Client, connect: Callable[[str], Client]) -> None:
    periods = {"lease_duration": 1.5, "renew_deadline": 1.0, "retry_period": 0.05}
    first, second = (LeaderElector(connect("admin"), ("one", "hub"), name, **periods) for name in ("first", "second"))
    first_run = asyncio.create_task(first.run())
    await first.wait_until_leading()
    second_run = asyncio.create_task(second.run())
    await asyncio.sleep(0.2)
    assert first.is_leader
    assert not second.is_leader
    first_run.cancel()
    await asyncio.wait([first_run])
    async with asyncio.timeout(1):
        await second.wait_until_leading()
    spec = (await client.get(Lease, ("one", "hub"))).spec
    assert (spec.holder_identity, spec.lease_transitions) == ("second", 1)
    second_run.cancel()
    await asyncio.wait([second_run])


async def test_events(client: Client) -> None:
    recorder = EventRecorder(client, "echelon.dev/test", "test-0")
    task = asyncio.create_task(recorder.run())
    about = await client.create(widget())
    version = about.metadata.resource_version
    recorder.event(about, "Warning", "Failed", "It does not work.")
    async with asyncio.timeout(5), client.watch(EVENT, namespace="one", resource_version=version) as events:
        event = (await anext(events)).object
    assert event is not None
    assert (event["reason"], event["regarding"]["uid"]) == ("Failed", about.metadata.uid)
    task.cancel()
    await asyncio.wait([task])
