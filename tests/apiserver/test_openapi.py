"""OpenAPI v3 as kubectl needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


async def test_every_document_of_the_index_is_whole(api: Any, widgets: str) -> None:
    paths = (await api.get("/openapi/v3")).json["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/example.com/v1", "apis/example.com/v1beta1"} <= paths.keys()
    for entry in paths.values():
        reply = await api.get(entry["serverRelativeURL"])
        assert reply.status == 200
        schemas = reply.json["components"]["schemas"]
        assert set(references(reply.json)) <= schemas.keys()


@pytest.mark.parametrize(
    ("document", "path", "types"),
    [
        ("apis/apps/v1", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", 4),
        ("apis/example.com/v1", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", 3),
    ],
)
async def test_patch_operations(api: Any, widgets: str, document: str, path: str, types: int) -> None:
    operation = (await api.get(f"/openapi/v3/{document}")).json["paths"][path]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in operation["parameters"]]
    content = operation["requestBody"]["content"]
    assert len(content) == types
    assert ("application/strategic-merge-patch+json" in content) is (types == 4)
    assert operation["x-kubernetes-group-version-kind"]["kind"] in ("Deployment", "Widget")


async def test_schemas_name_their_kind_and_have_object_metadata(api: Any, widgets: str) -> None:
    schemas = (await api.get("/openapi/v3/apis/example.com/v1")).json["components"]["schemas"]
    widget = schemas["com.example.v1.Widget"]
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1", "kind": "Widget"}]
    assert list(references(widget["properties"]["metadata"])) == ["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
    assert widget["properties"]["spec"]["properties"]["size"]["default"] == 3
    assert "annotations" in schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]


async def test_subresources_have_paths(api: Any, widgets: str) -> None:
    paths = (await api.get("/openapi/v3/apis/example.com/v1")).json["paths"]
    base = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"
    assert paths[f"{base}/scale"]["get"]["x-kubernetes-group-version-kind"]["kind"] == "Scale"
    assert {"get", "put", "patch", "parameters"} == paths[f"{base}/status"].keys()


async def test_hashes(api: Any) -> None:
    url = (await api.get("/openapi/v3")).json["paths"]["apis/apps/v1"]["serverRelativeURL"]
    reply = await api.get(url)
    (etag,) = reply.header("etag")
    assert etag.strip('"') in url
    assert (await api.get(url, headers={"if-none-match": etag})).status == 304
    moved = await api.get("/openapi/v3/apis/apps/v1?hash=OLD")
    assert (moved.status, moved.header("location")) == (301, [url])


async def test_a_changed_definition_changes_its_documents_only(api: Any, widgets: str) -> None:
    before = (await api.get("/openapi/v3")).json["paths"]
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await api.delete(f"{definitions}/widgets.example.com")
    await api.until_gone(definitions, "widgets.example.com")
    after = (await api.get("/openapi/v3")).json["paths"]
    assert before.keys() - after.keys() == {"apis/example.com/v1", "apis/example.com/v1beta1"}
    assert all(before[path] == after[path] for path in after)


@pytest.mark.parametrize(
    "path", ["/openapi/v3/apis/none/v1", "/openapi/v3/nothing", "/openapi/v3/api/v2", "/openapi/v2"]
)
async def test_what_is_not_there(api: Any, path: str) -> None:
    assert (await api.get(path)).status == 404
