"""Which objects of the hub a placement selects, and what of them travels.

Pure: the hub's content comes in through ``Content``, a read-only view that the caller keeps fresh.
The rules (what may never be selected, what is stripped, the order of objects in a snapshot) are
those of KubeFleet, so that a placement written for it selects the same objects here.

A selector that names something that is not there selects nothing; one that may not be used as it
is raises ``BadSelector``, whose message is shown on the placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from echelon.api.meta import Resource
from echelon.api.placement import ResourceSelector

Object = Mapping[str, Any]


class BadSelector(ValueError):
    """A resource selector that cannot be followed; the message is for the user."""


class Content(Protocol):
    """The hub's objects, as far as they could be selected."""

    def resource(self, group: str, version: str, kind: str) -> Resource | None:
        """How a kind is served, or None when it is not."""

    def namespaced_resources(self) -> Iterable[Resource]:
        """The kinds that live in namespaces, one entry a kind."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None: ...

    def list(self, resource: Resource, namespace: str | None = None) -> Iterable[Object]: ...


NAMESPACE = ("", "Namespace")

_BARRED_GROUPS = frozenset(
    {"cluster.kubernetes-fleet.io", "fleet.echelon.dev", "events.k8s.io", "coordination.k8s.io", "metrics.k8s.io"}
)
_PLACEMENT_GROUP = "placement.kubernetes-fleet.io"
_ENVELOPES = frozenset({"ClusterResourceEnvelope", "ResourceEnvelope"})
_BARRED_KINDS = frozenset(
    {
        ("", "Pod"),
        ("", "Node"),
        ("", "Event"),
        ("networking.fleet.azure.com", "ServiceImport"),
        ("networking.fleet.azure.com", "TrafficManagerProfile"),
        ("networking.fleet.azure.com", "TrafficManagerBackend"),
    }
)

# Objects are applied in this order; kinds that are not listed come last, by group, version and kind.
_KIND_ORDER = (
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
_KIND_RANK = {kind: rank for rank, kind in enumerate(_KIND_ORDER)}

_STRIPPED_METADATA = (
    "resourceVersion",
    "generation",
    "uid",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
)
_STRIPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
_JOB_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def is_selectable_kind(group: str, kind: str) -> bool:
    """Whether objects of this kind may be placed at all."""
    if group == _PLACEMENT_GROUP:
        return kind in _ENVELOPES
    return group not in _BARRED_GROUPS and (group, kind) not in _BARRED_KINDS


def is_reserved_namespace(name: str) -> bool:
    """Whether a namespace belongs to the system and is never placed."""
    return name == "default" or name.startswith(("kube-", "fleet-"))


def select(selectors: Sequence[ResourceSelector], content: Content, *, namespace: str | None = None) -> list[Object]:
    """The objects that these selectors choose, stripped and in the order in which they are applied.

    Args:
        selectors: of the placement.
        content: the hub's objects.
        namespace: of a ResourcePlacement, which selects namespaced kinds in its own namespace
            only; None for a ClusterResourcePlacement.

    Raises:
        BadSelector: a kind that is not served or of the wrong scope, a reserved namespace, or an
            object chosen twice.
    """
    inner = _inner_namespace(selectors) if namespace is None else namespace
    chosen: dict[tuple[str, str, str, str], Object] = {}
    for selector in selectors:
        for resource, obj in _choose(selector, content, namespace=namespace, inner=inner):
            metadata = obj["metadata"]
            key = (resource.group, resource.kind, metadata.get("namespace", ""), metadata["name"])
            if key in chosen:
                raise BadSelector(f"found duplicate resource {_describe(resource, metadata)}")
            chosen[key] = strip(obj)
    return [chosen[key] for key in sorted(chosen, key=lambda key: _order(key, chosen[key]))]


def _inner_namespace(selectors: Sequence[ResourceSelector]) -> str | None:
    """The namespace inside which the other selectors of a cluster placement look, if one says so."""
    for selector in selectors:
        if _is_namespace(selector) and selector.selection_scope == "NamespaceWithResourceSelectors":
            return selector.name
    return None


def _is_namespace(selector: ResourceSelector) -> bool:
    return (selector.group, selector.kind) == NAMESPACE


def _choose(
    selector: ResourceSelector, content: Content, *, namespace: str | None, inner: str | None
) -> Iterator[tuple[Resource, Object]]:
    resource = content.resource(selector.group, selector.version, selector.kind)
    if resource is None:
        raise BadSelector(
            f"no kind {selector.kind!r} is served in version {selector.version!r} of group {selector.group!r}"
        )
    if not is_selectable_kind(resource.group, resource.kind):
        raise BadSelector(f"objects of kind {selector.kind!r} in group {selector.group!r} are never placed")
    if namespace is not None and not resource.namespaced:
        raise BadSelector(
            f"kind {selector.kind!r} is cluster-scoped; a ResourcePlacement selects namespaced kinds only"
        )
    if resource.namespaced and inner is None:
        raise BadSelector(
            f"kind {selector.kind!r} is namespaced; a ClusterResourcePlacement selects cluster-scoped kinds, and "
            "namespaced ones only beside a namespace selector with scope NamespaceWithResourceSelectors"
        )
    for obj in _matching(selector, resource, content, inner if resource.namespaced else None):
        if _is_namespace(selector):
            yield from _namespace(selector, resource, obj, content)
        elif is_placed(resource, obj, content):
            yield resource, obj


def _matching(
    selector: ResourceSelector, resource: Resource, content: Content, namespace: str | None
) -> Iterator[Object]:
    if selector.name:
        named = content.get(resource, namespace or "", selector.name)
        candidates: Iterable[Object] = (named,) if named is not None else ()
    else:
        candidates = content.list(resource, namespace)
    for obj in candidates:
        if obj["metadata"].get("deletionTimestamp"):
            continue
        labels = obj["metadata"].get("labels") or {}
        if selector.label_selector is None or selector.label_selector.matches(labels):
            yield obj


def _namespace(
    selector: ResourceSelector, resource: Resource, obj: Object, content: Content
) -> Iterator[tuple[Resource, Object]]:
    name = obj["metadata"]["name"]
    if is_reserved_namespace(name):
        raise BadSelector(f"namespace {name} is not allowed to propagate")
    yield resource, obj
    if selector.selection_scope != "NamespaceWithResources":
        return
    for inner in content.namespaced_resources():
        if is_selectable_kind(inner.group, inner.kind):
            for item in content.list(inner, name):
                if not item["metadata"].get("deletionTimestamp") and is_placed(inner, item, content):
                    yield inner, item


def is_placed(resource: Resource, obj: Object, content: Content) -> bool:
    """Whether this very object may travel: what a cluster makes for itself stays where it is."""
    metadata = obj["metadata"]
    name = metadata["name"]
    match (resource.group, resource.kind):
        case ("", "ConfigMap"):
            return bool(name != "kube-root-ca.crt")
        case ("", "ServiceAccount"):
            return bool(name != "default")
        case ("", "Secret"):
            return bool(obj.get("type") != "kubernetes.io/service-account-token")
        case ("apps", "ReplicaSet" | "ControllerRevision"):
            return not metadata.get("ownerReferences")
        case ("discovery.k8s.io", "EndpointSlice"):
            return "endpointslice.kubernetes.io/managed-by" not in (metadata.get("labels") or {})
        case ("", "Endpoints"):
            service = content.resource("", "v1", "Service")
            return service is None or content.get(service, metadata.get("namespace", ""), name) is None
    return True


def strip(obj: Object) -> Object:
    """The object without what belongs to the hub: identity, status, and fields that a cluster allots itself."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _STRIPPED_METADATA}
    annotations = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if key not in _STRIPPED_ANNOTATIONS
    }
    if annotations:
        metadata["annotations"] = annotations
    plain = {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}
    match plain.get("kind"):
        case "Service" if plain.get("apiVersion") == "v1":
            plain["spec"] = _strip_service(plain.get("spec") or {})
        case "Job" if str(plain.get("apiVersion", "")).startswith("batch/"):
            plain["spec"] = _strip_job(plain.get("spec") or {})
    return plain


