"""Simulated pods: how they are made of a template, and how they look from moment to moment. Pure.

A pod is *ready* when its containers run; *available* when it has been ready for as long as its
workload asks (``minReadySeconds``). Pods of Jobs end instead: they are done, or they have failed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from echelon.api.meta import format_time, parse_time
from echelon.kube.kinds import Unstructured
from echelon.local.workloads.kinds import Object, is_going, owner_reference, status_of
from echelon.local.workloads.rehearsal import Failure, Rehearsal

_ENDED = ("Succeeded", "Failed")


class Moment(msgspec.Struct, frozen=True):
    """How a pod looks now, and in how many seconds that changes by itself; None: never."""

    status: Mapping[str, Any]
    wait: float | None = None


def pod_of(
    template: Mapping[str, Any], kind: Unstructured, owner: Object, *, node: str = "", **metadata: Any
) -> dict[str, Any]:
    """A pod of a workload's template; ``labels`` among the metadata are added to those of the template."""
    described = dict(template.get("metadata") or {})
    labels = {**(described.pop("labels", None) or {}), **metadata.pop("labels", {})}
    spec = dict(template["spec"]) | ({"nodeName": node} if node else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": owner["metadata"]["namespace"],
            "annotations": described.get("annotations") or {},
            "labels": labels,
            "ownerReferences": [owner_reference(kind, owner)],
            **metadata,
        },
        "spec": spec,
    }


def images_of(pod: Object) -> Iterator[str]:
    for field in ("initContainers", "containers"):
        for container in pod["spec"].get(field) or ():
            yield container.get("image", "")


def is_active(pod: Object) -> bool:
    """Whether a pod counts among those that a workload has: it is neither going nor at its end."""
    return not is_going(pod) and status_of(pod).get("phase") not in _ENDED


def has_ended(pod: Object) -> bool:
    return status_of(pod).get("phase") in _ENDED


def ready_since(pod: Object) -> datetime | None:
    """Since when a pod is ready; None when it is not."""
    for condition in status_of(pod).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            return parse_time(condition["lastTransitionTime"])
    return None


def is_ready(pod: Object) -> bool:
    return ready_since(pod) is not None


class Counts(msgspec.Struct, frozen=True):
    """Of some pods, how many are ready and available; ``wait``: seconds until the next becomes available."""

    ready: int
    available: int
    wait: float | None


def count(pods: Sequence[Object], min_ready_seconds: int, now: datetime) -> Counts:
    """Count pods by what they are able to do."""
    ready = [since for pod in pods if (since := ready_since(pod)) is not None]
    waits = [(since + timedelta(seconds=min_ready_seconds) - now).total_seconds() for since in ready]
    left = [wait for wait in waits if wait > 0] if min_ready_seconds else []
    return Counts(len(ready), len(ready) - len(left), min(left, default=None))


def look(pod: Object, rehearsal: Rehearsal, begun: datetime, now: datetime, *, ends: bool) -> Moment:
    """How a pod that was given a node at ``begun`` looks now.

    Args:
        pod: as it was last.
        rehearsal: how it is to behave.
        begun: when its containers began to be started.
        now: the moment.
        ends: whether it belongs to a Job, and so is done when others are ready.
    """
    if has_ended(pod):
        return Moment(status_of(pod))
    wait = (begun + timedelta(seconds=rehearsal.ready_after) - now).total_seconds()
    failure = rehearsal.failure
    if wait > 0 and (ends or not is_ready(pod)):
        if ends:
            return Moment(
                _status(pod, now, "Running", {"running": {"startedAt": format_time(begun)}}, ready=True), wait
            )
        return Moment(_status(pod, now, "Pending", {"waiting": {"reason": "ContainerCreating"}}, ready=False), wait)
    if failure is not None:
        return Moment(_failed(pod, now, failure, ends=ends))
    if ends:
        return Moment(_status(pod, now, "Succeeded", _terminated(begun, now, 0, "Completed"), ready=False))
    return Moment(_status(pod, now, "Running", {"running": {"startedAt": _started(pod, now)}}, ready=True))


def unscheduled(pod: Object, now: datetime) -> Moment:
    """How a pod looks for which there is no node."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "no node is ready and open to pods",
    }
    conditions = _transitioned([condition], status_of(pod).get("conditions") or (), now)
    return Moment({**status_of(pod), "phase": "Pending", "conditions": conditions})


def _failed(pod: Object, now: datetime, failure: Failure, *, ends: bool) -> Mapping[str, Any]:
    waiting = {"waiting": {"reason": failure.reason, "message": failure.message}}
    if not failure.crashed:
        return _status(pod, now, "Pending", waiting, ready=False)
    if ends:
        return _status(pod, now, "Failed", _terminated(now, now, 1, "Error"), ready=False)
    return _status(pod, now, "Running", waiting, ready=False)


def _terminated(begun: datetime, now: datetime, code: int, reason: str) -> dict[str, Any]:
    times = {"startedAt": format_time(begun), "finishedAt": format_time(now)}
    return {"terminated": {"exitCode": code, "reason": reason, **times}}


def _started(pod: Object, now: datetime) -> str:
    """When the containers were started: told once, and kept."""
    for container in status_of(pod).get("containerStatuses") or ():
        if "running" in (container.get("state") or {}):
            started: str = container["state"]["running"]["startedAt"]
            return started
    return format_time(now)


def _status(pod: Object, now: datetime, phase: str, state: dict[str, Any], *, ready: bool) -> Mapping[str, Any]:
    before = status_of(pod)
    crashed = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    containers = [
        {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": "",
            "ready": ready,
            "started": ready,
            "restartCount": int(crashed),
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]
    address = _address(pod["metadata"]["uid"]) if phase != "Pending" else None
    status = {
        **before,
        "phase": phase,
        "startTime": before.get("startTime") or format_time(now),
        "containerStatuses": containers,
        "conditions": _transitioned(_conditions(phase, ready=ready), before.get("conditions") or (), now),
    }
    return status | ({"podIP": address, "podIPs": [{"ip": address}]} if address else {})


def _conditions(phase: str, *, ready: bool) -> list[dict[str, Any]]:
    reason = {} if ready else {"reason": "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"}
    told = {"status": "True" if ready else "False", **reason}
    return [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "ContainersReady", **told},
        {"type": "Ready", **told},
    ]


def _transitioned(wanted: Sequence[dict[str, Any]], before: Sequence[Object], now: datetime) -> list[dict[str, Any]]:
    """Conditions with the time since when each has its status."""
    since = {(c["type"], c["status"]): c.get("lastTransitionTime") for c in before}
    return [
        {**condition, "lastTransitionTime": since.get((condition["type"], condition["status"])) or format_time(now)}
        for condition in wanted
    ]


def _address(uid: str) -> str:
    """An address of a private network; it leads nowhere."""
    first, second, third = hashlib.sha256(uid.encode()).digest()[:3]
    return f"10.{first}.{second}.{third or 1}"
