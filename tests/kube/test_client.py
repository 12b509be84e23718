"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from echelon.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, Resource
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    NotFound,
    ServerError,
    TooManyRequests,
    Undecodable,
    Unreachable,
)
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import ApplyPatch, JsonPatch, MergePatch
from echelon.kube.rest import RateLimit
from echelon.kube.testing import Drop, FakeServer, Refusal, Request, Widget, WidgetSpec, WidgetStatus

pytestmark = pytest.mark.looptime

A = ("one", "a")
WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"
PLAIN = Unstructured(Widget.resource)
NODES = Unstructured(Resource("", "v1", "nodes", "Node", False))


def widget(name: str = "a", **spec: Any) -> Widget:
    return Widget(metadata=ObjectMeta(name=name, namespace="one"), spec=WidgetSpec(**spec))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_life_of_a_typed_object(client: Client, server: FakeServer) -> None:
    with pytest.raises(NotFound):
        await client.get(Widget, A)
    created = await client.create(widget(size=1))
    assert created.spec.size == 1
    assert created.metadata.uid
    assert server.requests[-1].content == {
        "apiVersion": "test.echelon.dev/v1",
        "kind": "Widget",
        "metadata": {"name": "a", "namespace": "one"},
        "spec": {"size": 1},
    }
    with pytest.raises(AlreadyExists):
        await client.create(widget())
    bigger = await client.update(msgspec.structs.replace(created, spec=WidgetSpec(size=2)))
    with pytest.raises(Conflict):
        await client.update(created)
    ready = await client.update_status(msgspec.structs.replace(bigger, status=WidgetStatus(ready=True)))
    assert ready.status.ready
    assert await client.get(Widget, A) == ready
    await client.delete(Widget, A)
    with pytest.raises(NotFound):
        await client.delete(Widget, A)
    await client.delete(Widget, A, missing_ok=True)


async def test_cluster_scoped_dicts(client: Client, server: FakeServer) -> None:
    await client.create({"metadata": {"name": "system:n/1"}}, NODES)
    assert server.requests[-1].path == "/api/v1/nodes"
    assert server.requests[-1].content["kind"] == "Node"
    with pytest.raises(NotFound):
        await client.get(NODES, "system:n")


async def test_names_are_escaped() -> None:
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["raw_path"].decode())

    client = Client(AsgiTransport(app))
    with pytest.raises(Unreachable):
        await client.get(NODES, "system:n/../1?x")
    assert asked == ["/api/v1/nodes/system:n%2F..%2F1%3Fx"]


async def test_patches(client: Client, server: FakeServer) -> None:
    await client.create(widget(size=1))
    assert (await client.patch(Widget, A, MergePatch({"spec": {"size": 2}}))).spec.size == 2
    replace = JsonPatch([{"op": "replace", "path": "/spec/size", "value": 3}])
    assert (await client.patch(PLAIN, A, replace))["spec"]["size"] == 3
    status = await client.patch(Widget, A, MergePatch({"status": {"ready": True}}), subresource="status")
    assert status.status.ready
    applied = await client.apply(widget("b", size=4))
    assert applied.spec.size == 4
    assert server.requests[-1].query == {"fieldManager": "echelon", "force": "true"}
    await client.patch(Widget, ("one", "b"), ApplyPatch({"metadata": {}}))
    assert "force" not in server.requests[-1].query


async def test_difference_patches_send_only_what_changed(client: Client, server: FakeServer) -> None:
    server.put(f"{WIDGETS}/a", {"spec": {"size": 1, "colour": "red"}, "status": {"since": "yesterday"}})
    old = await client.get(Widget, A)
    requests = len(server.requests)
    assert await client.patch_object(old, old) is old
    assert await client.patch_status(old, msgspec.structs.replace(old, spec=WidgetSpec(size=9))) is old
    assert len(server.requests) == requests
    metadata = msgspec.structs.replace(old.metadata, labels={"x": "y"})
    new = msgspec.structs.replace(old, metadata=metadata, spec=WidgetSpec(), status=WidgetStatus(ready=True))
    await client.patch_object(old, new)
    assert server.requests[-1].content == {"metadata": {"labels": {"x": "y"}}, "spec": {"size": None}}
    await client.patch_status(old, new)
    assert server.requests[-1].path == f"{WIDGETS}/a/status"
    assert server.requests[-1].content == {"status": {"ready": True}}
    stored = server.get(f"{WIDGETS}/a")
    assert stored is not None
    assert stored["spec"] == {"colour": "red"}
    assert stored["status"] == {"since": "yesterday", "ready": True}


