"""Columns of configuration, nodes, pods, events and storage claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.apiserver.builtin.columns.base import (
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    age_column,
    column,
    container_columns,
    created_at,
    field,
    find,
    joined,
    pairs,
    since,
)
from echelon.apiserver.builtin.columns.pods import pod_ready, pod_restarts, pod_status
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column, Object

_ROLE_LABEL = "node-role.kubernetes.io/"
_ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def core_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    age = age_column(clock)
    return {
        "core.ConfigMap": (
            NAME,
            column("Data", lambda obj: len(obj.get("data", {})) + len(obj.get("binaryData", {}))),
            age,
        ),
        "core.Secret": (NAME, field("Type", "type"), column("Data", lambda obj: len(obj.get("data", {}))), age),
        "core.ServiceAccount": (NAME, column("Secrets", lambda obj: len(obj.get("secrets", ()))), age),
        "core.Namespace": (NAME, column("Status", _phase), age),
        "core.Node": _node_columns(age),
        "core.Pod": _pod_columns(clock, age),
        "core.PodTemplate": (
            NAME,
            *container_columns("template.spec", wide=False),
            column("Pod Labels", lambda obj: pairs(find(obj, "template.metadata.labels"))),
        ),
        "core.Event": _event_columns(clock, "involvedObject", "message"),
        "events.Event": _event_columns(clock, "regarding", "note"),
        "core.PersistentVolume": _volume_columns(age),
        "core.PersistentVolumeClaim": _claim_columns(age),
        "core.ResourceQuota": (NAME, column("Request", _quota_requests), column("Limit", _quota_limits), age),
        "core.LimitRange": created_at(),
        "core.Endpoints": (NAME, column("Endpoints", _endpoints), age),
    }


def _phase(obj: Object) -> str:
    return str(find(obj, "status.phase", "Active" if obj["kind"] == "Namespace" else ""))


def _node_columns(age: Column) -> Sequence[Column]:
    return (
        NAME,
        column("Status", _node_status),
        column("Roles", _node_roles),
        age,
        field("Version", "status.nodeInfo.kubeletVersion"),
        column("Internal-IP", lambda node: _node_address(node, "InternalIP"), wide=True),
        column("External-IP", lambda node: _node_address(node, "ExternalIP"), wide=True),
        column("OS-Image", lambda node: find(node, "status.nodeInfo.osImage") or UNKNOWN, wide=True),
        column("Kernel-Version", lambda node: find(node, "status.nodeInfo.kernelVersion") or UNKNOWN, wide=True),
        column(
            "Container-Runtime",
            lambda node: find(node, "status.nodeInfo.containerRuntimeVersion") or UNKNOWN,
            wide=True,
        ),
    )


def _node_status(node: Object) -> str:
    status = "Unknown"
    for condition in find(node, "status.conditions", ()):
        if condition.get("type") == "Ready":
            status = "Ready" if condition.get("status") == "True" else "NotReady"
    return f"{status},SchedulingDisabled" if find(node, "spec.unschedulable") else status


def _node_roles(node: Object) -> str:
    roles = set()
    for key, value in node["metadata"].get("labels", {}).items():
        if key.startswith(_ROLE_LABEL) and len(key) > len(_ROLE_LABEL):
            roles.add(key.removeprefix(_ROLE_LABEL))
        elif key == "kubernetes.io/role" and value:
            roles.add(value)
    return joined(sorted(roles))


def _node_address(node: Object, kind: str) -> str:
    return next(
        (entry.get("address", "") for entry in find(node, "status.addresses", ()) if entry.get("type") == kind), NONE
    )


def _pod_columns(clock: Clock, age: Column) -> Sequence[Column]:
    return (
        NAME,
        column("Ready", pod_ready),
        column("Status", pod_status),
        column("Restarts", lambda pod: pod_restarts(pod, clock)),
        age,
        column("IP", lambda pod: find(pod, "status.podIP") or NONE, wide=True),
        column("Node", lambda pod: find(pod, "spec.nodeName") or NONE, wide=True),
        column("Nominated Node", lambda pod: find(pod, "status.nominatedNodeName") or NONE, wide=True),
        column("Readiness Gates", _readiness_gates, wide=True),
    )


def _readiness_gates(pod: Object) -> str:
    gates = find(pod, "spec.readinessGates", ())
    if not gates:
        return NONE
    met = {entry.get("type") for entry in find(pod, "status.conditions", ()) if entry.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in met for gate in gates)}/{len(gates)}"


def _event_columns(clock: Clock, about: str, text: str) -> Sequence[Column]:
    def seen(event: Object, *fields: str) -> str:
        moment = next((event[name] for name in fields if event.get(name)), None) or event.get("eventTime")
        return since(moment, clock)

    def last_seen(event: Object) -> str:
        series = find(event, "series.lastObservedTime")
        return since(series, clock) if series else seen(event, "lastTimestamp", "deprecatedLastTimestamp")

    def subject(event: Object) -> str:
        entry = event.get(about, {})
        kind, name = entry.get("kind", "").lower(), entry.get("name", "")
        return f"{kind}/{name}" if name else kind

    return (
        column("Last Seen", last_seen),
        field("Type", "type"),
        field("Reason", "reason"),
        column("Object", subject),
        field("Subobject", f"{about}.fieldPath", wide=True),
        column("Source", _event_source, wide=True),
        column("Message", lambda event: event.get(text, "").strip()),
        column("First Seen", lambda event: seen(event, "firstTimestamp", "deprecatedFirstTimestamp"), wide=True),
        column("Count", _event_count, wide=True),
        Column(NAME.name, NAME.value, format="name", description=NAME.description, priority=1),
    )


def _event_source(event: Object) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    component = source.get("component") or event.get("reportingComponent") or event.get("reportingController") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _event_count(event: Object) -> int:
    count: int = find(event, "series.count") or event.get("count") or event.get("deprecatedCount") or 1
    return count


def _modes(modes: Sequence[str]) -> str:
    return ",".join(_ACCESS_MODES.get(mode, mode) for mode in _ACCESS_MODES if mode in modes)


def _volume_columns(age: Column) -> Sequence[Column]:
    return (
        NAME,
        field("Capacity", "spec.capacity.storage"),
        column("Access Modes", lambda obj: _modes(find(obj, "spec.accessModes", ()))),
        field("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
        column("Status", lambda obj: "Terminating" if _is_terminating(obj) else find(obj, "status.phase", "")),
        column("Claim", _claim_of),
        field("StorageClass", "spec.storageClassName"),
        field("VolumeAttributesClass", "spec.volumeAttributesClassName", empty=UNSET),
        field("Reason", "status.reason"),
        age,
        field("VolumeMode", "spec.volumeMode", empty=UNSET, wide=True),
    )


def _is_terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _claim_of(volume: Object) -> str:
    claim: Mapping[str, Any] = find(volume, "spec.claimRef", {})
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _claim_columns(age: Column) -> Sequence[Column]:
    def bound(claim: Object) -> bool:
        return bool(find(claim, "spec.volumeName"))

    return (
        NAME,
        column("Status", lambda obj: "Terminating" if _is_terminating(obj) else find(obj, "status.phase", "")),
        field("Volume", "spec.volumeName"),
        column("Capacity", lambda obj: find(obj, "status.capacity.storage", "") if bound(obj) else ""),
        column("Access Modes", lambda obj: _modes(find(obj, "status.accessModes", ())) if bound(obj) else ""),
        field("StorageClass", "spec.storageClassName"),
        field("VolumeAttributesClass", "spec.volumeAttributesClassName", empty=UNSET),
        age,
        field("VolumeMode", "spec.volumeMode", empty=UNSET, wide=True),
    )


def _quota(quota: Object, limits: bool) -> str:
    hard, used = find(quota, "status.hard", {}), find(quota, "status.used", {})
    names = [name for name in sorted(hard) if name.startswith("limits.") is limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


def _quota_requests(quota: Object) -> str:
    return _quota(quota, limits=False)


def _quota_limits(quota: Object) -> str:
    return _quota(quota, limits=True)


_SHOWN_ENDPOINTS = 3


def _endpoints(endpoints: Object) -> str:
    found = []
    for subset in endpoints.get("subsets", ()):
        ports = subset.get("ports", ())
        for address in subset.get("addresses", ()):
            found += [f"{address['ip']}:{port['port']}" for port in ports] or [address["ip"]]
    more = len(found) - _SHOWN_ENDPOINTS
    shown = joined(found[:_SHOWN_ENDPOINTS])
    return f"{shown} + {more} more..." if more > 0 else shown
