"""Create and update."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def revision(reply: Any) -> int:
    return int(reply.json["metadata"]["resourceVersion"])


async def test_the_server_sets_its_own_metadata(api: Any, config_map: Any) -> None:
    given = config_map("a", uid="mine", creationTimestamp="2001-01-01T00:00:00Z", deletionTimestamp=None, generation=7)
    created = (await api.post(CONFIGMAPS, given)).json["metadata"]
    assert created["uid"] != "mine"
    assert created["creationTimestamp"] == "2026-01-31T08:00:00Z"
    assert "generation" not in created
    assert created["namespace"] == "default"


async def test_names_are_generated(api: Any, config_map: Any) -> None:
    obj = config_map("", generateName="gen-")
    names = {(await api.post(CONFIGMAPS, obj)).json["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


async def test_a_generated_name_that_is_taken_is_drawn_again(
    api: Any, config_map: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["gen-a", "gen-a", "gen-b"])
    monkeypatch.setattr("echelon.apiserver.preparation.generated_name", lambda prefix: next(drawn))
    obj = config_map("", generateName="gen-")
    assert [(await api.post(CONFIGMAPS, obj)).json["metadata"]["name"] for _ in range(2)] == ["gen-a", "gen-b"]
    monkeypatch.setattr("echelon.apiserver.preparation.generated_name", lambda prefix: "gen-a")
    assert (await api.post(CONFIGMAPS, obj)).json["reason"] == "AlreadyExists"


async def test_a_resource_version_has_no_place_in_a_new_object(api: Any, config_map: Any) -> None:
    reply = await api.post(CONFIGMAPS, config_map("a", resourceVersion="1"))
    assert reply.status == 400


async def test_an_update_replaces_all_but_what_the_server_owns(api: Any, config_map: Any) -> None:
    created = await api.post(CONFIGMAPS, config_map("a", labels={"x": "y"}))
    updated = await api.put(CONFIGMAPS + "/a", config_map("a", annotations={"n": "t"}))
    metadata = updated.json["metadata"]
    assert "labels" not in metadata
    assert metadata["annotations"] == {"n": "t"}
    assert metadata["uid"] == created.json["metadata"]["uid"]
    assert revision(updated) > revision(created)


async def test_an_update_without_change_writes_nothing(api: Any, config_map: Any) -> None:
    created = await api.post(CONFIGMAPS, config_map("a"))
    again = await api.put(CONFIGMAPS + "/a", config_map("a"))
    assert again.json == created.json


async def test_a_stale_update_is_a_conflict(api: Any, config_map: Any) -> None:
    created = await api.post(CONFIGMAPS, config_map("a"))
    await api.patch(CONFIGMAPS + "/a", {"data": {"k": "w"}})
    stale = created.json | {"data": {"k": "x"}}
    reply = await api.put(CONFIGMAPS + "/a", stale)
    assert (reply.status, reply.json["reason"]) == (409, "Conflict")


async def test_custom_objects_need_a_resource_version_to_be_updated(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    assert (await api.put(widgets + "/w", widget)).status == 404
    await api.post(widgets, widget)
    reply = await api.put(widgets + "/w", widget)
    assert reply.status == 422
    assert "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update" in reply.json["message"]


async def test_generation_counts_changes_of_the_spec(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    assert (await api.post(widgets, widget)).json["metadata"]["generation"] == 1
    labelled = await api.patch(widgets + "/w", {"metadata": {"labels": {"a": "b"}}})
    assert labelled.json["metadata"]["generation"] == 1
    status = await api.patch(widgets + "/w/status", {"status": {"phase": "New"}, "spec": {"size": 9}})
    assert status.json["metadata"]["generation"] == 1
    assert status.json["spec"]["size"] == 1
    changed = await api.patch(widgets + "/w", {"spec": {"size": 2}, "status": {"phase": "Other"}})
    assert changed.json["metadata"]["generation"] == 2
    assert changed.json["status"] == {"phase": "New"}


async def test_status_is_dropped_from_a_new_object(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"phase": "x"}}
    assert "status" not in (await api.post(widgets, widget)).json


async def test_writes_at_one_version_are_stored_at_another(api: Any, widgets: str, server: Any) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    created = await api.post(widgets, widget)
    assert created.json["apiVersion"] == "example.com/v1"
    stored = orjson.loads(
        server.objects.bucket(server.registry.get("example.com", "widgets")).get("default", "w").value
    )
    assert stored["apiVersion"] == "example.com/v1beta1"
    assert created.body == (await api.get(widgets + "/w")).body


async def test_a_dry_run_stores_nothing(api: Any, config_map: Any) -> None:
    dry = await api.post(CONFIGMAPS + "?dryRun=All", config_map("a"))
    assert dry.status == 201
    assert "resourceVersion" not in dry.json["metadata"]
    assert (await api.get(CONFIGMAPS + "/a")).status == 404


@pytest.mark.parametrize("mode", ["Strict", "Warn", "Ignore", ""])
async def test_field_validation(api: Any, mode: str) -> None:
    body = (
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","odd":1},'
        b'"data":{"k":"1","k":"2"},"dada":{},"immutable":null}'
    )
    reply = await api.post(f"{CONFIGMAPS}?fieldValidation={mode}", body)
    warnings = reply.header("warning")
    if mode == "Strict":
        assert reply.status == 400
        for fault in ('unknown field "dada"', 'unknown field "metadata.odd"', 'duplicate field "data.k"'):
            assert fault in reply.json["message"]
    elif mode == "Ignore":
        assert (reply.status, warnings) == (201, [])
    else:
        assert reply.status == 201
        assert '299 - "unknown field \\"dada\\""' in warnings
        assert '299 - "duplicate field \\"data.k\\""' in warnings


async def test_a_new_object_needs_a_namespace_that_exists(api: Any, config_map: Any) -> None:
    reply = await api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert (reply.status, reply.json["details"]) == (404, {"name": "nowhere", "kind": "namespaces"})


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "c d"}}, "metadata.labels"),
        ({"annotations": {"a b": "c"}}, "metadata.annotations"),
        ({"annotations": {"a": "x" * 300_000}}, "metadata.annotations"),
        ({"finalizers": ["not a name"]}, "metadata.finalizers"),
        ({"finalizers": ["unqualified"]}, "metadata.finalizers[0]"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": ""}]},
            "metadata.ownerReferences.uid",
        ),
        (
            {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "X", "name": name, "uid": name, "controller": True} for name in "ab"
                ]
            },
            "metadata.ownerReferences",
        ),
    ],
)
async def test_bad_metadata(api: Any, config_map: Any, metadata: dict[str, Any], field: str) -> None:
    reply = await api.post(CONFIGMAPS, config_map("a", **metadata))
    assert reply.status == 422
    assert field in [cause["field"] for cause in reply.json["details"]["causes"]]


@pytest.mark.parametrize("metadata", [{"labels": {"a": 1}}, {"labels": []}, {"finalizers": "x"}, {"generation": "1"}])
async def test_metadata_of_the_wrong_type(api: Any, config_map: Any, metadata: dict[str, Any]) -> None:
    reply = await api.post(CONFIGMAPS, config_map("a", **metadata))
    assert reply.status == 400
    assert "json: cannot unmarshal" in reply.json["message"]


@pytest.mark.parametrize("name", ["..", "Upper", "a" * 254])
async def test_bad_names(api: Any, config_map: Any, name: str) -> None:
    reply = await api.post(CONFIGMAPS, config_map(name))
    assert reply.json["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_namespace_object_has_no_namespace(api: Any) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "b"}}
    assert (await api.post("/api/v1/namespaces", body)).status in (400, 422)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {when: 2026-01-01}\n", "application/yaml", 201),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"hello", "text/plain", 415),
        (b"not k8s", "application/vnd.kubernetes.protobuf", 400),
        (b'{"metadata":[]}', "application/json", 400),
    ],
)
async def test_bodies(api: Any, body: bytes, content_type: str, status: int) -> None:
    reply = await api.post(CONFIGMAPS, body, content_type=content_type)
    assert reply.status == status, reply


async def test_an_empty_name_on_update_is_refused(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    assert (await api.put(CONFIGMAPS + "/a", config_map(""))).status == 400


async def test_a_fault_of_the_kind_is_invalid(api: Any) -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {}}
    reply = await api.post(DEPLOYMENTS, body)
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")