def _strip_service(spec: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in spec.items() if key != "healthCheckNodePort"}
    if kept.get("clusterIP") != "None":
        kept.pop("clusterIP", None)
        kept.pop("clusterIPs", None)
    if "ports" in kept:
        kept["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in kept["ports"]]
    return kept


def _strip_job(spec: Mapping[str, Any]) -> dict[str, Any]:
    if spec.get("manualSelector"):
        return dict(spec)
    kept = dict(spec)
    selector = dict(kept.get("selector") or {})
    if "matchLabels" in selector:
        selector["matchLabels"] = _without_job_labels(selector["matchLabels"])
        kept["selector"] = selector
    template = dict(kept.get("template") or {})
    metadata = dict(template.get("metadata") or {})
    if "labels" in metadata:
        metadata["labels"] = _without_job_labels(metadata["labels"])
        kept["template"] = template | {"metadata": metadata}
    return kept


def _without_job_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in _JOB_LABELS}


def _order(key: tuple[str, str, str, str], obj: Object) -> tuple[int, str, str, str, str, str]:
    group, kind, namespace, name = key
    rank = _KIND_RANK.get(kind)
    if rank is not None:
        return rank, "", "", "", namespace, name
    return len(_KIND_RANK), group, str(obj.get("apiVersion", "")), kind, namespace, name


def _describe(resource: Resource, metadata: Mapping[str, Any]) -> str:
    namespace = metadata.get("namespace")
    where = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{resource.api_version} {resource.kind} {where}"
