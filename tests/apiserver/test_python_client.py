"""The official Python client takes the server for Kubernetes: it lists, watches, patches and applies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as kubernetes
from kubernetes import dynamic, watch
from kubernetes.client.exceptions import ApiException

from .load.process import TOKEN, ServerProcess

# The client warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:unclosed:ResourceWarning")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[kubernetes.ApiClient]:
    server = ServerProcess(tmp_path)
    await server.start()
    settings = kubernetes.Configuration(host=server.url, api_key={"authorization": f"Bearer {TOKEN}"})
    with kubernetes.ApiClient(settings) as client:
        yield client
    server.close()


def config_map(name: str, **data: str) -> kubernetes.V1ConfigMap:
    return kubernetes.V1ConfigMap(metadata=kubernetes.V1ObjectMeta(name=name, labels={"app": "web"}), data=data)


def deployment(replicas: int) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}},
        },
    }


async def test_lists_and_patches(api: kubernetes.ApiClient) -> None:
    await asyncio.to_thread(lists_and_patches, kubernetes.CoreV1Api(api))


def lists_and_patches(core: kubernetes.CoreV1Api) -> None:
    for name in ("a", "b", "c"):
        core.create_namespaced_config_map("default", config_map(name, k="v"))
    page = core.list_namespaced_config_map("default", label_selector="app=web", limit=2)
    rest = core.list_namespaced_config_map(
        "default", label_selector="app=web", limit=2, _continue=page.metadata._continue
    )
    assert [item.metadata.name for item in (*page.items, *rest.items)] == ["a", "b", "c"]
    patched = core.patch_namespaced_config_map("a", "default", {"data": {"k": None, "l": "w"}})
    assert patched.data == {"l": "w"}
    patched = core.patch_namespaced_config_map("a", "default", [{"op": "add", "path": "/data/m", "value": "x"}])
    assert patched.data == {"l": "w", "m": "x"}
    stale = core.read_namespaced_config_map("b", "default")
    core.patch_namespaced_config_map("b", "default", {"data": {"k": "new"}})
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("b", "default", stale)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    core.delete_namespaced_config_map("c", "default")
    with pytest.raises(ApiException) as refused:
        core.read_namespaced_config_map("c", "default")
    assert refused.value.status == 404


async def test_watches(api: kubernetes.ApiClient) -> None:
    await asyncio.to_thread(watches, kubernetes.CoreV1Api(api))


def watches(core: kubernetes.CoreV1Api) -> None:
    start = core.list_namespaced_config_map("default").metadata.resource_version
    core.create_namespaced_config_map("default", config_map("a", k="v"))
    core.patch_namespaced_config_map("a", "default", {"data": {"k": "w"}})
    core.delete_namespaced_config_map("a", "default")
    seen = []
    following = watch.Watch()
    for event in following.stream(
        core.list_namespaced_config_map, "default", resource_version=start, timeout_seconds=10
    ):
        seen.append((event["type"], event["object"].data["k"]))
        if event["type"] == "DELETED":
            following.stop()
    assert seen == [("ADDED", "v"), ("MODIFIED", "w"), ("DELETED", "w")]


async def test_applies(api: kubernetes.ApiClient) -> None:
    await asyncio.to_thread(applies, api)


def applies(api: kubernetes.ApiClient) -> None:
    deployments = dynamic.DynamicClient(api).resources.get(api_version="apps/v1", kind="Deployment")
    made = deployments.server_side_apply(deployment(2), namespace="default", field_manager="one")
    assert (made.spec.replicas, made.metadata.managedFields[0].manager) == (2, "one")
    with pytest.raises(ApiException) as refused:
        deployments.server_side_apply(deployment(3), namespace="default", field_manager="two")
    assert refused.value.status == 409
    taken = deployments.server_side_apply(deployment(3), namespace="default", field_manager="two", force_conflicts=True)
    assert taken.spec.replicas == 3
    scale = kubernetes.AppsV1Api(api).patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 5}})
    assert scale.spec.replicas == 5
