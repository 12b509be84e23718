"""A reflector survives whatever a server does, and does not flood it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from random import Random

import pytest

from echelon.kube.client import Client, EventType
from echelon.kube.kinds import kind_of
from echelon.kube.reflector import Reflector
from echelon.kube.testing import Drop, FakeServer, Refusal, Request, Widget

pytestmark = pytest.mark.looptime

WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"


class Recorder:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.heard = asyncio.Event()

    def replace(self, objects: Sequence[Widget], resource_version: str) -> None:
        self._tell(f"all {' '.join(sorted(obj.metadata.name for obj in objects))}".rstrip())

    def changed(self, type_: EventType, obj: Widget) -> None:
        self._tell(f"{type_} {obj.metadata.name}")

    def advanced(self, resource_version: str) -> None:
        self._tell(f"at {resource_version}")

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self.heard.set()

    async def wait_for(self, *told: str) -> None:
        while self.told[-len(told) :] != list(told):
            self.heard.clear()
            await self.heard.wait()


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


Running = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def running(client: Client, sink: Recorder) -> Running:
    @asynccontextmanager
    async def run(**options: str) -> AsyncIterator[None]:
        reflector = Reflector(client, kind_of(Widget), sink, rng=Random(1), **options)
        task = asyncio.create_task(reflector.run())
        yield
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    return run


def lists(server: FakeServer) -> int:
    return sum(not request.watch for request in server.requests)


async def test_streaming_list_and_watch_are_one_request(server: FakeServer, sink: Recorder, running: Running) -> None:
    server.put(f"{WIDGETS}/a", {})
    async with running():
        await sink.wait_for("all a")
        server.put(f"{WIDGETS}/b", {})
        server.put(f"{WIDGETS}/b", {"spec": {"size": 1}})
        server.remove(f"{WIDGETS}/a")
        await sink.wait_for("all a", "ADDED b", "MODIFIED b", "DELETED a")
    (request,) = server.requests
    assert request.query["sendInitialEvents"] == "true"
    assert 300 <= int(request.query["timeoutSeconds"]) <= 600


async def test_paged_list_where_there_is_no_streaming_list(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    server.streaming_lists = False
    for number in range(1200):
        server.put(f"{WIDGETS}/w{number:04}", {})
    async with running():
        await sink.wait_for("all " + " ".join(f"w{number:04}" for number in range(1200)))
        server.put(f"{WIDGETS}/x", {})
        await sink.wait_for("ADDED x")
    assert [request.watch for request in server.requests] == [True, False, False, False, True]


async def test_pages_that_expire_are_read_again_as_a_whole(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    server.streaming_lists = False
    for number in range(600):
        server.put(f"{WIDGETS}/w{number:04}", {})

    async def compact(request: Request) -> None:
        if "continue" in request.query:
            server.put(f"{WIDGETS}/w0000", {"spec": {"size": 1}})
            server.compact()

    server.faults.append(compact)
    async with running():
        await sink.wait_for("all " + " ".join(f"w{number:04}" for number in range(600)))
    assert "limit" not in [request for request in server.requests if not request.watch][-1].query


async def test_watch_that_ends_after_a_while_goes_on_at_once(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    async with running():
        await sink.wait_for("all")
        await asyncio.sleep(1200)
        server.put(f"{WIDGETS}/a", {})
        await sink.wait_for("all", "ADDED a")
    assert lists(server) == 0
    assert 3 <= len(server.requests) <= 5
    assert all(request.query["resourceVersion"] for request in server.requests[2:])


async def test_broken_watch_resumes_where_it_was(server: FakeServer, sink: Recorder, running: Running) -> None:
    async with running():
        await sink.wait_for("all")
        server.put(f"{WIDGETS}/a", {})
        await sink.wait_for("ADDED a")
        server.break_watches()
        server.put(f"{WIDGETS}/b", {})
        await sink.wait_for("all", "ADDED a", "ADDED b")
    assert server.requests[-1].query["resourceVersion"] == "2"


async def test_expired_position_lists_anew_at_once(server: FakeServer, sink: Recorder, running: Running) -> None:
    server.put(f"{WIDGETS}/a", {})
    async with running():
        await sink.wait_for("all a")
        await asyncio.sleep(100)
        server.break_watches()
        server.remove(f"{WIDGETS}/a")
        server.put(f"{WIDGETS}/b", {})
        server.compact()
        before = asyncio.get_running_loop().time()
        await sink.wait_for("all a", "all b")
        assert asyncio.get_running_loop().time() == before


async def test_server_that_ends_each_watch_at_once_is_not_flooded(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    server.watches_end_at_once = True
    async with running():
        await asyncio.sleep(3600)
    assert 60 <= len(server.requests) <= 250


async def test_failing_server_is_not_flooded(server: FakeServer, sink: Recorder, running: Running) -> None:
    async def fail(request: Request) -> None:
        raise Refusal(500, "InternalError")

    server.faults.append(fail)
    async with running():
        await asyncio.sleep(3600)
        assert 60 <= len(server.requests) <= 250
        server.faults.clear()
        server.put(f"{WIDGETS}/a", {})
        await asyncio.sleep(31)
        assert sink.told == ["all a"]


async def test_delays_grow_and_start_over_after_a_stable_run(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    times: list[float] = []
    down = True

    async def fail(request: Request) -> None:
        times.append(asyncio.get_running_loop().time())
        if down:
            raise Drop

    server.faults.append(fail)
    async with running():
        await asyncio.sleep(20)
        delays = [later - earlier for earlier, later in pairwise(times)]
        assert 0.8 <= delays[0] <= 1.6
        assert 1.6 <= delays[1] <= 3.2
        down = False
        await sink.wait_for("all")
        await asyncio.sleep(60)
        down = True
        times.clear()
        server.break_watches()
        await asyncio.sleep(4)
        assert 0.8 <= times[1] - times[0] <= 1.6


async def test_retry_after_is_honoured(server: FakeServer, sink: Recorder, running: Running) -> None:
    async def fail(request: Request) -> None:
        if len(server.requests) == 1:
            raise Refusal(503, "ServiceUnavailable", retry_after=17)

    server.faults.append(fail)
    async with running():
        await sink.wait_for("all")
        assert asyncio.get_running_loop().time() == 17


async def test_object_that_cannot_be_decoded_keeps_what_is_held(
    server: FakeServer, sink: Recorder, running: Running
) -> None:
    server.put(f"{WIDGETS}/a", {})
    async with running():
        await sink.wait_for("all a")
        server.put(f"{WIDGETS}/b", {"spec": {"size": "large"}})
        await asyncio.sleep(300)
        assert sink.told == ["all a"]
        assert len(server.requests) < 25
        server.put(f"{WIDGETS}/b", {"spec": {"size": 3}})
        await sink.wait_for("all a", "all a b")


async def test_server_begun_anew_is_listed_anew(server: FakeServer, sink: Recorder, running: Running) -> None:
    for _ in range(5):
        server.put(f"{WIDGETS}/a", {"spec": {"size": server.version}})
    async with running():
        await sink.wait_for("all a")
        server.restart_from_nothing()
        server.put(f"{WIDGETS}/b", {})
        await sink.wait_for("all a", "all b")


async def test_selection_reaches_the_server(server: FakeServer, sink: Recorder, client: Client) -> None:
    server.put(f"{WIDGETS}/a", {"metadata": {"labels": {"tier": "front"}}})
    server.put(f"{WIDGETS}/b", {})
    server.put("/apis/test.echelon.dev/v1/namespaces/two/widgets/c", {"metadata": {"labels": {"tier": "front"}}})
    reflector = Reflector(client, kind_of(Widget), sink, namespace="one", labels={"tier": "front"})
    task = asyncio.create_task(reflector.run())
    await sink.wait_for("all a")
    server.put(f"{WIDGETS}/a", {})
    await sink.wait_for("all a", "DELETED a")
    task.cancel()
    await asyncio.wait([task])
