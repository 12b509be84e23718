"""Columns of leases, storage, priorities, extensions and admission."""

from __future__ import annotations

from collections.abc import Sequence

from echelon.apiserver.builtin.columns.base import (
    NAME,
    UNSET,
    age_column,
    column,
    created_at,
    field,
    find,
    joined,
)
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column, Object


def cluster_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    age = age_column(clock)
    return _storage_columns(age) | {
        "coordination.Lease": (NAME, field("Holder", "spec.holderIdentity"), age),
        "scheduling.PriorityClass": (
            NAME,
            field("Value", "value", "integer", empty=0),
            field("Global-Default", "globalDefault", "boolean", empty=False),
            age,
            field("PreemptionPolicy", "preemptionPolicy"),
        ),
        "admissionregistration.ValidatingWebhookConfiguration": (NAME, _size("Webhooks", "webhooks"), age),
        "admissionregistration.MutatingWebhookConfiguration": (NAME, _size("Webhooks", "webhooks"), age),
        "admissionregistration.ValidatingAdmissionPolicy": (
            NAME,
            _size("Validations", "spec.validations"),
            column("ParamKind", _parameter_kind),
            age,
        ),
        "admissionregistration.ValidatingAdmissionPolicyBinding": (
            NAME,
            field("PolicyName", "spec.policyName"),
            column("ParamRef", _parameters),
            age,
        ),
        "apiregistration.APIService": (
            NAME,
            column("Service", _service),
            column("Available", _available),
            age,
        ),
        "apiextensions.CustomResourceDefinition": created_at(),
    }


def _storage_columns(age: Column) -> dict[str, Sequence[Column]]:
    return {
        "storage.StorageClass": (
            NAME,
            field("Provisioner", "provisioner"),
            field("ReclaimPolicy", "reclaimPolicy", empty="Delete"),
            field("VolumeBindingMode", "volumeBindingMode", empty="Immediate"),
            field("AllowVolumeExpansion", "allowVolumeExpansion", empty=False),
            age,
        ),
        "storage.CSIDriver": (
            NAME,
            field("AttachRequired", "spec.attachRequired", "boolean", empty=True),
            field("PodInfoOnMount", "spec.podInfoOnMount", "boolean", empty=False),
            field("StorageCapacity", "spec.storageCapacity", "boolean", empty=False),
            column(
                "TokenRequests",
                lambda obj: joined((_audience(entry) for entry in find(obj, "spec.tokenRequests", ())), UNSET),
            ),
            field("RequiresRepublish", "spec.requiresRepublish", "boolean", empty=False),
            column("Modes", lambda obj: joined(find(obj, "spec.volumeLifecycleModes", ("Persistent",)))),
            age,
        ),
        "storage.CSINode": (NAME, _size("Drivers", "spec.drivers"), age),
        "storage.CSIStorageCapacity": (
            NAME,
            field("StorageClassName", "storageClassName"),
            field("Capacity", "capacity"),
        ),
        "storage.VolumeAttachment": (
            NAME,
            field("Attacher", "spec.attacher"),
            field("PV", "spec.source.persistentVolumeName"),
            field("Node", "spec.nodeName"),
            field("Attached", "status.attached", "boolean", empty=False),
            age,
        ),
    }


def _size(name: str, path: str) -> Column:
    return column(name, lambda obj: len(find(obj, path, ())), "integer")


def _audience(request: Object) -> str:
    return str(request.get("audience", ""))


def _parameter_kind(policy: Object) -> str:
    kind = find(policy, "spec.paramKind")
    return UNSET if kind is None else f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def _parameters(binding: Object) -> str:
    reference = find(binding, "spec.paramRef")
    if reference is None:
        return UNSET
    name, namespace = reference.get("name"), reference.get("namespace")
    if name:
        return f"{namespace}/{name}" if namespace else str(name)
    return "*"


def _service(api_service: Object) -> str:
    service = find(api_service, "spec.service")
    return "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"


def _available(api_service: Object) -> str:
    for condition in find(api_service, "status.conditions", ()):
        if condition.get("type") == "Available":
            status, reason = condition.get("status", ""), condition.get("reason", "")
            return str(status) if status == "True" else f"{status} ({reason})"
    return "Unknown"
