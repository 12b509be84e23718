"""docs/rehearsal.md from outside: a bad version stops at its stage and says why, and going back heals it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import load
from echelon.kube.patches import StrategicPatch

from ..processes import HubProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
GROUP = "placement.kubernetes-fleet.io"
Object = Mapping[str, Any]


def kind(group: str, version: str, plural: str, name: str, *, namespaced: bool = False) -> Unstructured:
    return Unstructured(Resource(group, version, plural, name, namespaced=namespaced))


DEPLOYMENTS = kind("apps", "v1", "deployments", "Deployment", namespaced=True)
PODS = kind("", "v1", "pods", "Pod", namespaced=True)
RUNS = kind(GROUP, "v1beta1", "clusterstagedupdateruns", "ClusterStagedUpdateRun")
PLACEMENTS = kind(GROUP, "v1beta1", "clusterresourceplacements", "ClusterResourcePlacement")
SNAPSHOTS = kind(GROUP, "v1beta1", "clusterresourcesnapshots", "ClusterResourceSnapshot")


def client(hub: HubProcess, context: str = "hub") -> Client:
    return Client(HttpTransport(load(hub.kubeconfig, context=context)))


async def until(client: Client, kind: Unstructured, name: str, is_so: Callable[[Object], object]) -> Object:
    """Watch an object until it is as wanted."""
    fields = f"metadata.name={name}"
    async with asyncio.timeout(60), client.watch(kind, fields=fields, initial_events=True) as events:
        async for event in events:
            if event.type != "DELETED" and event.object is not None and is_so(event.object):
                return event.object
    raise AssertionError(f"{name}: the watch ended")


def status_of(obj: Object, type_: str) -> tuple[str, str] | None:
    """Status and reason of a condition."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == type_), None)


async def start(client: Client, name: str, index: str) -> None:
    (run,) = yaml.safe_load_all((EXAMPLES / "rehearsal-run.yaml").read_text())
    run["metadata"]["name"] = name
    run["spec"]["resourceSnapshotIndex"] = index
    await client.create(run, RUNS)


async def run_to_the_end(client: Client, name: str, index: str) -> None:
    await start(client, name, index)
    await until(client, RUNS, name, lambda run: status_of(run, "Succeeded") == ("True", "UpdateRunSucceeded"))


def failures(placement: Object) -> dict[str, tuple[str, str]]:
    """By member, kind and reason of what has failed there."""
    return {
        member["clusterName"]: (failed["kind"], failed["condition"]["reason"])
        for member in (placement.get("status") or {}).get("placementStatuses") or ()
        for failed in member.get("failedPlacements") or ()
    }


async def images(hub: HubProcess) -> dict[str, str]:
    """What each member was told to run."""
    found = {}
    for name in ("member1", "member2", "member3"):
        member = client(hub, name)
        deployment = await member.get(DEPLOYMENTS, ("shop", "web"))
        found[name] = deployment["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        await member.close()
    return found


async def test_a_bad_version_stops_at_its_stage_and_going_back_heals_it(hub: HubProcess) -> None:
    admin, member = client(hub), client(hub, "member2")
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    for document in yaml.safe_load_all((EXAMPLES / "rehearsal.yaml").read_text().replace(": 2s", ": 200ms")):
        await admin.create(document)
    await until(admin, SNAPSHOTS, "shop-0-snapshot", lambda _: True)
    await run_to_the_end(admin, "shop-1", "0")

    bad = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.invalid/web:2"}]}}}}
    await admin.patch(DEPLOYMENTS, ("shop", "web"), StrategicPatch(bad))
    await until(admin, SNAPSHOTS, "shop-1-snapshot", lambda _: True)
    await start(admin, "shop-2", "1")
    await until(
        admin,
        PLACEMENTS,
        "shop",
        lambda found: failures(found) == {"member2": ("Deployment", "ManifestNotAvailableYet")},
    )
    await until(
        member, DEPLOYMENTS, "web", lambda found: status_of(found, "Progressing") == ("True", "ReplicaSetUpdated")
    )
    reasons = [
        container["state"]["waiting"]["reason"]
        for pod in (await member.list(PODS, namespace="shop")).items
        for container in pod["status"].get("containerStatuses") or ()
        if "waiting" in container["state"]
    ]
    assert set(reasons) <= {"ImagePullBackOff", "ContainerCreating"}
    stuck = await admin.get(RUNS, "shop-2")
    assert status_of(stuck, "Succeeded") is None
    assert [stage.get("startTime") is not None for stage in stuck["status"]["stagesStatus"]] == [True, False]
    assert await images(hub) == {"member1": "1", "member2": "2", "member3": "1"}

    await run_to_the_end(admin, "shop-3", "0")
    assert await images(hub) == dict.fromkeys(("member1", "member2", "member3"), "1")
    await until(member, DEPLOYMENTS, "web", lambda found: found["status"].get("updatedReplicas") == 3)
    await until(admin, PLACEMENTS, "shop", lambda found: not failures(found))
    await until(admin, RUNS, "shop-2", lambda run: status_of(run, "Succeeded") == ("False", "UpdateRunFailed"))
    await admin.close()
    await member.close()
