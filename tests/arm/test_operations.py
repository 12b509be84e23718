"""Every operation of the official client is one that the face serves: asked once, and its answer looked at.

``DONE`` is filled by the tests; the last one holds it against what the client has.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient
from azure.mgmt.containerservicefleet import models as m

from .steps import cluster_id, create_run, ends, fleet, join, state, until, update

LEFT_OUT = {"fleet_managed_namespaces": "namespaces that a fleet manages are no part of what Echelon follows"}
DONE: set[str] = set()
Where = tuple[str, str]
ORDER = m.UpdateRunStrategy(stages=[m.UpdateStage(name="one", groups=[m.UpdateGroup(name="a")])])
GATED = m.UpdateRunStrategy(
    stages=[
        m.UpdateStage(
            name="one",
            groups=[m.UpdateGroup(name="a")],
            before_gates=[m.GateConfiguration(type="Approval", display_name="look first")],
        )
    ]
)


class Recorded:
    """A client that notes what is called of it."""

    def __init__(self, azure: ContainerServiceFleetMgmtClient, group: str = "") -> None:
        self._azure = azure
        self._group = group

    def __getattr__(self, name: str) -> Any:
        found = getattr(getattr(self._azure, self._group), name) if self._group else getattr(self._azure, name)
        if self._group:
            DONE.add(f"{self._group}.{name}")
            return found
        return Recorded(self._azure, name)


@pytest.fixture(scope="module")
def client(azure: ContainerServiceFleetMgmtClient) -> Any:
    return Recorded(azure)


@pytest.fixture(scope="module")
def where(client: Any) -> Iterator[Where]:
    """A fleet with one member."""
    with fleet(client, "operations") as found:
        join(client, found, "one", group="a")
        yield found


def test_fleets(client: Any, where: Where) -> None:
    group, name = where
    found = client.fleets.get(*where)
    assert (found.name, found.location, found.properties.provisioning_state) == (name, "eastus", "Succeeded")
    changed = client.fleets.begin_update(*where, m.FleetPatch(tags={"a": "b"})).result()
    assert changed.tags == {"a": "b"}
    assert changed.e_tag != found.e_tag
    with pytest.raises(ResourceModifiedError):
        client.fleets.begin_update(
            *where, m.FleetPatch(tags={}), etag=found.e_tag, match_condition=MatchConditions.IfNotModified
        )
    assert name in [one.name for one in client.fleets.list_by_resource_group(group)]
    assert name in [one.name for one in client.fleets.list_by_subscription()]
    [credentials] = client.fleets.list_credentials(*where).kubeconfigs
    config = yaml.safe_load(bytes(credentials.value))
    assert config["clusters"][0]["cluster"]["server"].endswith("/clusters/operations")


def test_a_fleet_comes_and_goes(client: Any) -> None:
    with fleet(client, "passing") as found:
        assert client.fleets.get(*found).name == "passing"
    with pytest.raises(ResourceNotFoundError):
        client.fleets.get(*found)


def test_members(client: Any, where: Where) -> None:
    member = client.fleet_members.get(*where, "one")
    assert (member.properties.group, member.properties.provisioning_state) == ("a", "Succeeded")
    patch = m.FleetMemberUpdate(properties=m.FleetMemberUpdateProperties(labels={"env": "test"}))
    assert client.fleet_members.begin_update(*where, "one", patch).result().properties.labels == {"env": "test"}
    join(client, where, "two")
    assert [one.name for one in client.fleet_members.list_by_fleet(*where)] == ["one", "two"]
    assert [one.name for one in client.fleet_members.list_by_fleet(*where, top=1)] == ["one", "two"]
    assert [one.name for one in client.fleet_members.list_by_fleet(*where, filter="labels/env eq test")] == ["one"]
    other = m.FleetMember(properties=m.FleetMemberProperties(cluster_resource_id=cluster_id("other")))
    with pytest.raises(HttpResponseError, match="cannot be changed"):
        client.fleet_members.begin_create(*where, "two", other)
    client.fleet_members.begin_delete(*where, "two").result()
    with pytest.raises(ResourceNotFoundError):
        client.fleet_members.get(*where, "two")


def test_strategies(client: Any, where: Where) -> None:
    given = m.FleetUpdateStrategy(properties=m.FleetUpdateStrategyProperties(strategy=ORDER))
    made = client.fleet_update_strategies.begin_create_or_update(*where, "s", given).result()
    assert made.properties.strategy.stages[0].groups[0].name == "a"
    assert client.fleet_update_strategies.get(*where, "s").e_tag == made.e_tag
    assert [one.name for one in client.fleet_update_strategies.list_by_fleet(*where)] == ["s"]
    client.fleet_update_strategies.begin_delete(*where, "s").result()
    assert list(client.fleet_update_strategies.list_by_fleet(*where)) == []


def test_runs(client: Any, where: Where) -> None:
    create_run(client, where, "run", update(version="1.30.4", images="Latest"), strategy=ORDER)
    assert state(client.update_runs.get(*where, "run")) == "NotStarted"
    skips = m.SkipProperties(targets=[m.SkipTarget(type="Member", name="one")])
    skipped = client.update_runs.begin_skip(*where, "run", skips).result()
    assert state(skipped) in ("NotStarted", "Skipped")
    create_run(client, where, "run2", update(version="1.30.4", images="Latest"), strategy=GATED)
    client.update_runs.begin_start(*where, "run2").result()
    ends(client, where, "run2", "Running", "Pending")
    client.update_runs.begin_stop(*where, "run2").result()
    ends(client, where, "run2", "Stopped")
    assert sorted(one.name for one in client.update_runs.list_by_fleet(*where)) == ["run", "run2"]
    for name in ("run", "run2"):
        client.update_runs.begin_delete(*where, name).result()
    assert list(client.update_runs.list_by_fleet(*where)) == []


def test_gates(client: Any, where: Where) -> None:
    create_run(client, where, "gated", update(version="1.30.4", images="Latest"), strategy=GATED)
    client.update_runs.begin_start(*where, "gated").result()
    [gate] = until(lambda: list(client.gates.list_by_fleet(*where, filter="state eq Pending")), bool)
    assert (gate.properties.display_name, gate.properties.gate_type) == ("look first", "Approval")
    assert gate.properties.target.update_run_properties.stage == "one"
    assert client.gates.get(*where, gate.name).properties.state == "Pending"
    patch = m.GatePatch(properties=m.GatePatchProperties(state="Completed"))
    assert client.gates.begin_update(*where, gate.name, patch).result().properties.state == "Completed"
    ends(client, where, "gated", "Completed", "Skipped")
    assert list(client.gates.list_by_fleet(*where, filter="state eq Pending")) == []
    client.update_runs.begin_delete(*where, "gated").result()


def test_profiles(client: Any, where: Where) -> None:
    given = m.AutoUpgradeProfile(properties=m.AutoUpgradeProfileProperties(channel="Rapid", disabled=True))
    made = client.auto_upgrade_profiles.begin_create_or_update(*where, "p", given).result()
    assert (made.properties.channel, made.properties.disabled) == ("Rapid", True)
    assert client.auto_upgrade_profiles.get(*where, "p").name == "p"
    assert [one.name for one in client.auto_upgrade_profiles.list_by_fleet(*where)] == ["p"]
    generated = client.auto_upgrade_profile_operations.begin_generate_update_run(*where, "p").result()
    assert state(client.update_runs.get(*where, generated.id.rpartition("/")[2])) == "NotStarted"
    client.auto_upgrade_profiles.begin_delete(*where, "p").result()
    assert list(client.auto_upgrade_profiles.list_by_fleet(*where)) == []


def test_operations_are_listed(client: Any) -> None:
    listed = {operation.name for operation in client.operations.list()}
    assert "Microsoft.ContainerService/fleets/read" in listed
    assert "Microsoft.ContainerService/fleets/updateRuns/start/action" in listed


def test_nothing_of_the_client_is_left(azure: ContainerServiceFleetMgmtClient) -> None:
    """Runs last: what the tests above have called is all there is, but for what is left out with a reason."""
    there = {
        f"{group}.{name}"
        for group, operations in vars(azure).items()
        if not group.startswith("_") and group not in LEFT_OUT
        for name, _ in inspect.getmembers(operations, inspect.ismethod)
        if not name.startswith("_")
    }
    assert len(there) > 30
    assert there - DONE == set()
