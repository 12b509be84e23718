"""What ``az`` and Terraform ask for before they come to fleets: the cloud, groups, providers, locations."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
import yaml

from echelon.kube.kubeconfig import parse

from ..processes import HubProcess
from .conftest import SUBSCRIPTION
from .wire import Wire, refused

HERE = f"/subscriptions/{SUBSCRIPTION}"
GROUPS = f"{HERE}/resourcegroups"
KIND = "providers/Microsoft.ContainerService"
RESOURCES = "2024-11-01"
CORE = "/clusters/hub/api/v1"


@pytest.fixture(scope="module")
def admin(hub: HubProcess) -> Iterator[Wire]:
    wire = Wire(hub, (hub.data / "admin-token").read_text())
    yield wire
    wire.close()


@pytest.fixture
def group(admin: Wire) -> Iterator[str]:
    """A group with nothing in it."""
    made = admin("PUT", f"{GROUPS}/Team.1", {"location": "East US", "tags": {"of": "us"}}, version=RESOURCES)
    assert made.status_code == 201, made.text
    yield f"{GROUPS}/Team.1"
    admin("DELETE", f"{GROUPS}/Team.1", version=RESOURCES)


def test_the_cloud_has_the_shape_of_the_version(hub: HubProcess) -> None:
    nobody = Wire(hub, "")
    base = nobody.base
    for old in ("1.0", "2015-01-01", "2018-05-01"):
        cloud = nobody("GET", "/metadata/endpoints", version=old).json()
        assert cloud["authentication"] == {"loginEndpoint": base, "audiences": [base]}
        assert cloud["galleryEndpoint"] == base
    [listed] = nobody("GET", "/metadata/endpoints", version="2019-05-01").json()
    alone = nobody("GET", "/metadata/endpoints", version="2022-09-01").json()
    assert listed == alone
    assert alone["name"]
    assert alone["resourceManager"] == alone["authentication"]["loginEndpoint"] == base
    assert alone["authentication"]["audiences"] == [base]
    assert alone["suffixes"] == {}
    nobody.close()


def test_a_group_is_created_before_its_fleet(admin: Wire, group: str) -> None:
    shown = admin("GET", group.lower(), version=RESOURCES).json()
    assert (shown["name"], shown["location"], shown["tags"]) == ("Team.1", "eastus", {"of": "us"})
    assert shown["properties"] == {"provisioningState": "Succeeded"}
    assert admin("HEAD", group, version=RESOURCES).status_code == 204
    listed = admin("GET", GROUPS, version=RESOURCES).json()["value"]
    assert [found["name"] for found in listed] == ["demo", "Team.1"]
    again = admin("PUT", group, {"location": "eastus"}, version=RESOURCES)
    assert (again.status_code, again.json()["tags"]) == (200, {})
    patched = admin("PATCH", group, {"tags": {"a": "b"}}, version=RESOURCES)
    assert (patched.status_code, patched.json()["tags"]) == (200, {"a": "b"})


def test_a_group_goes_with_all_that_is_in_it(admin: Wire, group: str) -> None:
    fleet, cluster = f"{group}/{KIND}/fleets/inside", f"{group}/{KIND}/managedClusters/inside"
    assert admin("PUT", fleet, {"location": "eastus"}).status_code == 201
    assert admin("PUT", cluster, {"location": "eastus"}).status_code == 201
    inside = admin("GET", f"{group}/resources", version=RESOURCES).json()["value"]
    assert [found["type"].rpartition("/")[2] for found in inside] == ["fleets", "managedClusters"]
    assert admin("DELETE", group, version=RESOURCES).status_code == 200
    for gone in (fleet, cluster):
        refused(admin("GET", gone), 404, "ResourceNotFound")
    refused(admin("GET", group, version=RESOURCES), 404, "ResourceGroupNotFound")
    assert admin("HEAD", group, version=RESOURCES).status_code == 404
    refused(admin("DELETE", group, version=RESOURCES), 404, "ResourceGroupNotFound")


def test_the_group_of_the_servers_own_fleet_stays(admin: Wire) -> None:
    message = refused(admin("DELETE", f"{GROUPS}/demo", version=RESOURCES), 409, "OperationNotAllowed")
    assert "'fleet'" in message
    assert admin("GET", "").status_code == 200


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("ends.", {"location": "eastus"}, "InvalidParameter"),
        ("x" * 91, {"location": "eastus"}, "InvalidParameter"),
        ("a%20b", {"location": "eastus"}, "InvalidParameter"),
        ("fine", {}, "LocationRequired"),
        ("fine", None, "InvalidParameter"),
        ("fine", {"location": "eastus", "tags": {"a": 1}}, "InvalidParameter"),
    ],
)
def test_what_is_no_group_is_refused(admin: Wire, name: str, body: object, code: str) -> None:
    refused(admin("PUT", f"{GROUPS}/{name}", body, version=RESOURCES), 400, code)
    refused(admin("GET", f"{GROUPS}/{name}", version=RESOURCES), 404, "ResourceGroupNotFound")


def test_a_group_does_not_move(admin: Wire) -> None:
    answer = admin("PUT", f"{GROUPS}/demo", {"location": "eastus"}, version=RESOURCES)
    assert "'local'" in refused(answer, 409, "InvalidResourceGroupLocation")
    assert admin("PUT", f"{GROUPS}/demo", {"location": "local"}, version=RESOURCES).status_code == 200


def test_groups_are_told_to_those_whom_a_hub_knows(hub: HubProcess) -> None:
    nobody = Wire(hub, "guessed")
    refused(nobody("GET", GROUPS, version=RESOURCES), 401, "InvalidAuthenticationToken")
    refused(nobody("PUT", f"{GROUPS}/x", {"location": "x"}, version=RESOURCES), 401, "InvalidAuthenticationToken")
    nobody.close()


def test_providers_and_locations(admin: Wire) -> None:
    listed = admin("GET", f"{HERE}/providers", version=RESOURCES).json()["value"]
    assert [found["namespace"] for found in listed] == ["Microsoft.ContainerService", "Microsoft.Resources"]
    assert {found["registrationState"] for found in listed} == {"Registered"}
    assert "fleets" in [type_["resourceType"] for type_ in listed[0]["resourceTypes"]]
    registered = admin("POST", f"{HERE}/providers/Microsoft.Network/register", version=RESOURCES).json()
    assert registered["registrationState"] == "Registered"
    places = admin("GET", f"{HERE}/locations", version="2022-12-01").json()["value"]
    assert "local" in [place["name"] for place in places]
    refused(admin("GET", "/subscriptions/none/locations", version="2022-12-01"), 404, "SubscriptionNotFound")


def test_versions_and_upgrades_are_those_of_the_catalogue(admin: Wire) -> None:
    listed = admin("GET", f"{HERE}/{KIND}/locations/eastus/kubernetesVersions", version="2025-05-01").json()["values"]
    assert [found["version"] for found in listed] == ["1.30", "1.31"]
    assert listed[0]["patchVersions"]["1.30.0"] == {"upgrades": ["1.30.4", "1.31.1"]}
    cluster = f"{GROUPS}/demo/{KIND}/managedClusters/member1"
    profile = admin("GET", f"{cluster}/upgradeProfiles/default", version="2025-05-01").json()
    now = profile["properties"]["controlPlaneProfile"]["kubernetesVersion"]
    offered = [found["kubernetesVersion"] for found in profile["properties"]["controlPlaneProfile"]["upgrades"]]
    assert offered == [version for version in ("1.30.0", "1.30.4", "1.31.1") if version > now]


def test_credentials_of_a_cluster_lead_to_the_member(admin: Wire, hub: HubProcess, group: str) -> None:
    cluster = f"{GROUPS}/demo/{KIND}/managedClusters/member1"
    for kind in ("listClusterUserCredential", "listClusterAdminCredential"):
        [config] = admin("POST", f"{cluster}/{kind}", version="2025-05-01").json()["kubeconfigs"]
        found = parse(base64.b64decode(config["value"]).decode(), "credentials")
        assert found.server == f"https://127.0.0.1:{hub.port}/clusters/member1"
    named = f"{group}/{KIND}/managedClusters/waiting"
    assert admin("PUT", named, {"location": "eastus"}).status_code == 201
    answer = admin("POST", f"{named}/listClusterUserCredential", version="2025-05-01")
    assert "is in no fleet yet" in refused(answer, 409, "OperationNotAllowed")
    refused(admin("POST", f"{named}x/listClusterUserCredential", version="2025-05-01"), 404, "ResourceNotFound")


def test_credentials_of_a_service_account_are_its_own(admin: Wire, hub: HubProcess) -> None:
    accounts = f"{CORE}/namespaces/default/serviceaccounts"
    bindings = "/clusters/hub/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "echelon:viewer"}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
    for path, body in (
        (accounts, {"metadata": {"name": "reader"}}),
        (bindings, {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]}),
    ):
        assert admin("POST", path, body, version=None).status_code == 201
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = admin("POST", f"{accounts}/reader/token", asked, version=None).json()["status"]["token"]
    reader = Wire(hub, token)
    refused(reader("PUT", f"{GROUPS}/readers", {"location": "eastus"}, version=RESOURCES), 403, "AuthorizationFailed")
    [config] = reader("POST", "listCredentials").json()["kubeconfigs"]
    reader.close()
    [user] = yaml.safe_load(base64.b64decode(config["value"]))["users"]
    shown = Wire(hub, user["user"]["token"])
    members = "/clusters/hub/apis/cluster.kubernetes-fleet.io/v1beta1/memberclusters"
    assert shown("GET", members, version=None).status_code == 200
    assert shown("GET", f"{CORE}/secrets", version=None).status_code == 403
    shown.close()
