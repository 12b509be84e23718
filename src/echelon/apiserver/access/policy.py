"""The roles and bindings that every cluster has, as Kubernetes has them.

Those of components that this server does not have (nodes, the scheduler, the many controllers) are
left out. ``admin``, ``edit`` and ``view`` are put together from every cluster role that bears their
label, so that a custom resource can join in by bringing a role of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from echelon.apiserver.access.index import GROUP
from echelon.apiserver.authentication import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from echelon.apiserver.definitions import Object

AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE_TO = "rbac.authorization.k8s.io/aggregate-to-"
_BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_ALL = (*_WRITE, *_READ)

_APPS = ("daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets")
_APPS_SCALED = (*_APPS, "statefulsets/scale")
_REPLICATION = ("replicationcontrollers", "replicationcontrollers/scale")
_JOBS = ("cronjobs", "jobs")
_NETWORK = ("ingresses", "networkpolicies")


def _rule(groups: str | Sequence[str], resources: Sequence[str], verbs: Sequence[str]) -> Object:
    listed = [groups] if isinstance(groups, str) else list(groups)
    return {"apiGroups": listed, "resources": list(resources), "verbs": list(verbs)}


def _paths(*paths: str) -> Object:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


def _status(*resources: str) -> tuple[str, ...]:
    """The resources, each followed by its status."""
    return tuple(name for resource in resources for name in (resource, f"{resource}/status"))


_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")

_TO_ADMIN = [
    _rule("authorization.k8s.io", ("localsubjectaccessreviews",), ("create",)),
    _rule(GROUP, ("rolebindings", "roles"), _ALL),
]

_TO_EDIT = [
    _rule("", ("pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"), _READ),
    _rule("", ("serviceaccounts",), ("impersonate",)),
    _rule("", ("pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"), _WRITE),
    _rule("", ("pods/eviction",), ("create",)),
    _rule(
        "",
        (
            "configmaps",
            "events",
            "persistentvolumeclaims",
            *_REPLICATION,
            "secrets",
            "serviceaccounts",
            "services",
            "services/proxy",
        ),
        _WRITE,
    ),
    _rule("", ("serviceaccounts/token",), ("create",)),
    _rule("apps", ("deployments/rollback", *_APPS_SCALED), _WRITE),
    _rule("autoscaling", ("horizontalpodautoscalers",), _WRITE),
    _rule("batch", _JOBS, _WRITE),
    _rule("policy", ("poddisruptionbudgets",), _WRITE),
    _rule("networking.k8s.io", _NETWORK, _WRITE),
    _rule("coordination.k8s.io", ("leases",), _ALL),
]

_TO_VIEW = [
    _rule(
        "",
        (
            "configmaps",
            "endpoints",
            *_status("persistentvolumeclaims"),
            "pods",
            *_REPLICATION,
            "serviceaccounts",
            *_status("services"),
        ),
        _READ,
    ),
    _rule(
        "",
        (
            "bindings",
            "events",
            "limitranges",
            "namespaces/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers/status",
            *_status("resourcequotas"),
        ),
        _READ,
    ),
    _rule("", ("namespaces",), _READ),
    _rule("discovery.k8s.io", ("endpointslices",), _READ),
    _rule(
        "apps", ("controllerrevisions", *_APPS_SCALED, *(f"{name}/status" for name in _APPS if "/" not in name)), _READ
    ),
    _rule("autoscaling", _status("horizontalpodautoscalers"), _READ),
    _rule("batch", _status(*_JOBS), _READ),
    _rule("policy", _status("poddisruptionbudgets"), _READ),
    _rule("networking.k8s.io", (*_status("ingresses"), "networkpolicies"), _READ),
]


def _role(name: str, rules: list[Object], labels: dict[str, str] | None = None, **fields: Object) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": _metadata(name, labels),
        **fields,
        "rules": rules,
    }


def _metadata(name: str, labels: dict[str, str] | None = None) -> Object:
    return {"name": name, "labels": _BOOTSTRAPPING | (labels or {}), "annotations": {AUTO_UPDATE: "true"}}


def _part(audience: str, rules: list[Object], **further: str) -> Object:
    """A role whose rules become part of another one."""
    return _role(f"system:aggregate-to-{audience}", rules, {f"{AGGREGATE_TO}{audience}": "true"} | further)


def _whole(audience: str, labels: dict[str, str] | None = None) -> Object:
    """A role put together from those that bear its label."""
    selectors = [{"matchLabels": {f"{AGGREGATE_TO}{audience}": "true"}}]
    return _role(audience, [], labels, aggregationRule={"clusterRoleSelectors": selectors})


def default_roles() -> list[Object]:
    """The cluster roles, as they would be created."""
    return [
        _role("cluster-admin", [_rule("*", ("*",), ("*",)), {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        _role(
            "system:discovery",
            [_paths("/api", "/api/*", "/apis", "/apis/*", *_HEALTH[:2], "/openapi", "/openapi/*", *_HEALTH[2:])],
        ),
        _role("system:public-info-viewer", [_paths(*_HEALTH)]),
        _role(
            "system:basic-user",
            [
                _rule("authorization.k8s.io", ("selfsubjectaccessreviews", "selfsubjectrulesreviews"), ("create",)),
                _rule("authentication.k8s.io", ("selfsubjectreviews",), ("create",)),
            ],
        ),
        _role(
            "system:monitoring",
            [
                _paths(
                    "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"
                )
            ],
        ),
        _role(
            "system:auth-delegator",
            [
                _rule("authentication.k8s.io", ("tokenreviews",), ("create",)),
                _rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
            ],
        ),
        _role(
            "system:service-account-issuer-discovery",
            [
                _paths(
                    "/.well-known/openid-configuration",
                    "/.well-known/openid-configuration/",
                    "/openid/v1/jwks",
                    "/openid/v1/jwks/",
                )
            ],
        ),
        _part("admin", _TO_ADMIN),
        _part("edit", _TO_EDIT),
        _part("view", _TO_VIEW),
        _whole("admin"),
        _whole("edit", {f"{AGGREGATE_TO}admin": "true"}),
        _whole("view", {f"{AGGREGATE_TO}edit": "true"}),
    ]


_GIVEN = {
    "cluster-admin": (MASTERS,),
    "system:basic-user": (AUTHENTICATED,),
    "system:discovery": (AUTHENTICATED,),
    "system:monitoring": ("system:monitoring",),
    "system:public-info-viewer": (AUTHENTICATED, UNAUTHENTICATED),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
}


def default_bindings() -> list[Object]:
    """The cluster role bindings, as they would be created; each is named after its role."""
    return [
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": _metadata(name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
        }
        for name, groups in _GIVEN.items()
    ]
