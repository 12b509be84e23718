"""The staged rollout tutorial with the official Python client, for machines without kubectl.

Nothing is asked twice: what is to come is watched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client as kubernetes
from kubernetes import config, watch

from ..processes import HubProcess

GROUP, VERSION = "placement.kubernetes-fleet.io", "v1beta1"
PATIENCE = 60
MEMBERS = ("member1", "member2", "member3")
PLACEMENT = {
    "resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "test-namespace"}],
    "policy": {"placementType": "PickAll"},
    "strategy": {"type": "External"},
}
STAGES = [
    {
        "name": "staging",
        "labelSelector": {"matchLabels": {"environment": "staging"}},
        "afterStageTasks": [{"type": "TimedWait", "waitTime": "1s"}],
    },
    {
        "name": "canary",
        "labelSelector": {"matchLabels": {"environment": "canary"}},
        "sortingLabelKey": "order",
        "afterStageTasks": [{"type": "Approval"}],
    },
]

# The client warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:unclosed:ResourceWarning")


class Context:
    """One context of the kubeconfig."""

    def __init__(self, kubeconfig: str, name: str) -> None:
        self._api = config.new_client_from_config(kubeconfig, context=name)
        self.core = kubernetes.CoreV1Api(self._api)
        self.custom = kubernetes.CustomObjectsApi(self._api)

    def close(self) -> None:
        self._api.close()

    def create(self, plural: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        created: dict[str, Any] = self.custom.create_cluster_custom_object(GROUP, VERSION, plural, body)
        return created

    def until(self, plural: str, is_so: Callable[[dict[str, Any]], bool], name: str = "", group: str = GROUP) -> Any:
        """The first object of a kind, or state of one object, that is as wanted."""
        selected = {"field_selector": f"metadata.name={name}"} if name else {}
        events = watch.Watch().stream(
            self.custom.list_cluster_custom_object, group, VERSION, plural, timeout_seconds=PATIENCE, **selected
        )
        for event in events:
            if event["type"] != "DELETED" and is_so(event["object"]):
                return event["object"]
        raise AssertionError(f"{plural} {name}: not as wanted within {PATIENCE} s")

    def until_deleted(self, plural: str, name: str) -> None:
        listed = self.custom.list_cluster_custom_object(GROUP, VERSION, plural)
        if all(item["metadata"]["name"] != name for item in listed["items"]):
            return
        events = watch.Watch().stream(
            self.custom.list_cluster_custom_object,
            *(GROUP, VERSION, plural),
            resource_version=listed["metadata"]["resourceVersion"],
            timeout_seconds=PATIENCE,
        )
        assert any(event["type"] == "DELETED" and event["object"]["metadata"]["name"] == name for event in events)

    def value(self) -> str:
        """What the placed ConfigMap says here; nothing when it is not here."""
        try:
            return str(self.core.read_namespaced_config_map("test-cm", "test-namespace").data["key"])
        except kubernetes.ApiException as error:
            if error.status != 404:
                raise
            return ""


@pytest.fixture
def contexts(hub: HubProcess) -> Iterator[dict[str, Context]]:
    opened = {name: Context(str(hub.kubeconfig), name) for name in ("hub", *MEMBERS)}
    yield opened
    for context in opened.values():
        context.close()


def has(condition: str, status: str = "True") -> Callable[[dict[str, Any]], bool]:
    """Whether an object has a condition with that status."""
    return lambda obj: any(
        found["type"] == condition and found["status"] == status
        for found in obj.get("status", {}).get("conditions", ())
    )


def is_latest(obj: dict[str, Any]) -> bool:
    return bool(obj["metadata"]["labels"]["kubernetes-fleet.io/is-latest-snapshot"] == "true")


def approve(hub: Context, name: str) -> None:
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "testPassed",
        "message": "lgtm",
        "observedGeneration": 1,
        "lastTransitionTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    hub.custom.patch_cluster_custom_object_status(
        GROUP, VERSION, "clusterapprovalrequests", name, {"status": {"conditions": [condition]}}
    )


def run_to_the_end(hub: Context, name: str, index: str) -> dict[str, Any]:
    """Start a run, approve what it asks for, and give it as it ended."""
    spec = {
        "placementName": "example-placement",
        "resourceSnapshotIndex": index,
        "stagedRolloutStrategyName": "example-strategy",
    }
    hub.create("clusterstagedupdateruns", "ClusterStagedUpdateRun", name, spec)
    request = hub.until("clusterapprovalrequests", lambda _: True, f"{name}-canary")
    assert request["spec"] == {"parentStageRollout": name, "targetStage": "canary"}
    approve(hub, f"{name}-canary")
    hub.until("clusterapprovalrequests", has("ApprovalAccepted"), f"{name}-canary")
    ended: dict[str, Any] = hub.until("clusterstagedupdateruns", has("Succeeded"), name)
    return ended


def test_tutorial(contexts: dict[str, Context]) -> None:
    hub = contexts["hub"]
    members = [contexts[name] for name in MEMBERS]
    for name in MEMBERS:
        joined = hub.custom.get_cluster_custom_object("cluster.kubernetes-fleet.io", VERSION, "memberclusters", name)
        assert has("Joined")(joined)
    hub.core.create_namespace({"metadata": {"name": "test-namespace"}})
    hub.core.create_namespaced_config_map(
        "test-namespace", {"metadata": {"name": "test-cm"}, "data": {"key": "value1"}}
    )
    hub.create("clusterresourceplacements", "ClusterResourcePlacement", "example-placement", PLACEMENT)
    hub.until("clusterresourceplacements", has("ClusterResourcePlacementScheduled"), "example-placement")
    hub.until("clusterresourcesnapshots", is_latest, "example-placement-0-snapshot")
    assert [member.value() for member in members] == ["", "", ""]

    hub.core.patch_namespaced_config_map("test-cm", "test-namespace", {"data": {"key": "value2"}})
    hub.until("clusterresourcesnapshots", is_latest, "example-placement-1-snapshot")
    hub.create("clusterstagedupdatestrategies", "ClusterStagedUpdateStrategy", "example-strategy", {"stages": STAGES})
    ended = run_to_the_end(hub, "example-run", "1")
    assert [stage["stageName"] for stage in ended["status"]["stagesStatus"]] == ["staging", "canary"]
    assert [c["clusterName"] for c in ended["status"]["stagesStatus"][1]["clusters"]] == ["member3", "member1"]
    assert [member.value() for member in members] == ["value2", "value2", "value2"]

    run_to_the_end(hub, "example-run-2", "0")
    assert [member.value() for member in members] == ["value1", "value1", "value1"]

    for name in ("example-run", "example-run-2"):
        hub.custom.delete_cluster_custom_object(GROUP, VERSION, "clusterstagedupdateruns", name)
        hub.until_deleted("clusterapprovalrequests", f"{name}-canary")
    hub.custom.delete_cluster_custom_object(GROUP, VERSION, "clusterresourceplacements", "example-placement")
    hub.until_deleted("clusterresourceplacements", "example-placement")
    assert [member.value() for member in members] == ["", "", ""]
