"""What az does around fleets: groups, providers and clusters, and a fleet of one's own from its creation to its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .conftest import Az

STAGES = """{"stages": [{"name": "stage1", "beforeGates": [{"displayName": "go", "type": "Approval"}], "groups":
[{"name": "group1", "maxConcurrency": "100%"}, {"name": "group2", "maxConcurrency": "50%"}], "maxConcurrency": "7"}]}"""


def test_groups(az: Az) -> None:
    made = az("group", "create", "-n", "team", "-l", "eastus", "--tags", "a=b")
    assert (made["location"], made["tags"]) == ("eastus", {"a": "b"})
    assert az("group", "exists", "-n", "team") is True
    assert [group["name"] for group in az("group", "list")] == ["demo", "team"]
    assert az("group", "update", "-n", "team", "--tags", "c=d")["tags"] == {"c": "d"}
    az("group", "delete", "-n", "team", "--yes")
    assert az("group", "exists", "-n", "team") is False
    assert "ResourceGroupNotFound" in az.refused("group", "show", "-n", "team")
    assert "which is the server's own" in az.refused("group", "delete", "-n", "demo", "--yes")


def test_providers_and_places(az: Az) -> None:
    shown = az("provider", "show", "-n", "Microsoft.ContainerService")
    assert shown["registrationState"] == "Registered"
    az("provider", "register", "-n", "Microsoft.ContainerService", "--wait")
    assert "Microsoft.ContainerService" in [found["namespace"] for found in az("provider", "list")]
    assert "local" in [place["name"] for place in az("account", "list-locations")]


def test_clusters(az: Az) -> None:
    assert [found["name"] for found in az("aks", "list")] == [f"member{number}" for number in (1, 2, 3, 4)]
    made = az("aks", "create", "-g", "rehearsal", "-n", "one", "-l", "eastus", "-k", "1.30.0", "--no-ssh-key")
    assert (made["kubernetesVersion"], made["provisioningState"]) == ("1.30.0", "Succeeded")
    assert az("aks", "wait", "-g", "rehearsal", "-n", "one", "--created") is None
    [pool] = az("aks", "nodepool", "list", "-g", "rehearsal", "--cluster-name", "one")
    assert (pool["count"], pool["currentOrchestratorVersion"]) == (3, "1.30.0")
    offered = az("aks", "get-upgrades", "-g", "rehearsal", "-n", "one")["controlPlaneProfile"]["upgrades"]
    assert [found["kubernetesVersion"] for found in offered] == ["1.30.4", "1.31.1"]
    assert [found["version"] for found in az("aks", "get-versions", "-l", "eastus")["values"]] == ["1.30", "1.31"]
    assert "is in no fleet yet" in az.refused("aks", "get-credentials", "-g", "rehearsal", "-n", "one")
    az("aks", "delete", "-g", "rehearsal", "-n", "one", "--yes")
    assert "ResourceNotFound" in az.refused("aks", "show", "-g", "rehearsal", "-n", "one")


def test_a_fleet_of_ones_own(fleet: Az, tmp_path: Path) -> None:
    where = ("-g", "own", "-f", "hubless")
    fleet("group", "create", "-n", "own", "-l", "westus2")
    made = fleet("fleet", "create", "-g", "own", "-n", "hubless")
    assert (made["location"], made["provisioningState"]) == ("westus2", "Succeeded")
    assert fleet("fleet", "wait", "-g", "own", "--fleet-name", "hubless", "--created") is None
    assert fleet("fleet", "update", "-g", "own", "-n", "hubless", "--tags", "foo=doo")["tags"] == {"foo": "doo"}
    assert fleet("fleet", "reconcile", "-g", "own", "-n", "hubless")["tags"] == {"foo": "doo"}
    assert len(fleet("fleet", "list", "-g", "own")) == 1
    assert len(fleet("fleet", "list")) == 2

    cluster = fleet("aks", "create", "-g", "own", "-n", "one", "-k", "1.30.0", "--no-ssh-key")["id"]
    given = ("--member-cluster-id", cluster, "--update-group", "group1", "--member-labels", "team=fleet")
    member = fleet("fleet", "member", "create", *where, "-n", "one", *given)
    assert (member["clusterResourceId"], member["group"]) == (cluster, "group1")
    assert member["labels"]["team"] == "fleet"
    assert fleet("fleet", "member", "update", *where, "-n", "one", "--update-group", "group2")["group"] == "group2"
    assert fleet("fleet", "member", "wait", *where, "--fleet-member-name", "one", "--updated") is None
    assert fleet("fleet", "member", "reconcile", *where, "-n", "one")["group"] == "group2"
    assert len(fleet("fleet", "member", "list", *where)) == 1

    other = fleet("aks", "create", "-g", "own", "-n", "two", "-k", "1.30.0", "--no-ssh-key")["id"]
    fleet("fleet", "member", "create", *where, "-n", "two", "--member-cluster-id", other, "--update-group", "group1")
    update = ("--upgrade-type", "Full", "--node-image-selection", "Latest", "--kubernetes-version", "1.30.4")
    fleet("fleet", "updaterun", "create", *where, "-n", "run1", *update, "--stages", STAGES)
    run = fleet("fleet", "updaterun", "skip", *where, "-n", "run1", "--targets", "Group:group2")
    assert run["status"]["stages"][0]["groups"][1]["status"]["state"] == "Skipped"
    fleet("fleet", "updaterun", "delete", *where, "-n", "run1", "--yes")

    order = tmp_path / "stages.json"
    order.write_text(STAGES)
    strategy = fleet("fleet", "updatestrategy", "create", *where, "-n", "order", "--stages", order)
    assert fleet("fleet", "updatestrategy", "show", *where, "-n", "order")["id"] == strategy["id"]
    assert len(fleet("fleet", "updatestrategy", "list", *where)) == 1
    fleet("fleet", "updaterun", "create", *where, "-n", "run2", *update, "--update-strategy-name", "order")
    fleet("fleet", "updaterun", "start", *where, "-n", "run2", "--no-wait")
    [gate] = fleet("fleet", "gate", "list", *where, "--state-filter", "Pending")
    assert fleet("fleet", "gate", "show", *where, "-n", gate["name"])["displayName"] == "go"
    assert fleet("fleet", "gate", "approve", *where, "-n", gate["name"])["state"] == "Completed"
    ended = ("--custom", "status.status.state=='Completed'", "--interval", "1", "--timeout", "60")
    assert fleet("fleet", "updaterun", "wait", *where, "--update-run-name", "run2", *ended) is None

    profile = ("-c", "Rapid", "--node-image-selection", "Latest", "--disabled", "--update-strategy-id", strategy["id"])
    assert fleet("fleet", "autoupgradeprofile", "create", *where, "-n", "aup", *profile)["disabled"] is True
    pinned = ("-c", "TargetKubernetesVersion", "--target-kubernetes-version", "1.30", "--long-term-support")
    assert fleet("fleet", "autoupgradeprofile", "create", *where, "-n", "pinned", *pinned)["longTermSupport"] is True
    assert len(fleet("fleet", "autoupgradeprofile", "list", *where)) == 2
    made = fleet("fleet", "autoupgradeprofile", "generate-update-run", *where, "-n", "aup")
    assert "auto-aup-rapid" in made["id"]
    fleet("fleet", "autoupgradeprofile", "delete", *where, "-n", "aup", "--yes")

    own = tmp_path / "member"
    fleet("aks", "get-credentials", "-g", "own", "-n", "one", "-f", own)
    asked = ["kubectl", "--kubeconfig", str(own), "get", "nodes", "-o", "name"]
    assert len(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.split()) == 3

    config = tmp_path / "kubeconfig"
    fleet("fleet", "get-credentials", "-g", "own", "-n", "hubless", "-f", config)
    asked = ["kubectl", "--kubeconfig", str(config), "get", "memberclusters", "-o", "name"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [line.rpartition("/")[2] for line in listed.split()] == ["one", "two"]

    fleet("fleet", "member", "delete", *where, "-n", "two", "--yes")
    assert "ResourceNotFound" in fleet.refused("fleet", "member", "show", *where, "-n", "two")
    fleet("fleet", "delete", "-g", "own", "-n", "hubless", "--yes")
    assert fleet("fleet", "wait", "-g", "own", "--fleet-name", "hubless", "--deleted") is None
    fleet("group", "delete", "-n", "own", "--yes")


def test_what_az_notes_about_the_answers(fleet: Az) -> None:
    ended = fleet.run("fleet", "member", "list", "-g", "demo", "-f", "fleet", "--debug")
    assert ended.returncode == 0
    for oddity in ("Traceback", "WARNING", "Deserialization", "InsecureRequest"):
        assert oddity not in ended.stderr, ended.stderr
