"""A hub behind the ARM face: one fleet, real members. The cluster is one that knows nothing of the face."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.meta import SystemClock
from echelon.arm import waiting
from echelon.arm.directory import CONFIG_MAPS
from echelon.arm.handlers.fleets import ensure_namespace
from echelon.arm.ids import FleetId
from echelon.hub.azure import OneFleet, face_of, fleet_of
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection, load, parse

from ..processes import HubProcess

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
FLEET = FleetId(SUBSCRIPTION, "production", "edge")
OTHER = FleetId(SUBSCRIPTION, "production", "other")
CLUSTER = (
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups/shops/providers/Microsoft.ContainerService/managedClusters/oslo"
)
RECORD = {"subscriptionId": SUBSCRIPTION, "resourceGroup": "production", "fleetName": "edge", "location": "eastus"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("one") / "data")
    hub.start()
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture
def connection(cluster: HubProcess) -> Connection:
    return load(cluster.kubeconfig, context="hub")


@pytest.fixture
async def client(connection: Connection) -> AsyncIterator[Client]:
    client = Client(HttpTransport(connection), field_manager="test")
    await ensure_namespace(client, names.SYSTEM_NAMESPACE)
    metadata = {"name": names.FLEET_CONFIG_MAP, "namespace": names.SYSTEM_NAMESPACE}
    await client.apply({**CONFIG_MAPS.plain({}), "metadata": metadata, "data": RECORD}, CONFIG_MAPS)
    yield client
    await client.close()


class Asking:
    """Somebody who asks the face of a hub."""

    def __init__(self, directory: OneFleet, token: str) -> None:
        self._transport = AsgiTransport(face_of(directory, SystemClock()), headers={"Authorization": f"Bearer {token}"})

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Host": "hub.example"}
        content = None if body is None else orjson.dumps(body)
        answer = await self._transport.request(
            method, path, query={"api-version": "2026-06-01"}, headers=headers, body=content
        )
        return answer.status, orjson.loads(answer.body) if answer.body else None


@pytest.fixture
async def ask(cluster: HubProcess, client: Client, connection: Connection) -> Asking:
    directory = OneFleet(await fleet_of(client), connection, address="https://hub.example:6443")
    return Asking(directory, (cluster.data / "admin-token").read_text())


async def test_it_is_the_fleet_that_it_was_installed_as(ask: Asking, client: Client) -> None:
    assert await fleet_of(client) == FLEET
    status, shown = await ask("GET", str(FLEET))
    assert (status, shown["name"], shown["location"]) == (200, "edge", "eastus")
    status, shown = await ask("PUT", str(FLEET), {"location": "eastus", "tags": {"a": "b"}})
    assert (status, shown["tags"]) == (200, {"a": "b"})
    _, listed = await ask("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/fleets")
    assert [found["id"] for found in listed["value"]] == [str(FLEET)]


async def test_others_are_told_which_it_is(ask: Asking) -> None:
    status, body = await ask("PUT", str(OTHER), {"location": "eastus"})
    assert (status, body["error"]["code"]) == (409, "OperationNotAllowed")
    assert f"This hub is the fleet {FLEET}, and 'other' cannot be made on it" in body["error"]["message"]
    status, body = await ask("GET", f"{OTHER}/members")
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")
    status, body = await ask("DELETE", str(FLEET))
    assert (status, body["error"]["code"]) == (409, "OperationNotAllowed")


async def test_members_are_real(ask: Asking, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.settled, "__kwdefaults__", None, raising=False)
    monkeypatch.setattr(waiting.settled, "__defaults__", (0.05,))
    status, shown = await ask("PUT", f"{FLEET}/members/oslo", {"properties": {"clusterResourceId": CLUSTER}})
    assert (status, shown["properties"]["provisioningState"]) == (201, "Joining")
    assert shown["properties"]["clusterResourceId"] == CLUSTER
    member = await client.get(MemberCluster, "oslo")
    assert member.metadata.annotations[names.CLUSTER_RESOURCE_ID] == CLUSTER
    assert (member.spec.identity.kind, member.spec.identity.namespace) == ("ServiceAccount", "fleet-member-oslo")
    for method in ("PUT", "DELETE"):
        status, body = await ask(method, CLUSTER, {"location": "eastus"})
        assert (status, body["error"]["code"]) == (409, "OperationNotAllowed")
        assert "neither makes nor deletes clusters" in body["error"]["message"]


async def test_credentials_lead_to_the_cluster(cluster: HubProcess, ask: Asking) -> None:
    _, body = await ask("POST", f"{FLEET}/listCredentials")
    [config] = body["kubeconfigs"]
    found = parse(base64.b64decode(config["value"]).decode(), "credentials")
    assert found.server == "https://hub.example:6443"
    identity = await found.credentials.identity()
    assert identity.authorization == f"Bearer {(cluster.data / 'admin-token').read_text()}"


async def test_the_cluster_says_who_asks(client: Client, connection: Connection) -> None:
    stranger = Asking(OneFleet(await fleet_of(client), connection), "guessed")
    for method, path, body in (
        ("GET", str(FLEET), None),
        ("PUT", str(OTHER), {"location": "eastus"}),
        ("PUT", CLUSTER, {"location": "eastus"}),
    ):
        status, body = await stranger(method, path, body)
        assert (status, body["error"]["code"]) == (401, "InvalidAuthenticationToken")
