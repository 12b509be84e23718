"""What the objects of Cluster API say of a cluster with a topology. Pure.

The version of the topology is what is wanted, of all parts of a cluster at once. Cluster API upgrades the control
plane first, then one MachineDeployment after the other, in the order of the topology, and leaves those out that have
the annotation DEFER, with all that follow them. What there is say the Machines. Versions v1beta1 and v1beta2 of the
API are read, which differ in where conditions are and in their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

from msgspec import Struct

from echelon.api.meta import parse_time
from echelon.upgrade.providers.contract import NodePool
from echelon.upgrade.providers.steps import CONTROL_PLANE
from echelon.upgrade.versions import KubeVersion

Object = Mapping[str, Any]

GROUP = "cluster.x-k8s.io"
VERSIONS = (f"{GROUP}/v1beta2", f"{GROUP}/v1beta1")
CLUSTER_NAME = f"{GROUP}/cluster-name"
OF_CONTROL_PLANE = f"{GROUP}/control-plane"
DEPLOYMENT = "topology.cluster.x-k8s.io/deployment-name"
DEFER = "topology.cluster.x-k8s.io/defer-upgrade"
OURS = "fleet.echelon.dev"
"""The value of DEFER that is taken away again."""
_FAILED = frozenset({"ReconcileFailed", "TopologyReconcileFailed"})


class Condition(Struct, frozen=True):
    """A condition of the Cluster."""

    status: str
    reason: str
    message: str
    since: datetime | None


class Topology(Struct, frozen=True):
    """A Cluster with its Machines."""

    cluster: Object
    machines: Sequence[Object]

    @property
    def wanted(self) -> str:
        """The version of the topology, without the v in front."""
        return str(self.cluster["spec"]["topology"].get("version", "")).removeprefix("v")

    @property
    def deployments(self) -> Sequence[Object]:
        """The MachineDeployments of the topology, in their order."""
        workers = self.cluster["spec"]["topology"].get("workers") or {}
        return list(workers.get("machineDeployments") or ())

    @property
    def paused(self) -> bool:
        return bool(self.cluster["spec"].get("paused"))

    def machines_of(self, part: str) -> Sequence[Object]:
        """The machines of a MachineDeployment, or of the control plane."""
        if part == CONTROL_PLANE:
            return [m for m in self.machines if OF_CONTROL_PLANE in _labels(m)]
        return [m for m in self.machines if _labels(m).get(DEPLOYMENT) == part]

    def version_of(self, part: str) -> str:
        """The oldest version of a part's machines; that of the topology where there are none."""
        found = [_version(machine) for machine in self.machines_of(part)]
        return min((version for version in found if version), key=KubeVersion.parse, default=self.wanted)

    def pools(self) -> Sequence[NodePool]:
        return [
            NodePool(
                name=found["name"],
                count=len(self.machines_of(found["name"])),
                kubernetes_version=self.version_of(found["name"]),
            )
            for found in self.deployments
        ]

    def has_reached(self, part: str, version: str) -> bool:
        """Whether all machines of a part are there at a version, with none that goes."""
        wanted = KubeVersion.parse(version)
        machines = self.machines_of(part)
        if not machines and part == CONTROL_PLANE:  # a hosted one, which has no machines
            condition = self.condition("TopologyReconciled")
            return KubeVersion.parse(self.wanted) >= wanted and condition is not None and condition.status == "True"
        return all(
            _version(m) and KubeVersion.parse(_version(m)) >= wanted and m.get("status", {}).get("phase") == "Running"
            for m in machines
        )

    def deferral(self, part: str) -> str | None:
        """The value of DEFER at a MachineDeployment; None for one that is not left out."""
        for found in self.deployments:
            if found["name"] == part:
                value = (found.get("metadata", {}).get("annotations") or {}).get(DEFER)
                return None if value is None else str(value)
        return None

    def behind(self) -> str | None:
        """The first part that is on its way to the version of the topology; None when none is."""
        if not self.has_reached(CONTROL_PLANE, self.wanted):
            return CONTROL_PLANE
        for found in self.deployments:
            if self.deferral(found["name"]) is not None:
                return None  # nor do those that follow move
            if not self.has_reached(found["name"], self.wanted):
                return str(found["name"])
        return None

    def condition(self, type_: str) -> Condition | None:
        """A condition of the Cluster, in either form."""
        status = self.cluster.get("status") or {}
        newer = (status.get("v1beta2") or {}).get("conditions")
        for found in newer or status.get("conditions") or ():
            if found.get("type") == type_:
                since = found.get("lastTransitionTime")
                return Condition(
                    found.get("status", ""),
                    found.get("reason", ""),
                    found.get("message", ""),
                    parse_time(since) if since else None,
                )
        return None

    def failure(self) -> Condition | None:
        """Why the topology cannot be reconciled; None while it can."""
        found = self.condition("TopologyReconciled")
        return found if found is not None and found.status == "False" and found.reason in _FAILED else None

    # what to write

    def with_version(self, version: str) -> dict[str, Any]:
        """The change that brings the control plane to a version, and no MachineDeployment."""
        deployments = [_annotated(found, found_deferral or OURS) for found, found_deferral in self._deferrals()]
        return self._change({"version": f"v{version}"}, deployments)

    def released(self, part: str, version: str) -> dict[str, Any]:
        """The change that lets a MachineDeployment go to the version of the topology, at least this one."""
        deployments = [
            _annotated(found, None if found["name"] == part else deferral) for found, deferral in self._deferrals()
        ]
        ahead = not self.wanted or KubeVersion.parse(self.wanted) < KubeVersion.parse(version)
        return self._change({"version": f"v{version}"} if ahead else {}, deployments)

    def _deferrals(self) -> Sequence[tuple[Object, str | None]]:
        return [(found, self.deferral(found["name"])) for found in self.deployments]

    def _change(self, topology: dict[str, Any], deployments: Sequence[Object]) -> dict[str, Any]:
        """A merge patch that holds only for the object that was read, as lists are replaced whole."""
        if deployments:
            topology = {**topology, "workers": {"machineDeployments": list(deployments)}}
        version = self.cluster["metadata"]["resourceVersion"]
        return {"metadata": {"resourceVersion": version}, "spec": {"topology": topology}}


def _annotated(deployment: Object, deferral: str | None) -> Object:
    found: dict[str, Any] = deepcopy(dict(deployment))
    annotations = found.setdefault("metadata", {}).setdefault("annotations", {})
    annotations.pop(DEFER, None)
    if deferral is not None:
        annotations[DEFER] = deferral
    if not annotations:
        del found["metadata"]["annotations"]
    if not found["metadata"]:
        del found["metadata"]
    return found


def _labels(machine: Object) -> Mapping[str, str]:
    return machine["metadata"].get("labels") or {}


def _version(machine: Object) -> str:
    return str(machine.get("spec", {}).get("version") or "").removeprefix("v")
