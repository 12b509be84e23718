"""Leases, events, budgets, autoscalers, storage and what else concerns the cluster as a whole."""

from __future__ import annotations

from echelon.apiserver.builtin.hooks.base import (
    Faults,
    KindHooks,
    amount_or_percent,
    immutable,
    label_selector,
    not_negative,
)
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import forbidden_field, invalid_value, required


def _lease(lease: Object, old: Object | None, subresource: str) -> Faults:
    spec = lease.get("spec", {})
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        yield invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    yield from not_negative(spec, "spec", "leaseTransitions")


def _event(field: str) -> KindHooks:
    def check(event: Object, old: Object | None, subresource: str) -> Faults:
        about = event.get(field, {}).get("namespace", "")
        namespace = event["metadata"].get("namespace", "")
        if (about or "default") != namespace:
            yield invalid_value(f"{field}.namespace", about, "does not match event.namespace")

    return KindHooks(check=check)


_PROVIDER_FAULT = 'node updates may not change providerID except from "" to valid'


def _node(node: Object, old: Object | None, subresource: str) -> Faults:
    seen = set()
    for index, taint in enumerate(node.get("spec", {}).get("taints", ())):
        key = (taint.get("key"), taint.get("effect"))
        if key in seen:
            yield invalid_value(f"spec.taints[{index}]", taint, "taints must be unique by key and effect pair")
        seen.add(key)
    before = old.get("spec", {}).get("providerID") if old is not None else None
    if before and node.get("spec", {}).get("providerID") != before:
        yield forbidden_field("spec.providerID", _PROVIDER_FAULT)


def _budget(budget: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        yield from not_negative(budget.get("status", {}), "status", *counts)
        return
    spec = budget.get("spec", {})
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        yield from amount_or_percent(spec.get(field), f"spec.{field}")
    yield from label_selector(spec.get("selector"), "spec.selector")


def _autoscaler(autoscaler: Object, old: Object | None, subresource: str) -> Faults:
    spec = autoscaler.get("spec", {})
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid_value("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _network_policy(policy: Object, old: Object | None, subresource: str) -> Faults:
    spec = policy.get("spec", {})
    yield from label_selector(spec.get("podSelector"), "spec.podSelector")


_USER_PRIORITY_LIMIT = 1_000_000_000


def _priority_class(priority: Object, old: Object | None, subresource: str) -> Faults:
    value, name = priority.get("value", 0), priority["metadata"].get("name", "")
    if old is None:
        if name.startswith("system-"):
            yield forbidden_field(
                "metadata.name", "priority class names with 'system-' prefix are reserved for system use only"
            )
        if value > _USER_PRIORITY_LIMIT:
            yield forbidden_field(
                "value", f"maximum allowed value of a user defined priority is {_USER_PRIORITY_LIMIT}"
            )
        return
    for field in ("value", "preemptionPolicy"):
        if priority.get(field) != old.get(field):
            yield forbidden_field(field, "may not be changed in an update.")


def _storage_class(storage: Object, old: Object | None, subresource: str) -> Faults:
    if old is None:
        return
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        if storage.get(field) != old.get(field):
            yield forbidden_field(field, f"updates to {field} are forbidden.")
    yield from immutable(storage, old, "volumeBindingMode")


def _volume_created(volume: Object) -> None:
    volume["status"] = {"phase": "Pending"}


def _volume(volume: Object, old: Object | None, subresource: str) -> Faults:
    spec = volume.get("spec", {})
    for field in ("accessModes", "capacity"):
        if not spec.get(field):
            yield required(f"spec.{field}")


def _claim(claim: Object, old: Object | None, subresource: str) -> Faults:
    spec = claim.get("spec", {})
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if "storage" not in spec.get("resources", {}).get("requests", {}):
        yield required("spec.resources[storage]")


def _endpoint_slice(endpoints: Object, old: Object | None, subresource: str) -> Faults:
    yield from immutable(endpoints, old, "addressType")


CLUSTER_HOOKS = {
    "coordination.Lease": KindHooks(check=_lease),
    "core.Event": _event("involvedObject"),
    "events.Event": _event("regarding"),
    "core.Node": KindHooks(check=_node),
    "core.PersistentVolume": KindHooks(create=_volume_created, check=_volume),
    "core.PersistentVolumeClaim": KindHooks(create=_volume_created, check=_claim),
    "policy.PodDisruptionBudget": KindHooks(check=_budget),
    "autoscaling2.HorizontalPodAutoscaler": KindHooks(check=_autoscaler),
    "networking.NetworkPolicy": KindHooks(check=_network_policy),
    "scheduling.PriorityClass": KindHooks(check=_priority_class),
    "storage.StorageClass": KindHooks(check=_storage_class),
    "discovery.EndpointSlice": KindHooks(check=_endpoint_slice),
}
