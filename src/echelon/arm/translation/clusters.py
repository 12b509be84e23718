"""Managed clusters, as far as clients of fleets ask for them: what a member is, in the form of AKS.

A cluster that was created but is in no fleet yet is kept as it was asked for. Once it is a member, its versions are
those that the member tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.arm.call import object_of
from echelon.arm.errors import invalid

TYPE = "Microsoft.ContainerService/ManagedClusters"
POOL_TYPE = "Microsoft.ContainerService/managedClusters/agentPools"
REGION_LABELS = ("topology.kubernetes.io/region", "fleet.azure.com/location")

_VERSION = r"1.30.0"
_POOL: Mapping[str, Any] = {"name": "nodepool1", "count": 3, "mode": "System"}
_MAX_POOLS = 10


def described(body: Any) -> dict[str, Any]:
    """What a cluster consists of, as a member of a fleet file says it. Raises ArmError."""
    found = object_of(body, "")
    location = found.get("location")
    if not isinstance(location, str) or not location.strip():
        raise invalid(f"{location!r} is not accepted; a cluster needs a location, such as eastus", "location")
    properties = object_of(found.get("properties") or {}, "properties")
    cluster: dict[str, Any] = {"region": location.replace(" ", "").lower(), "nodePools": _pools(properties)}
    version = properties.get("kubernetesVersion")
    if version:
        if not isinstance(version, str):
            raise invalid(f"{version!r} is not a version, such as {_VERSION}", "properties.kubernetesVersion")
        cluster["kubernetesVersion"] = version.removeprefix("v")
    return cluster


def _pools(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    profiles = properties.get("agentPoolProfiles") or [_POOL]
    target = "properties.agentPoolProfiles"
    if not isinstance(profiles, list) or len(profiles) > _MAX_POOLS:
        raise invalid(f"want a list of at most {_MAX_POOLS} pools", target)
    pools = []
    for index, profile in enumerate(profiles):
        given = object_of(profile, f"{target}[{index}]")
        name, count = given.get("name") or "nodepool1", given.get("count") or 3
        if not isinstance(name, str) or not isinstance(count, int) or isinstance(count, bool):
            raise invalid("want a name and a count", f"{target}[{index}]")
        pools.append({"name": name.lower(), "nodes": count})
    return pools


def cluster_to(
    id_: str, asked: Mapping[str, Any], tags: Mapping[str, str], member: MemberCluster | None
) -> dict[str, Any]:
    """A managed cluster as it is on the wire; ``asked`` is what it was said to consist of."""
    version, region = str(asked.get("kubernetesVersion", "")), str(asked.get("region", ""))
    if member is not None:
        version = (
            member.status.properties[names.KUBERNETES_VERSION].value.removeprefix("v") if _tells(member) else version
        )
        region = next((member.metadata.labels[key] for key in REGION_LABELS if key in member.metadata.labels), region)
    name = id_.rpartition("/")[2]
    group = id_.split("/")[4]
    properties = {
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "kubernetesVersion": version,
        "currentKubernetesVersion": version,
        "dnsPrefix": name,
        "fqdn": f"{name}.invalid",
        "agentPoolProfiles": [
            pool["properties"] | {"name": pool["name"]} for pool in pools_to(id_, asked, version, member)
        ],
        "nodeResourceGroup": f"MC_{group}_{name}_{region}",
        "enableRBAC": True,
    }
    return {
        "id": id_,
        "name": name,
        "type": TYPE,
        "location": region,
        "tags": dict(tags),
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Free"},
        "properties": properties,
    }


def pools_to(
    id_: str, asked: Mapping[str, Any], version: str, member: MemberCluster | None
) -> Sequence[dict[str, Any]]:
    """The agent pools of a managed cluster."""
    image = ""
    if member is not None and (told := member.status.properties.get(names.NODE_IMAGES)) is not None:
        image = told.value.split(",")[0]
    found = []
    for pool in asked.get("nodePools") or [{"name": "pool", "nodes": 3}]:
        properties = {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "count": pool.get("nodes", 3),
            "vmSize": "Standard_DS2_v2",
            "osType": "Linux",
            "mode": "System",
            "type": "VirtualMachineScaleSets",
            "orchestratorVersion": version,
            "currentOrchestratorVersion": version,
            "nodeImageVersion": image,
        }
        name = pool["name"]
        found.append({"id": f"{id_}/agentPools/{name}", "name": name, "type": POOL_TYPE, "properties": properties})
    return found


def _tells(member: MemberCluster) -> bool:
    return names.KUBERNETES_VERSION in member.status.properties
