"""Terraform's requests, in the order in which the azurerm provider makes them for fleets.

Before it creates anything it looks whether that is there and expects 404. What it has written it reads until the state
in the properties is final; what it has deleted, until that is 404. It sends what its configuration leaves open as
empty texts, and an update is what it has read, changed, and written back whole, with all that only the server sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ..processes import HubProcess
from .conftest import SUBSCRIPTION
from .steps import cluster_id
from .wire import Wire

VERSION = "2024-04-01"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/terraform"
FLEET = f"{GROUP}/providers/Microsoft.ContainerService/fleets/tf"
STAGES = [{"name": "one", "groups": [{"name": "a"}]}, {"name": "two", "groups": [{"name": "b"}]}]
HEADERS = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}


class Terraform:
    """What the provider does with one resource."""

    def __init__(self, wire: Wire, version: str) -> None:
        self._wire = wire
        self._version = version

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._wire(method, path, body, version=self._version, headers=HEADERS)

    def read(self, path: str) -> dict[str, Any]:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def create(self, path: str, body: Any) -> dict[str, Any]:
        missing = self.ask("GET", path)
        assert missing.status_code == 404
        assert missing.json()["error"]["code"]
        return self.write("PUT", path, body)

    def write(self, method: str, path: str, body: Any) -> dict[str, Any]:
        answer = self.ask(method, path, body)
        assert answer.status_code in (200, 201), answer.text
        assert answer.headers["Content-Type"].startswith("application/json")
        assert not {"Location", "Azure-AsyncOperation"} & set(answer.headers)
        found = self.read(path)
        assert found["properties"]["provisioningState"] == "Succeeded"
        return found

    def update(self, path: str, **changes: Any) -> dict[str, Any]:
        """Write back what was read, with changed properties."""
        found = self.read(path)
        return self.write("PUT", path, found | {"properties": found["properties"] | changes})

    def delete(self, path: str) -> None:
        assert self.ask("DELETE", path).status_code in (200, 202, 204)
        assert self.ask("GET", path).status_code == 404


@pytest.fixture
def terraform(hub: HubProcess) -> Iterator[Terraform]:
    wire = Wire(hub, (hub.data / "admin-token").read_text())
    terraform, groups = Terraform(wire, VERSION), Terraform(wire, "2023-07-01")
    groups.create(GROUP, {"location": "eastus", "tags": {}})
    try:
        yield terraform
    finally:
        assert groups.ask("GET", f"{GROUP}/resources").json()["value"] == []
        groups.delete(GROUP)
        wire.close()


def test_a_configuration_is_applied_changed_and_destroyed(terraform: Terraform) -> None:
    made = terraform.create(FLEET, {"location": "eastus", "tags": {"a": "b"}, "properties": {}})
    assert (made["location"], made["tags"]) == ("eastus", {"a": "b"})
    assert terraform.write("PATCH", FLEET, {"tags": {"c": "d"}})["tags"] == {"c": "d"}

    for name in ("a", "b"):
        member = f"{FLEET}/members/{name}"
        properties = {"clusterResourceId": cluster_id(f"tf-{name}"), "group": name}
        assert terraform.create(member, {"properties": properties})["properties"]["group"] == name
        assert terraform.write("PATCH", member, {"properties": {"group": name}})["properties"]["group"] == name

    strategy = f"{FLEET}/updateStrategies/order"
    kept = terraform.create(strategy, {"properties": {"strategy": {"stages": STAGES}}})
    assert [stage["name"] for stage in kept["properties"]["strategy"]["stages"]] == ["one", "two"]
    terraform.update(strategy, strategy={"stages": STAGES[:1]})

    by_strategy, by_stages = f"{FLEET}/updateRuns/by-strategy", f"{FLEET}/updateRuns/by-stages"
    upgrade = {"upgrade": {"type": "Full", "kubernetesVersion": "1.30.4"}, "nodeImageSelection": {"type": "Latest"}}
    run = terraform.create(by_strategy, {"properties": {"managedClusterUpdate": upgrade, "updateStrategyId": strategy}})
    assert run["properties"]["updateStrategyId"] == strategy
    changed = upgrade | {"nodeImageSelection": {"type": "Consistent"}}
    run = terraform.update(by_strategy, managedClusterUpdate=changed)
    assert run["properties"]["managedClusterUpdate"] == changed

    images = {"upgrade": {"type": "NodeImageOnly", "kubernetesVersion": ""}}
    open_ = {"managedClusterUpdate": images, "strategy": {"stages": STAGES}, "updateStrategyId": ""}
    run = terraform.create(by_stages, {"properties": open_})
    assert not run["properties"].get("updateStrategyId")
    assert [stage["name"] for stage in run["properties"]["strategy"]["stages"]] == ["one", "two"]
    run = terraform.update(by_stages, strategy={"stages": STAGES[1:]})
    assert [stage["name"] for stage in run["properties"]["status"]["stages"]] == ["two"]

    for path in (by_strategy, by_stages, strategy, f"{FLEET}/members/a", f"{FLEET}/members/b", FLEET):
        terraform.delete(path)


def test_a_run_without_an_order_takes_the_members_one_by_one(terraform: Terraform) -> None:
    terraform.create(FLEET, {"location": "eastus"})
    terraform.create(f"{FLEET}/members/a", {"properties": {"clusterResourceId": cluster_id("tf-a"), "group": ""}})
    images = {"upgrade": {"type": "NodeImageOnly", "kubernetesVersion": ""}}
    path = f"{FLEET}/updateRuns/plain"
    run = terraform.create(path, {"properties": {"managedClusterUpdate": images, "updateStrategyId": ""}})
    assert [stage["name"] for stage in run["properties"]["status"]["stages"]] == ["default"]
    terraform.delete(path)
    terraform.delete(FLEET)
