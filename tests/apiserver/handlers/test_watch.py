"""Watches: where they begin, what they show, how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from echelon.apiserver.handlers import watch as watching

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def test_begins_with_what_exists(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    for query in ("watch=1", "watch=true&resourceVersion=0"):
        async with api.watch(f"{CONFIGMAPS}?{query}") as stream:
            assert await stream.head() == 200
            assert await stream.events(1) == [("ADDED", "a")]


async def test_follows_a_revision(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    revision = (await api.get(CONFIGMAPS)).json["metadata"]["resourceVersion"]
    await api.patch(CONFIGMAPS + "/a", {"data": {"k": "w"}})
    async with api.watch(f"{CONFIGMAPS}?watch=1&resourceVersion={revision}") as stream:
        await stream.head()
        await api.post(CONFIGMAPS, config_map("b"))
        await api.delete(CONFIGMAPS + "/a")
        assert await stream.events(3) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_other_namespaces_are_not_shown(api: Any, config_map: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1") as stream:
        await stream.head()
        await api.post("/api/v1/namespaces/kube-system/configmaps", config_map("other"))
        await api.post(CONFIGMAPS, config_map("mine"))
        assert await stream.events(1) == [("ADDED", "mine")]


async def test_objects_enter_and_leave_a_selection(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a", labels={"w": "1"}))
    async with api.watch(CONFIGMAPS + "?watch=1&labelSelector=w%3D1") as stream:
        await stream.head()
        assert await stream.events(1) == [("ADDED", "a")]
        changed = (await api.patch(CONFIGMAPS + "/a", {"metadata": {"labels": {"w": "2"}}})).json
        left = await stream.event()
        assert left["type"] == "DELETED"
        assert left["object"]["metadata"]["labels"] == {"w": "1"}
        assert left["object"]["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
        await api.patch(CONFIGMAPS + "/a", {"data": {"unseen": "x"}})
        await api.patch(CONFIGMAPS + "/a", {"metadata": {"labels": {"w": "1"}}})
        await api.patch(CONFIGMAPS + "/a", {"data": {"seen": "x"}})
        await api.delete(CONFIGMAPS + "/a")
        assert await stream.events(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_streaming_lists_end_with_a_bookmark(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.watch(f"{CONFIGMAPS}?{query}") as stream:
        await stream.head()
        assert await stream.events(1) == [("ADDED", "a")]
        bookmark = await stream.event()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "ConfigMap"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await api.post(CONFIGMAPS, config_map("b"))
        assert await stream.events(1) == [("ADDED", "b")]


async def test_without_initial_events_nothing_stored_is_shown(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    query = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    async with api.watch(f"{CONFIGMAPS}?{query}") as stream:
        await stream.head()
        await api.post(CONFIGMAPS, config_map("b"))
        assert await stream.events(1) == [("ADDED", "b")]


async def test_bookmarks_come_in_between(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_INTERVAL", 0.01)
    async with api.watch(CONFIGMAPS + "?watch=1&allowWatchBookmarks=true") as stream:
        await stream.head()
        bookmark = await stream.event()
        assert bookmark["type"] == "BOOKMARK"
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) > 0


async def test_a_forgotten_or_future_revision_is_an_error_event(api: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1&resourceVersion=99999") as stream:
        assert await stream.head() == 200
        error = await stream.event()
        assert error["type"] == "ERROR"
        assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
        assert await stream.event() is None


async def test_a_watcher_that_fell_behind_is_told_so(api: Any, server: Any, config_map: Any) -> None:
    ring = server.objects.bucket(server.registry.get("", "configmaps")).ring
    ring._max_events = 2
    async with api.watch(CONFIGMAPS + "?watch=1") as stream:
        await stream.head()
        await stream.messages.get()
        writes = [api.post(CONFIGMAPS, config_map(f"c{index}")) for index in range(8)]
        await asyncio.gather(*writes)
        seen = []
        while (event := await stream.event()) is not None:
            seen.append(event["type"])
        assert seen[-1] == "ERROR"


async def test_ends_in_time(api: Any, config_map: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1&timeoutSeconds=1") as stream:
        await stream.head()
        assert await stream.event() is None


async def test_ends_with_the_server(api: Any, server: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1") as stream:
        await stream.head()
        server.end_streams()
        assert await stream.event() is None
    assert (await api.get(CONFIGMAPS + "?watch=1")).status == 503


async def test_a_client_that_goes_leaves_nothing_behind(api: Any, server: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1") as stream:
        await stream.head()
        assert len(server._context.streams) == 1
    assert len(server._context.streams) == 0


@pytest.mark.parametrize(
    ("form", "kind"),
    [("Table", "Table"), ("PartialObjectMetadata", "PartialObjectMetadata")],
)
async def test_other_forms(api: Any, config_map: Any, form: str, kind: str) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    accept = f"application/json;as={form};g=meta.k8s.io;v=v1"
    async with api.watch(CONFIGMAPS + "?watch=1", accept=accept) as stream:
        await stream.head()
        assert (await stream.event())["object"]["kind"] == kind
        await api.post(CONFIGMAPS, config_map("b"))
        assert (await stream.event())["object"]["kind"] == kind


async def test_other_versions(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    async with api.watch(widgets + "?watch=1") as one, api.watch(widgets + "?watch=1") as other:
        await one.head()
        await other.head()
        await api.post(widgets, widget)
        first, second = await one.event(), await other.event()
        assert first == second
        assert first["object"]["apiVersion"] == "example.com/v1"


async def test_watchers_share_what_is_encoded(api: Any, server: Any, config_map: Any) -> None:
    async with api.watch(CONFIGMAPS + "?watch=1") as one, api.watch("/api/v1/configmaps?watch=1") as other:
        await one.head()
        await other.head()
        await one.messages.get()
        await other.messages.get()
        await api.post(CONFIGMAPS, config_map("a"))
        first, second = await one.messages.get(), await other.messages.get()
        assert first["body"] == second["body"]
        assert first["body"].endswith(b"}\n")


async def test_sendinitialevents_needs_its_match(api: Any) -> None:
    reply = await api.get(CONFIGMAPS + "?watch=1&sendInitialEvents=true")
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")
