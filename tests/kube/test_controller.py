"""Controllers: which changes become requests, and what follows from each end of a pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest
import structlog

from echelon.api.meta import KubeObject, ObjectMeta, Resource
from echelon.kube.client import Client
from echelon.kube.controller import (
    Controller,
    For,
    Owns,
    Request,
    Result,
    TerminalError,
    Watches,
    annotations_changed,
    any_of,
    generation_changed,
    labels_changed,
)
from echelon.kube.errors import Conflict, TooManyRequests
from echelon.kube.kinds import Unstructured
from echelon.kube.manager import Manager
from echelon.kube.patches import MergePatch
from echelon.kube.testing import FakeServer, Widget

pytestmark = pytest.mark.looptime

WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"
A = Request("one", "a")


class Gadget(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("test.echelon.dev", "v1", "gadgets", "Gadget", False)


class Passes:
    """A reconcile function that notes when it was called for what, and then does as told."""

    def __init__(self) -> None:
        self.calls: list[Request] = []
        self.times: list[float] = []
        self.ends: list[Result | BaseException | None] = []

    async def __call__(self, request: Request) -> Result | None:
        self.calls.append(request)
        self.times.append(asyncio.get_running_loop().time())
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, BaseException):
            raise end
        return end


@pytest.fixture
def passes() -> Passes:
    return Passes()


Running = Callable[..., AbstractAsyncContextManager[Manager]]


@pytest.fixture
def running(client: Client) -> Running:
    @asynccontextmanager
    async def run(*controllers: Controller, **options: Any) -> AsyncIterator[Manager]:
        manager = Manager(client, **options)
        manager.add(*controllers)
        task = asyncio.create_task(manager.run())
        await manager.wait_until_ready()
        yield manager
        manager.stop()
        await task

    return run


async def settle() -> None:
    await asyncio.sleep(0.001)


async def test_changes_of_the_object_itself(server: FakeServer, passes: Passes, running: Running) -> None:
    server.put(f"{WIDGETS}/a", {})
    async with running(Controller("test", passes, For(Widget))):
        await settle()
        assert passes.calls == [A]
        server.put(f"{WIDGETS}/a", {"spec": {"size": 1}})
        await settle()
        server.put(f"{WIDGETS}/b", {})
        await settle()
        server.remove(f"{WIDGETS}/a")
        await settle()
    assert passes.calls == [A, A, Request("one", "b"), A]


async def test_changes_of_owned_objects(server: FakeServer, passes: Passes, running: Running) -> None:
    def owned_by(kind: str, name: str, *, controller: bool = True, group: str = "test.echelon.dev") -> dict[str, Any]:
        reference = {"apiVersion": f"{group}/v1", "kind": kind, "name": name, "uid": "u", "controller": controller}
        return {"metadata": {"ownerReferences": [reference]}}

    server.put(f"{WIDGETS}/a", owned_by("Widget", "parent"))
    server.put(f"{WIDGETS}/b", owned_by("Widget", "no-controller", controller=False))
    server.put(f"{WIDGETS}/c", owned_by("Widget", "elsewhere", group="example.org"))
    server.put(f"{WIDGETS}/d", owned_by("Gadget", "wide"))
    server.put(f"{WIDGETS}/e", {})
    by_widget = Controller("test", passes, Owns(Widget, owner=Widget))
    by_gadget = Controller("test", passes, Owns(Widget, owner=Gadget))
    async with running(by_widget, by_gadget):
        await settle()
    assert sorted(passes.calls) == [Request("", "wide"), Request("one", "parent")]


async def test_mapped_changes_concern_the_old_and_the_new(server: FakeServer, passes: Passes, running: Running) -> None:
    def by_size(widget: Widget) -> list[Request]:
        return [Request("", str(widget.spec.size))]

    server.put(f"{WIDGETS}/a", {"spec": {"size": 1}})
    async with running(Controller("test", passes, Watches(Widget, by_size))):
        await settle()
        server.put(f"{WIDGETS}/a", {"spec": {"size": 2}})
        await settle()
    assert passes.calls == [Request("", "1"), Request("", "1"), Request("", "2")]


async def test_unstructured_objects(server: FakeServer, passes: Passes, running: Running) -> None:
    kind = Unstructured(Widget.resource)
    server.put(f"{WIDGETS}/a", {"spec": {"size": 1}})
    async with running(Controller("test", passes, For(kind, generation_changed))) as manager:
        await settle()
        found = manager.cache.get(kind, A.key)
        assert found is not None
        assert found["spec"] == {"size": 1}
        server.put(f"{WIDGETS}/a", {"spec": {"size": 1}, "status": {"ready": True}})
        await settle()
    assert passes.calls == [A]


@pytest.mark.parametrize(
    ("change", "seen_by"),
    [
        ({"spec": {"size": 1}}, {"generation"}),
        ({"status": {"ready": True}}, set()),
        ({"metadata": {"labels": {"a": "b"}}}, {"labels", "either"}),
        ({"metadata": {"annotations": {"a": "b"}}}, {"annotations", "either"}),
        ({"metadata": {"finalizers": ["test/other"]}}, set()),
        ("delete", {"generation"}),
    ],
)
async def test_predicates(server: FakeServer, client: Client, running: Running, change: Any, seen_by: set[str]) -> None:
    predicates = {
        "generation": generation_changed,
        "labels": labels_changed,
        "annotations": annotations_changed,
        "either": any_of(labels_changed, annotations_changed),
    }
    seen: set[str] = set()

    def note(name: str) -> Callable[[Request], Any]:
        async def reconcile(request: Request) -> None:
            seen.add(name)

        return reconcile

    server.put(f"{WIDGETS}/a", {"metadata": {"finalizers": ["test/keep"]}})
    async with running(*(Controller(name, note(name), For(Widget, rule)) for name, rule in predicates.items())):
        await settle()
        assert seen == set(predicates)  # additions pass
        seen.clear()
        if change == "delete":
            await client.delete(Widget, A.key)
        else:
            subresource = "status" if "status" in change else None
            await client.patch(Widget, A.key, MergePatch(change), subresource=subresource)
        await settle()
        assert seen == seen_by


async def test_requeue_after(passes: Passes, running: Running) -> None:
    passes.ends = [Result(requeue_after=30), Result(), None]
    controller = Controller("test", passes)
    async with running(controller):
        controller.enqueue(A)
        await asyncio.sleep(100)
    assert passes.times == [0, 30]


async def test_errors_come_back_later_each_time(passes: Passes, running: Running) -> None:
    passes.ends = [Conflict("changed"), RuntimeError("a bug"), Conflict("changed"), None, Conflict("changed")]
    controller = Controller("test", passes)
    with structlog.testing.capture_logs() as lines:
        async with running(controller):
            controller.enqueue(A)
            await asyncio.sleep(1)
            controller.enqueue(A)
            await asyncio.sleep(1)
    assert passes.times == pytest.approx([0, 0.005, 0.015, 0.035, 1, 1.005])
    failures = [line for line in lines if line["event"] == "reconcile failed"]
    assert [line["reason"] for line in failures] == ["Conflict", "RuntimeError", "Conflict", "Conflict"]
    assert [bool(line["exc_info"]) for line in failures] == [False, True, False, False]


async def test_server_that_asks_for_time_gets_it(passes: Passes, running: Running) -> None:
    passes.ends = [TooManyRequests("busy", retry_after=40)]
    controller = Controller("test", passes)
    async with running(controller):
        controller.enqueue(A)
        await asyncio.sleep(100)
    assert passes.times == [0, 40]


async def test_terminal_error_does_not_come_back(passes: Passes, running: Running) -> None:
    passes.ends = [TerminalError("the spec makes no sense")]
    controller = Controller("test", passes)
    with structlog.testing.capture_logs() as lines:
        async with running(controller):
            controller.enqueue(A)
            await asyncio.sleep(5000)
            assert len(passes.calls) == 1
            controller.enqueue(A)
            await settle()
    assert len(passes.calls) == 2
    assert "the spec makes no sense" in [line.get("error") for line in lines]


async def test_burst_is_one_pass(passes: Passes, running: Running) -> None:
    controller = Controller("test", passes, coalesce=1.0)
    async with running(controller):
        for _ in range(10):
            controller.enqueue(A)
            await asyncio.sleep(0.05)
        await asyncio.sleep(5)
    assert passes.times == [1.0]


async def test_pass_that_takes_too_long_fails(running: Running) -> None:
    times: list[float] = []

    async def reconcile(request: Request) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            await asyncio.sleep(1000)

    controller = Controller("test", reconcile, timeout=20)
    async with running(controller):
        controller.enqueue(A)
        await asyncio.sleep(100)
    assert times == [0, 20.005]


async def test_workers_never_share_an_object(running: Running) -> None:
    under_way: list[Request] = []
    most = 0

    async def reconcile(request: Request) -> None:
        nonlocal most
        assert request not in under_way
        under_way.append(request)
        most = max(most, len(under_way))
        await asyncio.sleep(1)
        under_way.remove(request)

    controller = Controller("test", reconcile, workers=3)
    async with running(controller):
        for _ in range(3):
            for name in "abcde":
                controller.enqueue(Request("", name))
            await asyncio.sleep(0.5)
        await asyncio.sleep(20)
    assert most == 3


async def test_what_users_do_goes_before_what_is_found_at_the_start(
    server: FakeServer, running: Running, client: Client
) -> None:
    order: list[str] = []

    async def reconcile(request: Request) -> None:
        order.append(request.name)
        await asyncio.sleep(1)

    for number in range(5):
        server.put(f"{WIDGETS}/w{number}", {})
    async with running(Controller("test", reconcile, For(Widget))):
        await asyncio.sleep(0.5)
        await client.create(Widget(metadata=ObjectMeta(name="new", namespace="one")))
        await asyncio.sleep(10)
    assert order[1] == "new"
    assert len(order) == 6


async def test_log_lines_of_a_pass_name_controller_and_object(running: Running) -> None:
    bound: dict[str, Any] = {}

    async def reconcile(request: Request) -> None:
        bound.update(structlog.contextvars.get_contextvars())

    controller = Controller("test", reconcile)
    async with running(controller):
        controller.enqueue(A)
        await settle()
    assert bound == {"controller": "test", "request": "one/a"}
