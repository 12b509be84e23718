"""Clients of other clusters, by what a Secret leads to."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from echelon.kube.client import Client
from echelon.kube.kubeconfig import Connection
from echelon.kube.patches import MergePatch
from echelon.upgrade.providers.contract import Code, Member, ProviderError
from echelon.upgrade.providers.management import ManagementClusters, Secret, secret_in

from ..hub import Hub
from .severed import SeverableTransport

MEMBER = Member(name="one", cluster_resource_id="capi://default/one?kubeconfig=management")


def kubeconfig(server: str = "https://capi.example.com", **user: Any) -> bytes:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": user or {"token": "hidden"}}],
    }
    return yaml.safe_dump(content).encode()


class Connections:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.made: list[Connection] = []
        self.clusters = ManagementClusters(hub.admin, self.connect)

    def connect(self, connection: Connection) -> Client:
        self.made.append(connection)
        return Client(SeverableTransport(self._hub.server, headers={"Authorization": "Bearer provider"}))

    async def keep(self, **data: bytes) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet-member-one"}}
        await self._hub.admin.create(namespace)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "management", "namespace": "fleet-member-one"},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        await self._hub.admin.create(secret)


@pytest.fixture
def connections(bare_hub: Hub) -> Connections:
    return Connections(bare_hub)


def test_what_an_id_names() -> None:
    assert secret_in("capi://default/one", "") == ""
    assert secret_in("capi://default/one?kubeconfig=x", "") == "x"
    assert secret_in("plan://default?kubeconfig=", "y") == ""


@pytest.mark.parametrize("key", ["kubeconfig", "value"])
async def test_a_client_is_kept_until_the_secret_changes(connections: Connections, bare_hub: Hub, key: str) -> None:
    await connections.keep(**{key: kubeconfig()})
    first = await connections.clusters.client(MEMBER, "management")
    assert await connections.clusters.client(MEMBER, "management") is first
    assert [found.server for found in connections.made] == ["https://capi.example.com"]
    other = base64.b64encode(kubeconfig("https://other.example.com")).decode()
    await bare_hub.admin.patch(Secret, ("fleet-member-one", "management"), MergePatch({"data": {key: other}}))
    assert await connections.clusters.client(MEMBER, "management") is not first
    assert connections.made[-1].server == "https://other.example.com"
    await connections.clusters.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"other": b"x"}, "has neither of the keys kubeconfig and value"),
        ({"value": b"{"}, "fleet-member-one/management: while parsing"),
        ({"value": kubeconfig(tokenFile="/etc/passwd")}, "tokenFile is not allowed in a kubeconfig that is kept"),
        ({"value": kubeconfig(exec={"command": "sh"})}, "exec is not allowed in a kubeconfig that is kept"),
        ({"value": b"{}"}, "fleet-member-one/management: "),
    ],
)
async def test_kubeconfigs_that_cannot_be_used(connections: Connections, content: dict[str, bytes], said: str) -> None:
    await connections.keep(**content)
    with pytest.raises(ProviderError) as caught:
        await connections.clusters.client(MEMBER, "management")
    assert said in caught.value.message
    assert "/tmp" not in caught.value.message
    assert (caught.value.code, caught.value.retryable) == (Code.AUTH, True)
    assert connections.made == []