async def test_locked_patch_holds_for_one_version(client: Client, server: FakeServer) -> None:
    old = await client.create(widget(size=1))
    new = msgspec.structs.replace(old, status=WidgetStatus(ready=True))
    server.put(f"{WIDGETS}/a", {"spec": {"size": 2}})
    with pytest.raises(Conflict):
        await client.patch_status(old, new, lock=True)
    assert (await client.patch_status(old, new)).status.ready


async def test_lists_follow_pages_and_selectors(client: Client, server: FakeServer) -> None:
    for number in range(1001):
        server.put(f"{WIDGETS}/w{number:04}", {"metadata": {"labels": {"odd": str(number % 2)}}})
    found = await client.list(Widget)
    assert [item.metadata.name for item in found.items] == [f"w{number:04}" for number in range(1001)]
    assert found.resource_version == "1002"
    assert len(server.requests) == 3
    selector = LabelSelector(match_expressions=[LabelSelectorRequirement("odd", "In", ["1", "3"])])
    odd = await client.list(PLAIN, namespace="one", labels=selector, fields="metadata.name!=x")
    assert len(odd.items) == 500
    assert all(item["kind"] == "Widget" for item in odd.items)
    assert server.requests[-1].path == WIDGETS
    assert server.requests[-1].query["fieldSelector"] == "metadata.name!=x"


async def test_deletes_with_conditions_and_in_bulk(client: Client, server: FakeServer) -> None:
    first = await client.create(widget())
    with pytest.raises(Conflict):
        await client.delete(Widget, A, uid="another")
    await client.delete(Widget, A, uid=first.metadata.uid, propagation="Foreground")
    assert server.requests[-1].content == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": first.metadata.uid},
    }
    server.put(f"{WIDGETS}/b", {"metadata": {"labels": {"x": "y"}}})
    server.put(f"{WIDGETS}/c", {})
    await client.delete_all(Widget, namespace="one", labels={"x": "y"})
    assert [obj["metadata"]["name"] for obj in server.objects(WIDGETS)] == ["c"]


async def test_watch(client: Client, server: FakeServer) -> None:
    first = await client.create(widget())
    async with client.watch(Widget, resource_version=first.metadata.resource_version, timeout=30) as events:
        server.put(f"{WIDGETS}/a", {"spec": {"size": 1}})
        server.remove(f"{WIDGETS}/a")
        seen = [(event.type, event.resource_version) async for event in events]
    assert seen == [("MODIFIED", "3"), ("DELETED", "4")]
    server.compact()
    with pytest.raises(Expired, match="too old resource version"):
        async with client.watch(Widget, resource_version="2") as events:
            await anext(events)


async def test_watch_that_gives_nonsense() -> None:
    answers = [b"nonsense\n", b'{"type":"STRANGE","object":{}}\n', b'{"type":"ADDED","object":{"metadata":5}}\n']

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answers.pop(0)})

    client = Client(AsgiTransport(app))
    while answers:
        with pytest.raises(Undecodable):
            async with client.watch(Widget) as events:
                await anext(events)


