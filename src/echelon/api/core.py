"""The built-in kinds that controllers read or write typed: only the fields that Echelon uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from echelon.api.fields import Field, Quantity, Time, Value
from echelon.api.meta import KubeObject, Resource


class NamespaceStatus(Value, frozen=True, kw_only=True):
    phase: Literal["", "Active", "Terminating"] = ""


class Namespace(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("", "v1", "namespaces", "Namespace", namespaced=False)

    status: NamespaceStatus = NamespaceStatus()


class Taint(Value, frozen=True, kw_only=True):
    key: str
    value: str = ""
    effect: str
    time_added: Time | None = None


class NodeSpec(Value, frozen=True, kw_only=True):
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    provider_id: str = msgspec.field(default="", name="providerID")


class NodeSystemInfo(Value, frozen=True, kw_only=True):
    kubelet_version: str = ""
    os_image: str = ""
    kernel_version: str = ""
    container_runtime_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class NodeCondition(Value, frozen=True, kw_only=True):
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""
    last_heartbeat_time: Time | None = None
    last_transition_time: Time | None = None


class NodeStatus(Value, frozen=True, kw_only=True):
    capacity: Mapping[str, Quantity] = {}
    allocatable: Mapping[str, Quantity] = {}
    conditions: tuple[NodeCondition, ...] = ()
    node_info: NodeSystemInfo = NodeSystemInfo()


class Node(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("", "v1", "nodes", "Node", namespaced=False)

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ConfigMap(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)

    data: Mapping[str, str] = {}


class ServiceAccount(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)


class Subject(Value, frozen=True, kw_only=True):
    """A user, group or service account, as in a RoleBinding."""

    kind: Annotated[str, Field("Kind of the subject: User, Group or ServiceAccount.")]
    name: Annotated[str, Field("Name of the subject.")]
    api_group: Annotated[
        str,
        Field("API group of the subject: rbac.authorization.k8s.io for User and Group, empty for ServiceAccount."),
    ] = ""
    namespace: Annotated[str, Field("Namespace of a ServiceAccount; empty for the other kinds.")] = ""


class PolicyRule(Value, frozen=True, kw_only=True):
    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")


class RoleRef(Value, frozen=True, kw_only=True):
    api_group: str
    kind: str
    name: str


RBAC = "rbac.authorization.k8s.io"


class Role(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource(RBAC, "v1", "roles", "Role", namespaced=True)

    rules: tuple[PolicyRule, ...] = ()


class RoleBinding(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource(RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True)

    role_ref: RoleRef
    subjects: tuple[Subject, ...] = ()


class LeaseSpec(Value, frozen=True, kw_only=True):
    """Who leads; ``acquire_time`` and ``renew_time`` are ``MicroTime``: RFC 3339 with six decimals."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)

    spec: LeaseSpec = LeaseSpec()


class ObjectReference(Value, frozen=True, kw_only=True):
    """What an Event is about."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(Value, frozen=True, kw_only=True):
    component: str = ""
    host: str = ""


class Event(KubeObject, frozen=True, kw_only=True):
    """A core/v1 Event, the form that ``kubectl describe`` looks for."""

    resource: ClassVar[Resource] = Resource("", "v1", "events", "Event", namespaced=True)

    involved_object: ObjectReference
    reason: str = ""
    message: str = ""
    type: Literal["", "Normal", "Warning"] = ""
    count: int = 0
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    event_time: str | None = None
    action: str = ""
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""
