"""The one word that says how a pod is, and its counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from echelon.apiserver.builtin.columns.base import find, since
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Object

_NODE_LOST = "NodeLost"


def _is_sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _sidecars(pod: Object) -> set[str]:
    return {entry.get("name", "") for entry in find(pod, "spec.initContainers", ()) if _is_sidecar(entry)}


def pod_ready(pod: Object) -> str:
    """Ready containers and all containers, as ``1/2``; sidecars count."""
    sidecars = _sidecars(pod)
    total = len(find(pod, "spec.containers", ())) + len(sidecars)
    ready = sum(bool(entry.get("ready")) for entry in find(pod, "status.containerStatuses", ()))
    ready += sum(
        bool(entry.get("ready") and entry.get("started"))
        for entry in find(pod, "status.initContainerStatuses", ())
        if entry.get("name") in sidecars
    )
    return f"{ready}/{total}"


def pod_restarts(pod: Object, clock: Clock) -> str:
    """How often containers were restarted, and when last."""
    statuses = [*find(pod, "status.initContainerStatuses", ()), *find(pod, "status.containerStatuses", ())]
    if _initializing(pod) is None:
        sidecars = _sidecars(pod)
        initial = [entry for entry in find(pod, "status.initContainerStatuses", ()) if entry.get("name") in sidecars]
        statuses = [*initial, *find(pod, "status.containerStatuses", ())]
    restarts = sum(entry.get("restartCount", 0) for entry in statuses)
    ends = [find(entry, "lastState.terminated.finishedAt") for entry in statuses]
    last = max((moment for moment in ends if moment), default=None)
    return f"{restarts} ({since(last, clock)} ago)" if restarts and last else str(restarts)


def pod_status(pod: Object) -> str:
    """The pod's phase, or the reason that says more: its own, a container's, or that it is being deleted."""
    status = pod.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    if any(
        entry.get("type") == "PodScheduled" and entry.get("reason") == "SchedulingGated"
        for entry in status.get("conditions", ())
    ):
        reason = "SchedulingGated"
    initializing = _initializing(pod)
    reason = _running_reason(status, reason) if initializing is None else initializing
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == _NODE_LOST:
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def _ended(terminated: Object) -> str:
    """Why a container ended: its reason, else its signal or exit code."""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initializing(pod: Object) -> str | None:
    """Where initialisation stands; None once it is done."""
    containers = find(pod, "spec.initContainers", ())
    sidecars = _sidecars(pod)
    for index, entry in enumerate(find(pod, "status.initContainerStatuses", ())):
        state: dict[str, Any] = entry.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting", {})
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if entry.get("name") in sidecars and entry.get("started"):
            continue
        if terminated is not None:
            return f"Init:{_ended(terminated)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(containers)}"
    return None


def _running_reason(status: Object, reason: str) -> str:
    statuses: Iterable[Object] = reversed(status.get("containerStatuses", []))
    running = False
    for entry in statuses:
        state = entry.get("state", {})
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _ended(state["terminated"])
        elif entry.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        ready = any(
            entry.get("type") == "Ready" and entry.get("status") == "True" for entry in status.get("conditions", ())
        )
        return "Running" if ready else "NotReady"
    return reason
