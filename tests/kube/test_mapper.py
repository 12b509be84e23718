"""Discovery in both forms gives the same; what is new is found."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from echelon.api.meta import Resource
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.mapper import NoSuchKind

pytestmark = pytest.mark.looptime

PODS = {
    "name": "pods",
    "singularName": "pod",
    "namespaced": True,
    "kind": "Pod",
    "verbs": ["get", "list"],
    "shortNames": ["po"],
    "categories": ["all"],
}
WIDGETS = {"name": "widgets", "singularName": "widget", "namespaced": False, "kind": "Widget", "verbs": ["list"]}


class Discovery:
    """A server that has pods and two versions of widgets, or only pods."""

    def __init__(self, *, aggregated: bool) -> None:
        self.aggregated = aggregated
        self.has_widgets = True
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        content_type = "application/json"
        if self.aggregated and scope["path"] in ("/api", "/apis"):
            assert b"as=APIGroupDiscoveryList" in dict(scope["headers"])[b"accept"]
            content_type += ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            answer: Any = {"items": self._groups(scope["path"])}
        else:
            answer = self._plain(scope["path"])
        headers = [(b"content-type", content_type.encode())]
        status = 200 if answer is not None else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _plain(self, path: str) -> Any:
        versions = [{"groupVersion": f"test.dev/{name}", "version": name} for name in ("v1", "v1beta1")]
        group = {"name": "test.dev", "versions": versions, "preferredVersion": versions[0]}
        subresource = {**PODS, "name": "pods/status"}
        return {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": [group] if self.has_widgets else []},
            "/api/v1": {"resources": [PODS, subresource]},
            "/apis/test.dev/v1": {"resources": [WIDGETS]},
            "/apis/test.dev/v1beta1": {"resources": [WIDGETS]},
        }.get(path)

    def _groups(self, path: str) -> Any:
        def described(resource: dict[str, Any]) -> dict[str, Any]:
            return {
                "resource": resource["name"],
                "responseKind": {"kind": resource["kind"], "group": "", "version": ""},
                "scope": "Namespaced" if resource["namespaced"] else "Cluster",
                "singularResource": resource["singularName"],
                "verbs": resource["verbs"],
                "shortNames": resource.get("shortNames", []),
                "categories": resource.get("categories", []),
                "subresources": [{"subresource": "status"}],
            }

        if path == "/api":
            return [{"metadata": {}, "versions": [{"version": "v1", "resources": [described(PODS)]}]}]
        versions = [{"version": name, "resources": [described(WIDGETS)]} for name in ("v1", "v1beta1")]
        return [{"metadata": {"name": "test.dev"}, "versions": versions}] if self.has_widgets else []


@pytest.mark.parametrize("aggregated", [True, False])
async def test_resources(aggregated: bool) -> None:
    mapper = Client(AsgiTransport(Discovery(aggregated=aggregated))).mapper
    found = {item.resource: item for item in await mapper.resources()}
    pods = Resource("", "v1", "pods", "Pod", True)
    assert list(found) == [
        pods,
        Resource("test.dev", "v1", "widgets", "Widget", False),
        Resource("test.dev", "v1beta1", "widgets", "Widget", False),
    ]
    assert [item.preferred for item in found.values()] == [True, True, False]
    assert found[pods].verbs == {"get", "list"}
    assert (found[pods].singular, list(found[pods].short_names), list(found[pods].categories)) == (
        "pod",
        ["po"],
        ["all"],
    )
    assert await mapper.resource("v1", "Pod") == pods


async def test_new_kinds_are_found_and_missing_ones_cost_little() -> None:
    server = Discovery(aggregated=True)
    server.has_widgets = False
    mapper = Client(AsgiTransport(server)).mapper
    with pytest.raises(NoSuchKind, match=r"no kind 'Widget' in 'test.dev/v1'"):
        await mapper.resource("test.dev/v1", "Widget")
    server.has_widgets = True
    for _ in range(10):
        with pytest.raises(NoSuchKind):
            await mapper.resource("test.dev/v1", "Widget")
    assert len(server.asked) == 2
    await asyncio.sleep(5)
    assert (await mapper.resource("test.dev/v1", "Widget")).plural == "widgets"
    assert len(server.asked) == 4


async def test_many_questions_at_once_are_one_fetch() -> None:
    server = Discovery(aggregated=True)
    mapper = Client(AsgiTransport(server)).mapper
    await asyncio.gather(*(mapper.resource("test.dev/v1", "Widget") for _ in range(10)))
    assert len(server.asked) == 2
    mapper.forget()
    await mapper.resources()
    assert len(server.asked) == 4


async def test_dicts_are_written_by_their_kind() -> None:
    server = Discovery(aggregated=True)
    client = Client(AsgiTransport(server))
    with pytest.raises(NotFound):
        await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "one"}})
    assert server.asked[-1] == "/api/v1/namespaces/one/pods"
