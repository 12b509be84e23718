"""The manners of the face on the wire: tags of states, pages, filters, casing, refusals, and both sides in step."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import yaml

from echelon.arm.versions import VERSIONS

from ..processes import HubProcess
from .conftest import SUBSCRIPTION
from .wire import FLEET, NEWEST_STABLE, VERSION, Wire, refused

STAGES = {"stages": [{"name": "first", "groups": [{"name": "a"}]}]}
UPDATE = {"upgrade": {"type": "NodeImageOnly"}, "nodeImageSelection": {"type": "Latest"}}
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/demo"


@pytest.fixture(scope="module")
def admin(hub: HubProcess) -> Iterator[Wire]:
    wire = Wire(hub, (hub.data / "admin-token").read_text())
    yield wire
    wire.close()


@pytest.fixture
def strategy(admin: Wire) -> Iterator[dict[str, Any]]:
    made = admin("PUT", "updateStrategies/wire", {"properties": {"strategy": STAGES}})
    assert made.status_code == 201, made.text
    yield made.json()
    admin("DELETE", "updateStrategies/wire")


# -- tags of states -----------------------------------------------------------------------------


def test_a_write_for_a_state_that_is_past_changes_nothing(admin: Wire, strategy: dict[str, Any]) -> None:
    other = {"properties": {"strategy": {"stages": [{"name": "other", "groups": [{"name": "a"}]}]}}}
    changed = admin("PUT", "updateStrategies/wire", other, headers={"If-Match": strategy["eTag"]})
    assert changed.status_code == 200
    assert changed.json()["eTag"] != strategy["eTag"]
    for method, body in (("PUT", {"properties": {"strategy": STAGES}}), ("DELETE", None)):
        answer = admin(method, "updateStrategies/wire", body, headers={"If-Match": strategy["eTag"]})
        refused(answer, 412, "PreconditionFailed")
    assert admin("GET", "updateStrategies/wire").json() == changed.json()


def test_what_is_to_be_new_or_there_is_held_to_it(admin: Wire, strategy: dict[str, Any]) -> None:
    body = {"properties": {"strategy": STAGES}}
    refused(admin("PUT", "updateStrategies/wire", body, headers={"If-None-Match": "*"}), 412, "PreconditionFailed")
    refused(admin("PUT", "updateStrategies/none", body, headers={"If-Match": "*"}), 412, "PreconditionFailed")
    refused(admin("GET", "updateStrategies/none"), 404, "ResourceNotFound")
    assert admin("PUT", "updateStrategies/wire", body, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("what", ["", "members/member1"])
def test_fleets_and_members_have_tags_of_states_too(admin: Wire, what: str) -> None:
    body = {"tags": {}} if not what else {"properties": {}}
    refused(admin("PATCH", what, body, headers={"If-Match": '"another"'}), 412, "PreconditionFailed")
    now = admin("GET", what).json()["eTag"]
    assert admin("PATCH", what, body, headers={"If-Match": now}).status_code == 200


def test_system_data_keeps_who_made_a_thing(admin: Wire, strategy: dict[str, Any]) -> None:
    data = strategy["systemData"]
    assert data["createdBy"] == data["lastModifiedBy"] == "echelon-admin"
    changed = admin("PUT", "updateStrategies/wire", {"properties": {"strategy": STAGES}}).json()
    assert changed["systemData"]["createdBy"] == data["createdBy"]
    assert changed["systemData"]["createdAt"] == data["createdAt"]


# -- lists --------------------------------------------------------------------------------------


def test_lists_come_in_pages_that_lead_to_the_next(admin: Wire) -> None:
    page = admin("GET", "members", **{"$top": "3"}).json()
    names = [member["name"] for member in page["value"]]
    assert names == ["member1", "member2", "member3"]
    assert page["nextLink"].startswith(admin.base + FLEET)
    rest = admin("GET", page["nextLink"], version=None).json()
    assert [member["name"] for member in rest["value"]] == ["member4"]
    assert "nextLink" not in rest


@pytest.mark.parametrize("query", [{"$top": "0"}, {"$top": "x"}, {"$skipToken": "§"}, {"$filter": "a b c"}])
def test_what_a_list_cannot_follow_is_refused(admin: Wire, query: dict[str, str]) -> None:
    refused(admin("GET", "members", **query), 400, "InvalidParameter", *query)


def test_lists_of_fleets(admin: Wire) -> None:
    for path in (GROUP, f"/subscriptions/{SUBSCRIPTION}"):
        found = admin("GET", f"{path}/providers/Microsoft.ContainerService/fleets", **{"$top": "10"}).json()["value"]
        assert "fleet" in [fleet["name"] for fleet in found]
    refused(
        admin("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/fleets", **{"$top": "-1"}),
        400,
        "InvalidParameter",
        "$top",
    )


def test_members_are_found_by_label(admin: Wire) -> None:
    admin("PATCH", "members/member2", {"properties": {"labels": {"wire": "yes"}}})
    found = admin("GET", "members", **{"$filter": "labels/wire eq 'yes'"}).json()["value"]
    assert [member["name"] for member in found] == ["member2"]
    admin("PATCH", "members/member2", {"properties": {"labels": {}}})


# -- paths and versions -------------------------------------------------------------------------


def test_paths_have_no_case_and_ids_have_that_of_the_caller(admin: Wire) -> None:
    odd = FLEET.replace("resourceGroups/demo", "RESOURCEGROUPS/DeMo").replace("/fleets/fleet", "/Fleets/FLEET")
    member = admin("GET", f"{odd}/MEMBERS/Member1").json()
    assert member["id"].lower() == f"{FLEET}/members/member1".lower()
    assert "/resourceGroups/DeMo/" in member["id"]
    assert "/fleets/FLEET/" in member["id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_served_as_it_was(admin: Wire, version: str) -> None:
    member = admin("GET", "members/member1", version=version)
    assert member.status_code == 200
    assert ("labels" in member.json()["properties"]) <= (version >= "2025-04-01-preview")
    gates = admin("GET", "gates", version=version)
    assert gates.status_code == (200 if version >= "2025-04-01-preview" else 400)


def test_a_version_has_to_be_given_and_known(admin: Wire) -> None:
    refused(admin("GET", "members", version=None), 400, "MissingApiVersionParameter")
    message = refused(admin("GET", "members", version="2099-01-01"), 400, "NoRegisteredProviderFound")
    assert NEWEST_STABLE in message


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "wrong"])
def test_strangers_are_told_to_sign_in(hub: HubProcess, token: str) -> None:
    stranger = Wire(hub, token)
    answer = stranger("GET", "members")
    refused(answer, 401, "InvalidAuthenticationToken" if token else "AuthenticationFailed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "member1" not in answer.text
    for path in ("/subscriptions", "/tenants", GROUP, f"{GROUP}/providers/Microsoft.ContainerService/managedClusters"):
        assert stranger("GET", path).status_code == 401
    stranger.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{FLEET}/nothing", 404, "InvalidResourceType"),
        ("GET", f"{GROUP}/providers/Microsoft.Compute/virtualMachines", 404, "InvalidResourceType"),
        ("GET", FLEET.replace("/fleets/fleet", "/fleets/none"), 404, "ResourceNotFound"),
        ("GET", FLEET.replace("/demo/", "/none/"), 404, "ResourceNotFound"),
        ("GET", f"{FLEET}/updateRuns/none", 404, "ResourceNotFound"),
        ("POST", f"{FLEET}/updateRuns/none/start", 404, "ResourceNotFound"),
        ("POST", f"{FLEET}/autoUpgradeProfiles/none/generateUpdateRun", 404, "ResourceNotFound"),
        ("PATCH", f"{FLEET}/gates/none", 404, "ResourceNotFound"),
        ("PATCH", f"{FLEET}/updateRuns/none", 405, "MethodNotAllowed"),
        ("DELETE", f"{FLEET}/gates/none", 405, "MethodNotAllowed"),
        ("DELETE", f"{FLEET}/members", 405, "MethodNotAllowed"),
    ],
)
def test_what_is_not_there(admin: Wire, method: str, path: str, status: int, code: str) -> None:
    body = {"properties": {"state": "Completed"}} if method == "PATCH" else None
    answer = admin(method, path, body)
    refused(answer, status, code)
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    "path", ["members/none", "updateRuns/none", "updateStrategies/none", "autoUpgradeProfiles/none"]
)
def test_what_is_gone_can_be_deleted(admin: Wire, path: str) -> None:
    assert admin("DELETE", path).status_code == 204


def broken(update: Any = UPDATE, **rest: Any) -> dict[str, Any]:
    return {"properties": {"managedClusterUpdate": update, **rest}}


@pytest.mark.parametrize(
    ("path", "body", "target"),
    [
        ("members/new", None, None),
        ("members/new", [], None),
        ("members/new", {"properties": 5}, "properties"),
        ("members/new", {"properties": {"clusterResourceId": "x"}}, "properties.clusterResourceId"),
        ("updateRuns/new", {}, "properties"),
        ("updateRuns/new", broken({"upgrade": {"type": "Everything"}}), "properties.managedClusterUpdate.upgrade.type"),
        ("updateRuns/new", broken(updateStrategyId="one"), "properties.updateStrategyId"),
        ("updateRuns/new", broken(strategy={"stages": []}), "properties.strategy.stages"),
        ("updateStrategies/new", {"properties": {}}, "properties.strategy"),
        ("updateStrategies/new", {"properties": {"strategy": {"stages": [{"name": 5}]}}}, None),
        ("autoUpgradeProfiles/new", {"properties": {"channel": "Weekly"}}, "properties.channel"),
        ("autoUpgradeProfiles/new", {"properties": {}}, "properties.channel"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(admin: Wire, path: str, body: Any, target: str | None) -> None:
    refused(admin("PUT", path, body), 400, "InvalidParameter", target)
    refused(admin("GET", path), 404, "ResourceNotFound")


def test_names_are_refused(admin: Wire) -> None:
    for type_ in ("updateRuns", "updateStrategies", "autoUpgradeProfiles"):
        body = {"properties": {"strategy": STAGES, "channel": "Stable", "managedClusterUpdate": UPDATE}}
        refused(admin("PUT", f"{type_}/under_score", body), 400, "InvalidParameter", "name")
        refused(admin("PUT", f"{type_}/{'x' * 51}", body), 400, "InvalidParameter", "name")


def test_bodies_are_refused(admin: Wire) -> None:
    def put(data: bytes, **headers: str) -> requests.Response:
        return admin("PUT", "updateStrategies/new", data=data, headers=headers)

    refused(put(b"{", **{"Content-Type": "application/json"}), 400, "InvalidRequestContent")
    refused(put(b"[" * 100_000, **{"Content-Type": "application/json"}), 400, "InvalidRequestContent")
    refused(put(b" " * (1 << 20) + b"{}"), 413, "RequestEntityTooLarge")
    refused(put(b"<xml/>", **{"Content-Type": "application/xml"}), 415, "UnsupportedMediaType")


def test_what_does_not_fit_the_state_is_a_conflict(admin: Wire) -> None:
    assert admin("PUT", "updateRuns/idle", broken()).status_code == 201
    refused(admin("POST", "updateRuns/idle/stop"), 409, "OperationNotAllowed")
    skips = {"targets": [{"type": "Group", "name": "no-such-group"}]}
    assert "no-such-group" in refused(admin("POST", "updateRuns/idle/skip", skips), 409, "OperationNotAllowed")
    refused(admin("POST", "updateRuns/idle/skip", {"targets": []}), 400, "InvalidParameter", "targets")
    bad = {"targets": [{"type": "Continent", "name": "x"}]}
    refused(admin("POST", "updateRuns/idle/skip", bad), 400, "InvalidParameter", "targets")
    assert admin("GET", "updateRuns/idle").json()["properties"]["status"]["status"]["state"] == "NotStarted"
    assert admin("DELETE", "updateRuns/idle").status_code == 200
    refused(admin("DELETE", FLEET), 409, "OperationNotAllowed")


# -- both sides ---------------------------------------------------------------------------------


@pytest.fixture
def on_hub(hub: HubProcess) -> Callable[..., requests.Response]:
    """The Kubernetes API of the hub."""
    config = yaml.safe_load(hub.kubeconfig.read_text())
    [cluster] = [item["cluster"] for item in config["clusters"] if item["name"] == "hub"]
    [user] = [item["user"] for item in config["users"] if item["name"] == "hub"]
    authority = str(hub.data / "pki" / "ca.crt")

    def ask(method: str, path: str, body: Any = None) -> requests.Response:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": kind}
        address = cluster["server"] + path
        return requests.request(method, address, json=body, headers=headers, verify=authority, timeout=30)

    return ask


OURS = "/apis/fleet.echelon.dev/v1alpha1"
MEMBERS = "/apis/cluster.kubernetes-fleet.io/v1beta1/memberclusters"


def test_what_either_side_changes_the_other_shows(
    admin: Wire, on_hub: Callable[..., requests.Response], strategy: dict[str, Any]
) -> None:
    found = on_hub("GET", f"{OURS}/updatestrategies/wire").json()
    assert found["spec"]["strategy"]["stages"][0]["name"] == "first"
    change = {"spec": {"strategy": {"stages": [{"name": "renamed", "groups": [{"name": "a"}]}]}}}
    assert on_hub("PATCH", f"{OURS}/updatestrategies/wire", change).status_code == 200
    shown = admin("GET", "updateStrategies/wire").json()
    assert shown["properties"]["strategy"]["stages"][0]["name"] == "renamed"
    assert shown["eTag"] != strategy["eTag"]
    label = {"metadata": {"labels": {"fleet.echelon.dev/update-group": "blue"}}}
    on_hub("PATCH", f"{MEMBERS}/member4", label)
    assert admin("GET", "members/member4").json()["properties"]["group"] == "blue"
    admin("PATCH", "members/member4", {"properties": {"group": ""}})
    assert "blue" not in on_hub("GET", f"{MEMBERS}/member4").text
    assert on_hub("DELETE", f"{OURS}/updatestrategies/wire").status_code == 200
    refused(admin("GET", "updateStrategies/wire"), 404, "ResourceNotFound")


def test_rights_are_those_of_the_hub(
    hub: HubProcess, admin: Wire, on_hub: Callable[..., requests.Response], strategy: dict[str, Any]
) -> None:
    """A viewer reads and changes nothing; who has no right to the fleet learns nothing of it."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    wires = []
    for name in ("wire-viewer", "wire-nobody"):
        on_hub("POST", accounts, {"metadata": {"name": name}})
        asked = on_hub("POST", f"{accounts}/{name}/token", {"spec": {}})
        assert asked.status_code == 201, asked.text
        wires.append(Wire(hub, asked.json()["status"]["token"]))
    binding = {
        "metadata": {"name": "wire-viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "echelon:viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "wire-viewer", "namespace": "default"}],
    }
    on_hub("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    viewer, nobody = wires
    before = admin("GET", "updateStrategies/wire").text
    assert viewer("GET", "members").status_code == 200
    assert viewer("GET", "updateStrategies/wire").status_code == 200
    for method, path, body in (
        ("PUT", "updateStrategies/wire", {"properties": {"strategy": STAGES}}),
        ("DELETE", "updateStrategies/wire", None),
        ("PATCH", "members/member1", {"properties": {"group": "x"}}),
        ("PATCH", "", {"tags": {"a": "b"}}),
        ("PUT", FLEET.replace("/fleets/fleet", "/fleets/theirs"), {"location": "x"}),
    ):
        refused(viewer(method, path, body), 403, "AuthorizationFailed")
    assert admin("GET", "updateStrategies/wire").text == before
    for path in ("members", "updateStrategies/wire", "updateStrategies/none", ""):
        answer = nobody("GET", path)
        refused(answer, 403, "AuthorizationFailed")
        assert "member1" not in answer.text
    credentials = viewer("POST", "listCredentials").json()["kubeconfigs"][0]
    config = yaml.safe_load(base64.b64decode(credentials["value"]))
    assert config["current-context"]
    for wire in wires:
        wire.close()


def test_answers_carry_what_clients_ask_for(admin: Wire) -> None:
    answer = admin("GET", "", headers={"x-ms-client-request-id": "one"})
    assert answer.headers["x-ms-request-id"] == "one"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["type"] == "Microsoft.ContainerService/fleets"
    assert VERSION in VERSIONS
