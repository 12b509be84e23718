"""The manager: the order of starting and stopping, and what failures do."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from echelon.api.meta import Resource
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request
from echelon.kube.kinds import Unstructured
from echelon.kube.leader import LeaderElector, LeadershipLost, Lease
from echelon.kube.manager import Manager
from echelon.kube.patches import MergePatch
from echelon.kube.testing import FakeServer, Widget
from echelon.kube.testing import Request as Asked

pytestmark = pytest.mark.looptime

WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"


class Killed(BaseException):
    """The end of a process, at a fault point."""


async def test_nothing_is_reconciled_before_all_caches_have_synced(client: Client, server: FakeServer) -> None:
    manager = Manager(client)

    async def reconcile(request: Request) -> None:
        assert manager.ready
        assert len(manager.cache.list(Widget)) == 1
        manager.stop()

    async def slow(request: Asked) -> None:
        if "gadgets" in request.path:
            await asyncio.sleep(20)

    server.faults.append(slow)
    server.put(f"{WIDGETS}/a", {})
    manager.add(Controller("test", reconcile, For(Widget)))
    manager.cache.informer(Unstructured(Resource("test.echelon.dev", "v1", "gadgets", "Gadget", False)))
    await manager.run()
    assert asyncio.get_running_loop().time() == 20
    assert not manager.ready


async def test_stop_lets_passes_finish(client: Client) -> None:
    ended: list[str] = []

    async def reconcile(request: Request) -> None:
        try:
            await asyncio.sleep(float(request.name))
            ended.append(f"{request.name} finished")
        except asyncio.CancelledError:
            ended.append(f"{request.name} cancelled")
            raise

    controller = Controller("test", reconcile, workers=2)
    manager = Manager(client, grace=10)
    manager.add(controller)
    task = asyncio.create_task(manager.run())
    for seconds in ("5", "50", "6"):
        controller.enqueue(Request("", seconds))
    await asyncio.sleep(1)
    manager.stop()
    await task
    assert ended == ["5 finished", "50 cancelled"]
    assert asyncio.get_running_loop().time() == 11


async def test_cancellation_is_a_stop(client: Client) -> None:
    ended = asyncio.Event()

    async def reconcile(request: Request) -> None:
        await asyncio.sleep(5)
        ended.set()

    controller = Controller("test", reconcile)
    manager = Manager(client)
    manager.add(controller)
    task = asyncio.create_task(manager.run())
    controller.enqueue(Request("", "a"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_failing_runnable_stops_everything(client: Client) -> None:
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(5)
        raise RuntimeError("broken")

    async def other() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("other")

    async def short() -> None:
        ended.append("short")

    manager = Manager(client)
    manager.add_runnable("fail", fail)
    manager.add_runnable("other", other)
    manager.add_runnable("short", short)
    with pytest.raises(RuntimeError, match="broken"):
        await manager.run()
    assert ended == ["short", "other"]
    assert asyncio.get_running_loop().time() == 5


async def test_killed_pass_ends_everything_at_once(server: FakeServer) -> None:
    writes = 0

    def kill(method: str, path: str) -> None:
        nonlocal writes
        writes += 1
        if writes >= 3:
            raise Killed

    client = Client(AsgiTransport(server), before_write=kill)

    async def reconcile(request: Request) -> None:
        await client.patch(Widget, request.key, MergePatch({"spec": {"size": 1}}))
        await asyncio.sleep(5)
        await client.patch(Widget, request.key, MergePatch({"spec": {"size": 2}}))

    for name in "ab":
        server.put(f"{WIDGETS}/{name}", {})
    manager = Manager(client)
    manager.add(Controller("test", reconcile, For(Widget), workers=2))
    with pytest.raises(Killed):
        await manager.run()
    assert asyncio.get_running_loop().time() == 5
    assert {widget["spec"]["size"] for widget in server.objects(WIDGETS)} == {1}
    await client.close()


def elector(client: Client, identity: str) -> LeaderElector:
    return LeaderElector(client, ("system", "hub"), identity, rng=Random(1))


async def test_standby_has_warm_caches_and_takes_over(client: Client, server: FakeServer) -> None:
    leaders: list[str] = []
    server.put(f"{WIDGETS}/a", {})

    def manager(name: str) -> Manager:
        async def reconcile(request: Request) -> None:
            leaders.append(name)

        made = Manager(Client(AsgiTransport(server)), elector=elector(client, name))
        made.add(Controller(name, reconcile, For(Widget)))
        return made

    first, second = manager("first"), manager("second")
    first_run = asyncio.create_task(first.run())
    await asyncio.sleep(1)
    second_run = asyncio.create_task(second.run())
    await second.wait_until_ready()
    await asyncio.sleep(60)
    assert leaders == ["first"]
    assert len(second.cache.list(Widget)) == 1
    stopped_at = asyncio.get_running_loop().time()
    first.stop()
    await first_run
    await asyncio.sleep(3)
    assert leaders == ["first", "second"]
    assert asyncio.get_running_loop().time() - stopped_at == 3
    second.stop()
    await second_run
    assert (await client.get(Lease, ("system", "hub"))).spec.holder_identity == ""


async def test_lost_leadership_stops_the_manager(client: Client, server: FakeServer) -> None:
    manager = Manager(client, elector=elector(client, "first"))
    manager.add_runnable("forever", lambda: asyncio.sleep(10000))
    task = asyncio.create_task(manager.run())
    await asyncio.sleep(5)
    await client.patch(Lease, ("system", "hub"), MergePatch({"spec": {"holderIdentity": "usurper"}}))
    with pytest.raises(LeadershipLost, match="usurper"):
        await task
