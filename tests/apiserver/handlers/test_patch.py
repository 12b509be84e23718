"""Patches of every type, and server-side apply."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def stored(api: Any, config_map: Any) -> Any:
    return (await api.post(CONFIGMAPS, config_map("a"))).json


async def test_merge(api: Any, stored: Any) -> None:
    reply = await api.patch(CONFIGMAPS + "/a", {"data": {"k": None, "n": "1"}})
    assert reply.json["data"] == {"n": "1"}


async def test_json(api: Any, stored: Any) -> None:
    operations = [{"op": "test", "path": "/data/k", "value": "v"}, {"op": "add", "path": "/data/n", "value": "1"}]
    reply = await api.patch(CONFIGMAPS + "/a", operations, "json-patch+json")
    assert reply.json["data"] == {"k": "v", "n": "1"}


async def test_strategic(api: Any, stored: Any) -> None:
    reply = await api.patch(
        CONFIGMAPS + "/a", {"metadata": {"finalizers": ["example.com/x"]}}, "strategic-merge-patch+json"
    )
    assert reply.json["metadata"]["finalizers"] == ["example.com/x"]


async def test_strategic_patches_are_for_builtin_kinds(api: Any, widgets: str) -> None:
    reply = await api.patch(widgets + "/w", {}, "strategic-merge-patch+json")
    assert (reply.status, reply.json["reason"]) == (415, "UnsupportedMediaType")


async def test_a_patch_without_effect_writes_nothing(api: Any, stored: Any) -> None:
    reply = await api.patch(CONFIGMAPS + "/a", {"data": {"k": "v"}})
    assert reply.json == stored


async def test_patches_at_once_all_apply(api: Any, stored: Any) -> None:
    patches = [api.patch(CONFIGMAPS + "/a", {"data": {f"k{index}": "v"}}) for index in range(20)]
    assert {reply.status for reply in await asyncio.gather(*patches)} == {200}
    assert len((await api.get(CONFIGMAPS + "/a")).json["data"]) == 21


async def test_a_patch_with_a_stale_revision_is_a_conflict(api: Any, stored: Any) -> None:
    await api.patch(CONFIGMAPS + "/a", {"data": {"k": "w"}})
    patch = {"metadata": {"resourceVersion": stored["metadata"]["resourceVersion"]}, "data": {"k": "x"}}
    assert (await api.patch(CONFIGMAPS + "/a", patch)).status == 409


@pytest.mark.parametrize(
    ("patch", "kind", "status"),
    [
        (b"[1,", "merge-patch+json", 400),
        ([], "merge-patch+json", 400),
        ({}, "json-patch+json", 400),
        ({"metadata": {"name": "b"}}, "merge-patch+json", 400),
        ({"metadata": {"namespace": "b"}}, "merge-patch+json", 400),
        ({"metadata": {"uid": "b"}}, "merge-patch+json", 422),
        ({"metadata": None}, "merge-patch+json", 400),
        ({"data": {"k": 1}}, "merge-patch+json", 400),
        ({}, "json", 415),
    ],
)
async def test_faults(api: Any, stored: Any, patch: Any, kind: str, status: int) -> None:
    reply = await api.patch(CONFIGMAPS + "/a", patch, kind)
    assert reply.status == status, reply


async def apply(api: Any, url: str, body: Any, query: str) -> Any:
    return await api.patch(f"{url}?{query}", body, "apply-patch+yaml")


async def test_apply_creates_and_then_changes(api: Any, config_map: Any) -> None:
    created = await apply(api, CONFIGMAPS + "/a", config_map("a"), "fieldManager=one")
    assert created.status == 201
    same = await apply(api, CONFIGMAPS + "/a", config_map("a"), "fieldManager=one")
    assert (same.status, same.json) == (200, created.json)
    (entry,) = created.json["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")


async def test_apply_reads_yaml(api: Any) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"
    reply = await apply(api, CONFIGMAPS + "/a", body, "fieldManager=one")
    assert reply.json["data"] == {"k": "v"}
    assert (await apply(api, CONFIGMAPS + "/a", b"a: [", "fieldManager=one")).status == 400


async def test_apply_conflicts_unless_forced(api: Any, config_map: Any) -> None:
    await apply(api, CONFIGMAPS + "/a", config_map("a"), "fieldManager=one")
    other = config_map("a") | {"data": {"k": "w"}}
    refused = await apply(api, CONFIGMAPS + "/a", other, "fieldManager=two")
    assert (refused.status, refused.json["reason"]) == (409, "Conflict")
    assert (await apply(api, CONFIGMAPS + "/a", other, "fieldManager=two&force=true")).json["data"] == {"k": "w"}


async def test_apply_with_a_uid_does_not_create(api: Any, config_map: Any) -> None:
    reply = await apply(api, CONFIGMAPS + "/a", config_map("a", uid="x"), "fieldManager=one")
    assert reply.status == 409


async def test_apply_to_a_status(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"phase": "x"}}
    assert (await apply(api, widgets + "/w/status", widget, "fieldManager=one")).status == 404
    await apply(api, widgets + "/w", widget, "fieldManager=one")
    reply = await apply(api, widgets + "/w/status", widget, "fieldManager=one")
    assert reply.json["status"] == {"phase": "x"}


async def test_the_manager_of_a_plain_patch_is_the_program(api: Any, stored: Any) -> None:
    reply = await api.patch(CONFIGMAPS + "/a", {"data": {"n": "1"}}, headers={"User-Agent": "tool/v1 (linux)"})
    managers = {entry["manager"] for entry in reply.json["metadata"]["managedFields"]}
    assert managers == {"tool", "unknown"}
