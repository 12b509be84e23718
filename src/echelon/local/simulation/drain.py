"""Empties a node: its pods go, as far as their disruption budgets let them.

Pods are simulated (see ``local.workloads``): they go at once, and their workloads make others. What
``kubectl drain`` leaves alone is left alone: pods of DaemonSets and static pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.api.meta import LabelSelector, LabelSelectorRequirement, Resource
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured

PODS = Unstructured(Resource("", "v1", "pods", "Pod", namespaced=True))
BUDGETS = Unstructured(Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True))
_STATIC_POD = "kubernetes.io/config.mirror"

Object = Mapping[str, Any]


async def drain(client: Client, node: str) -> str:
    """Delete the pods of a node that may go; gives the budget that holds one back, or nothing."""
    blocked = ""
    pods = await client.list(PODS, fields=f"spec.nodeName={node}")
    for pod in pods.items:
        if not _is_evicted(pod):
            continue
        budget = await _holding_back(client, pod)
        if budget:
            blocked = budget
            continue
        metadata = pod["metadata"]
        key = (metadata["namespace"], metadata["name"])
        await client.delete(PODS, key, uid=metadata["uid"], grace_period=0, missing_ok=True)
    return blocked


def _is_evicted(pod: Object) -> bool:
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return not any(owner["kind"] == "DaemonSet" for owner in owners) and _STATIC_POD not in (
        metadata.get("annotations") or {}
    )


async def _holding_back(client: Client, pod: Object) -> str:
    """The budget by which a pod has to stay for now; empty when it may go."""
    if not is_healthy(pod):
        return ""
    namespace = pod["metadata"]["namespace"]
    labels = pod["metadata"].get("labels") or {}
    budgets = await client.list(BUDGETS, namespace=namespace)
    concerned = [budget for budget in budgets.items if _selector(budget).matches(labels)]
    if not concerned:
        return ""
    pods = (await client.list(PODS, namespace=namespace)).items
    for budget in concerned:
        covered = [other for other in pods if _selector(budget).matches(other["metadata"].get("labels") or {})]
        if allowed_disruptions(budget.get("spec") or {}, covered) < 1:
            return f"{namespace}/{budget['metadata']['name']}"
    return ""


def allowed_disruptions(spec: Mapping[str, Any], pods: Sequence[Object]) -> int:
    """How many of the pods that a budget covers may go: the healthy ones beyond what it wants to be healthy."""
    return max(0, sum(is_healthy(pod) for pod in pods) - desired_healthy(spec, len(pods)))


def desired_healthy(spec: Mapping[str, Any], total: int) -> int:
    """How many of so many pods a budget wants to be healthy."""
    if spec.get("maxUnavailable") is not None:
        return max(0, total - _scaled(spec["maxUnavailable"], total))
    return _scaled(spec.get("minAvailable", 1), total)


def _scaled(value: int | str, total: int) -> int:
    """A count, or a percentage of ``total``, rounded up as Kubernetes does here."""
    if isinstance(value, int):
        return value
    return -(-int(value.removesuffix("%")) * total // 100)


def is_healthy(pod: Object) -> bool:
    """Whether a pod counts as available: it is not going, and ready, or running and says nothing of readiness."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    status = pod.get("status") or {}
    ready = [c["status"] == "True" for c in status.get("conditions") or () if c["type"] == "Ready"]
    return all(ready) and status.get("phase") in ("Pending", "Running")


def _selector(budget: Object) -> LabelSelector:
    selector = (budget.get("spec") or {}).get("selector") or {}
    return LabelSelector(
        match_labels=selector.get("matchLabels") or {},
        match_expressions=tuple(
            LabelSelectorRequirement(term["key"], term["operator"], tuple(term.get("values") or ()))
            for term in selector.get("matchExpressions") or ()
        ),
    )
