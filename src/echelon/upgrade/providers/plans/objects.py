"""Plans of system-upgrade-controller, and the nodes that they are for. Pure.

A cluster has two parts: its servers, which are the control plane, and its agents, the one node pool. Each has one
Plan, always of the same name, which is given another version for each upgrade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from echelon.api.core import Node
from echelon.api.meta import Resource
from echelon.upgrade.providers.contract import Code, NodePool, Progress
from echelon.upgrade.providers.settings import PlanSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step
from echelon.upgrade.versions import KubeVersion

GROUP = "upgrade.cattle.io"
PLAN = Resource(GROUP, "v1", "plans", "Plan", namespaced=True)
JOB = Resource("batch", "v1", "jobs", "Job", namespaced=True)
CONTROL_PLANE_NODE = "node-role.kubernetes.io/control-plane"
OF_PLAN = f"{GROUP}/plan"
AGENTS = "agents"
TOKEN = "fleet.echelon.dev/operation"

Object = Mapping[str, Any]


def plan_name(part: str) -> str:
    """The Plan of a part."""
    return f"echelon-{part or 'servers'}"


def plan_of(step: Step, namespace: str, settings: PlanSettings, token: str) -> dict[str, Any]:
    """The Plan that carries a step out. A minor version is one of the channels where its newest patch is found."""
    version = KubeVersion.parse(step.version)
    target = {"channel": f"{settings.channel}/v{version}"} if version.is_alias else {"version": f"v{version}"}
    operator = "Exists" if step.pool == CONTROL_PLANE else "DoesNotExist"
    spec: dict[str, Any] = {
        "concurrency": settings.concurrency,
        "cordon": True,
        "nodeSelector": {"matchExpressions": [{"key": CONTROL_PLANE_NODE, "operator": operator}]},
        "serviceAccountName": settings.service_account,
        "jobActiveDeadlineSecs": settings.job_deadline,
        "upgrade": {"image": settings.image},
        **target,
    }
    if step.pool != CONTROL_PLANE:
        spec["drain"] = {"force": True, "ignoreDaemonSets": True, "deleteEmptydirData": True}
    return {
        "apiVersion": PLAN.api_version,
        "kind": PLAN.kind,
        "metadata": {"name": plan_name(step.pool), "namespace": namespace, "annotations": {TOKEN: token}},
        "spec": spec,
    }


def of_part(nodes: Iterable[Node], part: str) -> Sequence[Node]:
    """The nodes of a part."""
    return [n for n in nodes if (CONTROL_PLANE_NODE in n.metadata.labels) == (part == CONTROL_PLANE)]


def version_of(nodes: Sequence[Node]) -> str:
    """The oldest version of nodes, without the v in front."""
    versions = [node.status.node_info.kubelet_version.removeprefix("v") for node in nodes]
    return min(versions, key=KubeVersion.parse, default="")


def pools(nodes: Sequence[Node]) -> tuple[NodePool, ...]:
    """The agents as a node pool; none where servers are all there is."""
    agents = of_part(nodes, AGENTS)
    return (NodePool(name=AGENTS, count=len(agents), kubernetes_version=version_of(agents)),) if agents else ()


def progress_of(step: Step, plan: Object | None, nodes: Sequence[Node], jobs: Iterable[Object]) -> Progress:
    """How far a Plan is: that tell the nodes; what stands in its way, its conditions and jobs."""
    wanted = KubeVersion.parse(step.version)
    at = [KubeVersion.parse(node.status.node_info.kubelet_version) for node in nodes]
    done = sum(version >= wanted for version in at)
    if done == len(at):
        return Progress(state="Succeeded")
    if plan is None:
        message = f"The Plan {plan_name(step.pool)} was deleted"
        return Progress(state="Failed", code=Code.NOT_FOUND, message=message, retryable=True)
    conditions = {c.get("type"): c for c in (plan.get("status") or {}).get("conditions") or ()}
    invalid = conditions.get("Validated", {})
    if invalid.get("status") == "False":
        return Progress(state="Failed", code=Code.INVALID_VERSION, message=_said(invalid))
    unresolved = conditions.get("LatestResolved", {})
    if unresolved.get("status") == "False" and unresolved.get("reason") == "Error":
        return Progress(state="Running", code=Code.NETWORK, message=_said(unresolved))
    failed = next((job for job in jobs if _failure(job)), None)
    if failed is not None:
        return _job_failed(failed)
    return Progress(state="Running", nodes_done=done)


def under_way(plans: Iterable[Object], nodes: Sequence[Node], jobs: Sequence[Object]) -> Step | None:
    """The step that a Plan of ours is at; None when none gets on with one."""
    by_name = {plan["metadata"]["name"]: plan for plan in plans}
    for part in (CONTROL_PLANE, AGENTS):
        plan = by_name.get(plan_name(part))
        if plan is None:
            continue
        target = plan["spec"].get("version") or str(plan["spec"].get("channel", "")).rpartition("/")[2]
        step = Step(pool=part, version=target.removeprefix("v"))
        own = [job for job in jobs if (job["metadata"].get("labels") or {}).get(OF_PLAN) == plan_name(part)]
        if not progress_of(step, plan, of_part(nodes, part), own).ended:
            return step
    return None


def failed_jobs(jobs: Iterable[Object]) -> Sequence[str]:
    """The names of jobs that have failed."""
    return [job["metadata"]["name"] for job in jobs if _failure(job)]


def _failure(job: Object) -> Object | None:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == "Failed" and c.get("status") == "True"), None)


def _job_failed(job: Object) -> Progress:
    condition = _failure(job) or {}
    node = (job["metadata"].get("labels") or {}).get(f"{GROUP}/node", "")
    late = condition.get("reason") == "DeadlineExceeded"
    message = f"The job {job['metadata']['name']} on node {node} has failed: {_said(condition)}"
    return Progress(state="Failed", code=Code.TIMEOUT if late else Code.NODE_NOT_READY, message=message)


def _said(condition: Object) -> str:
    return f"{condition.get('reason', '')}: {condition.get('message', '')}"
