"""Roles and role bindings."""

from __future__ import annotations

from collections.abc import Iterator

from echelon.apiserver.builtin.hooks.base import Faults, KindHooks, label_selector, one_of
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, invalid_value, required

RBAC = "rbac.authorization.k8s.io"


def _rules(obj: Object, namespaced: bool) -> Iterator[FieldError]:
    for index, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{index}]"
        urls = rule.get("nonResourceURLs")
        if not rule.get("verbs"):
            yield required(f"{path}.verbs", "verbs must contain at least one value")
        if urls:
            if namespaced:
                why = "namespaced rules cannot apply to non-resource URLs"
                yield invalid_value(f"{path}.nonResourceURLs", urls, why)
            if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid_value(f"{path}.nonResourceURLs", urls, why)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{path}.resources", "resource rules must supply at least one resource")


def _role(role: Object, old: Object | None, subresource: str) -> Faults:
    return _rules(role, namespaced=True)


def _cluster_role(role: Object, old: Object | None, subresource: str) -> Faults:
    yield from _rules(role, namespaced=False)
    if (aggregation := role.get("aggregationRule")) is not None:
        path, selectors = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors")
        if not selectors:
            yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(selectors or ()):
            yield from label_selector(selector, f"{path}[{index}]")


def _subject(subject: Object, path: str) -> Iterator[FieldError]:
    kind, group = subject.get("kind", ""), subject.get("apiGroup", "")
    if not kind:
        return
    yield from one_of(kind, f"{path}.kind", "ServiceAccount", "User", "Group")
    if kind == "ServiceAccount":
        yield from one_of(group, f"{path}.apiGroup", "")
        if not subject.get("namespace"):
            yield required(f"{path}.namespace")
    else:
        yield from one_of(group, f"{path}.apiGroup", RBAC)


def _binding(kinds: tuple[str, ...]) -> KindHooks:
    def check(binding: Object, old: Object | None, subresource: str) -> Faults:
        role = binding.get("roleRef", {})
        if old is not None and role != old.get("roleRef"):
            shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}
            yield invalid_value("roleRef", shown, "cannot change roleRef")
        yield from one_of(role.get("apiGroup", ""), "roleRef.apiGroup", RBAC)
        if role.get("kind"):
            yield from one_of(role["kind"], "roleRef.kind", *kinds)
        for index, subject in enumerate(binding.get("subjects", ())):
            yield from _subject(subject, f"subjects[{index}]")

    return KindHooks(check=check)


ACCESS_HOOKS = {
    "rbac.Role": KindHooks(check=_role),
    "rbac.ClusterRole": KindHooks(check=_cluster_role),
    "rbac.RoleBinding": _binding(("Role", "ClusterRole")),
    "rbac.ClusterRoleBinding": _binding(("ClusterRole",)),
}
