"""Discovery, plain and aggregated."""

from __future__ import annotations

from typing import Any

import pytest

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


async def test_plain(api: Any) -> None:
    assert (await api.get("/api")).json["versions"] == ["v1"]
    groups = (await api.get("/apis")).json["groups"]
    assert "apps" in [group["name"] for group in groups]
    assert (await api.get("/apis/apps")).json["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    resources = {entry["name"]: entry for entry in (await api.get("/apis/apps/v1")).json["resources"]}
    assert resources["deployments"]["shortNames"] == ["deploy"]
    assert resources["deployments/scale"]["kind"] == "Scale"
    assert resources["deployments/status"]["verbs"] == ["get", "patch", "update"]


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_aggregated_in_the_version_asked_for(api: Any, version: str) -> None:
    accept = AGGREGATED.format(version)
    reply = await api.get("/apis", accept=accept + ",application/json")
    assert reply.header("content-type") == [accept]
    assert reply.json["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    apps = next(item for item in reply.json["items"] if item["metadata"]["name"] == "apps")
    deployments = next(entry for entry in apps["versions"][0]["resources"] if entry["resource"] == "deployments")
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert deployments["scope"] == "Namespaced"
    scale = next(entry for entry in deployments["subresources"] if entry["subresource"] == "scale")
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


async def test_the_core_group_is_aggregated_apart(api: Any) -> None:
    (core,) = (await api.get("/api", accept=AGGREGATED.format("v2"))).json["items"]
    assert "name" not in core["metadata"]
    assert [version["version"] for version in core["versions"]] == ["v1"]


async def test_an_unknown_aggregation_falls_back(api: Any) -> None:
    reply = await api.get("/apis", accept=AGGREGATED.format("v9") + ",application/json")
    assert reply.json["kind"] == "APIGroupList"
    assert (await api.get("/apis", accept=AGGREGATED.format("v9"))).status == 406


async def test_etags_change_with_the_resources(api: Any, request: pytest.FixtureRequest) -> None:
    accept = AGGREGATED.format("v2")
    (etag,) = (await api.get("/apis", accept=accept)).header("etag")
    same = await api.get("/apis", accept=accept, headers={"if-none-match": etag})
    assert (same.status, same.body) == (304, b"")


async def test_custom_resources_are_discovered(api: Any, widgets: str) -> None:
    group = (await api.get("/apis/example.com")).json
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1"]
    reply = await api.get("/apis", accept=AGGREGATED.format("v2"))
    entry = next(item for item in reply.json["items"] if item["metadata"]["name"] == "example.com")
    assert [version["version"] for version in entry["versions"]] == ["v1", "v1beta1"]


async def test_yaml(api: Any) -> None:
    assert (await api.get("/apis/apps", accept="application/yaml")).body.startswith(b"apiVersion: v1\n")