async def test_server_that_does_not_end_a_watch_is_left(server: FakeServer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        await receive()

    client = Client(AsgiTransport(app))
    with pytest.raises(Unreachable, match="within 75 s"):
        async with client.watch(Widget, timeout=60) as events:
            await anext(events)
    assert now() == 75


async def test_busy_server_is_waited_for(client: Client, server: FakeServer) -> None:
    async def busy(request: Request) -> None:
        if len(server.requests) <= 3:
            raise Refusal(429, "TooManyRequests", retry_after=2)

    server.faults.append(busy)
    await client.list(Widget)
    assert now() == 6
    assert len(server.requests) == 4


@pytest.mark.parametrize(("retry_after", "tries"), [(None, 1), (31, 1), (10, 4), (1, 5)])
async def test_patience_has_an_end(client: Client, server: FakeServer, retry_after: int | None, tries: int) -> None:
    async def busy(request: Request) -> None:
        raise Refusal(429, "TooManyRequests", retry_after=retry_after)

    server.faults.append(busy)
    with pytest.raises(TooManyRequests) as caught:
        await client.list(Widget)
    assert caught.value.retry_after == retry_after
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    ("fault", "error"), [(Refusal(503, "ServiceUnavailable", retry_after=1), ServerError), (Drop(), Unreachable)]
)
async def test_other_failures_are_not_retried(
    client: Client, server: FakeServer, fault: Exception, error: type[ApiError]
) -> None:
    async def fail(request: Request) -> None:
        raise fault

    server.faults.append(fail)
    with pytest.raises(error):
        await client.list(Widget)
    assert len(server.requests) == 1


async def test_fault_point_is_passed_before_each_write_and_no_read(server: FakeServer) -> None:
    points: list[str] = []
    client = Client(AsgiTransport(server), before_write=lambda method, path: points.append(f"{method} {path}"))
    created = await client.create(widget())
    await client.get(Widget, A)
    await client.list(Widget)
    async with client.watch(Widget, timeout=1):
        pass
    await client.patch_status(created, msgspec.structs.replace(created, status=WidgetStatus(ready=True)))
    await client.delete(Widget, A)
    await client.delete_all(Widget, namespace="one")
    assert points == [f"POST {WIDGETS}", f"PATCH {WIDGETS}/a/status", f"DELETE {WIDGETS}/a", f"DELETE {WIDGETS}"]

    def fail(method: str, path: str) -> None:
        raise RuntimeError("killed")

    requests = len(server.requests)
    with pytest.raises(RuntimeError, match="killed"):
        await Client(AsgiTransport(server), before_write=fail).create(widget())
    assert len(server.requests) == requests


async def test_requests_are_counted(client: Client, server: FakeServer) -> None:
    importlib.import_module("echelon.kube.metrics")  # which servers load with their controllers

    def counted(verb: str, code: str) -> float:
        return REGISTRY.get_sample_value("echelon_kube_requests_total", {"verb": verb, "code": code}) or 0.0

    before = counted("create", "201"), counted("get", "404"), counted("watch", "200")
    await client.create(widget())
    with pytest.raises(NotFound):
        await client.get(Widget, ("one", "b"))
    async with client.watch(Widget, timeout=1):
        pass
    after = counted("create", "201"), counted("get", "404"), counted("watch", "200")
    assert after == tuple(count + 1 for count in before)


async def test_rate_limit(server: FakeServer) -> None:
    client = Client(AsgiTransport(server), rate_limit=RateLimit(per_second=2, burst=3))
    await asyncio.gather(*(client.list(Widget) for _ in range(7)))
    assert now() == pytest.approx(2)
    await asyncio.sleep(100)
    before = now()
    await asyncio.gather(*(client.list(Widget) for _ in range(3)))
    assert now() == before


async def test_version_and_raw_answers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b'{"major":"1","minor":"33","gitVersion":"v1.33.0","platform":"linux/amd64","extra":1}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    client = Client(AsgiTransport(app))
    version = await client.version()
    assert (version.git_version, version.minor) == ("v1.33.0", "33")
    assert (await client.get_raw("/version")).startswith(b'{"major"')


async def test_observers_see_writes_and_no_reads(client: Client, server: FakeServer) -> None:
    seen: list[Any] = []
    client.observers.append(lambda kind, obj: seen.append((kind.resource.kind, kind.key(obj))))
    await client.create(widget())
    await client.get(Widget, A)
    await client.patch(PLAIN, A, MergePatch({"metadata": {"finalizers": ["test/keep"]}}))
    await client.delete(Widget, A)
    await client.patch(Widget, A, MergePatch({"metadata": {"finalizers": None}}))
    await client.create(widget())
    await client.delete(Widget, A)
    expected: Sequence[Any] = [("Widget", A)] * 5
    assert seen == expected
