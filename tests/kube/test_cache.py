"""The cache that controllers share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from echelon.api.meta import ObjectMeta
from echelon.kube.asgi import AsgiTransport
from echelon.kube.cache import NoInformer, SharedCache
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.kube.testing import FakeServer, Request, Widget, WidgetSpec, WidgetStatus

pytestmark = pytest.mark.looptime

WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"


@asynccontextmanager
async def running(cache: SharedCache) -> AsyncIterator[None]:
    task = asyncio.create_task(cache.run())
    await cache.wait_for_sync()
    yield
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_one_informer_a_kind_and_selection(client: Client, server: FakeServer) -> None:
    cache = SharedCache(client)
    assert cache.informer(Widget) is cache.informer(Widget)
    assert cache.informer(Widget, labels={"a": "b"}) is cache.informer(Widget, labels={"a": "b"})
    assert cache.informer(Widget, labels={"a": "b"}) is not cache.informer(Widget)
    plain = Unstructured(Widget.resource)
    assert cache.informer(plain) is cache.informer(Unstructured(Widget.resource))
    assert cache.informer(plain) is not cache.informer(Widget)
    async with running(cache):
        assert cache.has_synced
    assert len(server.requests) == 3


async def test_reads(client: Client, server: FakeServer) -> None:
    cache = SharedCache(client)
    cache.informer(Widget).add_index("size", lambda widget: [str(widget.spec.size)])
    server.put(f"{WIDGETS}/a", {"spec": {"size": 3}})
    async with running(cache):
        found = cache.get(Widget, ("one", "a"))
        assert found is not None
        assert cache.list(Widget) == cache.list(Widget, "one") == cache.by_index(Widget, "size", "3") == [found]
        assert cache.list(Widget, "two") == []


async def test_kind_that_is_not_held_is_said(client: Client) -> None:
    cache = SharedCache(client)
    cache.informer(Widget, labels={"a": "b"})
    with pytest.raises(NoInformer, match="nothing holds all widgets"):
        cache.get(Widget, ("one", "a"))
    cache.informer(Widget, namespace="one")
    assert cache.get(Widget, ("one", "a")) is None
    assert cache.list(Widget, "one") == []
    with pytest.raises(NoInformer, match="in namespace two"):
        cache.get(Widget, ("two", "a"))
    with pytest.raises(NoInformer):
        cache.list(Widget)


async def test_informer_asked_for_later_starts_at_once_and_can_be_dropped(client: Client, server: FakeServer) -> None:
    cache = SharedCache(client)
    server.put(f"{WIDGETS}/a", {})
    async with running(cache):
        informer = cache.informer(Widget)
        await informer.wait_for_sync()
        assert cache.get(Widget, ("one", "a")) is not None
        await cache.drop(informer)
        with pytest.raises(NoInformer):
            cache.get(Widget, ("one", "a"))
        await cache.informer(Widget).wait_for_sync()


async def test_own_writes_are_in_the_cache_before_they_return(server: FakeServer) -> None:
    """Even when the watch is far behind, a controller does not meet an object from before its own write."""

    async def slow_watch(request: Request) -> None:
        if request.watch:
            await asyncio.sleep(30)

    client = Client(AsgiTransport(server))
    cache = SharedCache(client)
    cache.informer(Widget)
    kind = Unstructured(Widget.resource)
    async with running(cache):
        server.faults.append(slow_watch)
        server.break_watches()
        await asyncio.sleep(0.1)
        created = await client.create(Widget(metadata=ObjectMeta(name="a", namespace="one")))
        assert cache.get(Widget, ("one", "a")) == created
        changed = await client.patch_object(created, msgspec.structs.replace(created, spec=WidgetSpec(size=4)))
        assert cache.get(Widget, ("one", "a")) == changed
        ready = await client.patch_status(changed, msgspec.structs.replace(changed, status=WidgetStatus(ready=True)))
        assert cache.get(Widget, ("one", "a")) == ready
        await client.patch(Widget, ("one", "a"), MergePatch({"metadata": {"finalizers": ["test/keep"]}}))
        await client.delete(Widget, ("one", "a"))
        held = cache.get(Widget, ("one", "a"))
        assert held is not None
        assert held.metadata.deletion_timestamp
        await client.patch(kind, ("one", "a"), MergePatch({"metadata": {"labels": {"other": "representation"}}}))
        assert cache.get(Widget, ("one", "a")) == held
        await asyncio.sleep(60)
        held = cache.get(Widget, ("one", "a"))
        assert held is not None
        assert held.metadata.labels == {"other": "representation"}
    await client.close()


async def test_failing_informer_ends_the_cache(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SharedCache(client)

    async def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cache.informer(Widget), "run", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        await cache.run()
