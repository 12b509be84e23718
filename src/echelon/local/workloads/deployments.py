"""Simulated Deployments: a ReplicaSet for each version of the template, sized step by step (``rolling``).

A version keeps its ReplicaSet, and its pods their template, so that ``kubectl rollout history`` and
``undo`` find what they look for: the revision is an annotation of both. The newest ReplicaSet gets the
Deployment's annotations, by which its pods learn how they are to behave.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from echelon.api.meta import format_time, parse_time
from echelon.kube.controller import Request, Result
from echelon.local.workloads.conditions import condition_of, with_condition
from echelon.local.workloads.kinds import (
    DEPLOYMENTS,
    REPLICA_SETS,
    Object,
    annotations_of,
    content_hash,
    handed_down,
    is_going,
    owner_reference,
    status_of,
    without_zeros,
)
from echelon.local.workloads.rolling import Size, bounds, sizes
from echelon.local.workloads.world import World

REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
_COMPLETE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"


class Deployments:
    """Reconciles the Deployments of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> Result | None:
        found = await self._world.get(DEPLOYMENTS, request.key)
        if found is None or is_going(found):
            return None
        sets = await self._world.owned(REPLICA_SETS, found)
        name = f"{found['metadata']['name']}-{content_hash(found['spec']['template'])}"
        new = next((one for one in sets if one["metadata"]["name"] == name), None)
        if new is None and found["spec"].get("paused"):
            await self._report(found, None, sets)
            return None
        old = [one for one in sets if one["metadata"]["name"] != name]
        revision = 1 + max((_revision(one) for one in old), default=0)
        if new is None:
            new = await self._world.create(REPLICA_SETS, _replica_set(found, name, revision))
            if new is None:
                return Result(requeue_after=0.1)  # one of that name is just going
        new = await self._keep(found, new, max(revision, _revision(new)))
        found = await self._annotate(found, _revision(new))
        new, old = await self._resize(found, new, old)
        await self._forget_old(found, old)
        return await self._report(found, new, [*old, new])

    async def _keep(self, deployment: Object, new: dict[str, Any], revision: int) -> dict[str, Any]:
        """Give the newest ReplicaSet the annotations of the Deployment, and its revision."""
        annotations = {**handed_down(deployment), REVISION: str(revision)}
        if annotations == annotations_of(new):
            return new
        return await self._world.change(
            REPLICA_SETS, new, {**new, "metadata": {**new["metadata"], "annotations": annotations}}
        )

    async def _annotate(self, deployment: dict[str, Any], revision: int) -> dict[str, Any]:
        annotations = {**annotations_of(deployment), REVISION: str(revision)}
        changed = {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}
        return await self._world.change(DEPLOYMENTS, deployment, changed)

    async def _resize(
        self, deployment: Object, new: dict[str, Any], old: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if deployment["spec"].get("paused"):
            return new, list(old)
        by_age = sorted(old, key=_revision)
        wanted = sizes(deployment["spec"], _size(new), [_size(one) for one in by_age])
        resized = []
        for one in (new, *by_age):
            spec = {**one["spec"], "replicas": wanted[one["metadata"]["name"]]}
            resized.append(await self._world.change(REPLICA_SETS, one, {**one, "spec": spec}))
        return resized[0], resized[1:]

    async def _forget_old(self, deployment: Object, old: Sequence[Object]) -> None:
        """Delete the oldest ReplicaSets that are empty, beyond those that are to be kept."""
        empty = [one for one in old if not one["spec"].get("replicas", 1) and not status_of(one).get("replicas")]
        surplus = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
        for one in sorted(empty, key=_revision)[: max(0, surplus)]:
            await self._world.delete(REPLICA_SETS, one)

    async def _report(self, deployment: dict[str, Any], new: Object | None, sets: Sequence[Object]) -> Result | None:
        now = self._world.now()
        status = status_after(deployment, new, sets, now)
        await self._world.report(DEPLOYMENTS, deployment, status)
        wait = _deadline(deployment["spec"], status, now)
        return None if wait is None else Result(requeue_after=max(0.0, wait))


def status_after(deployment: Object, new: Object | None, sets: Sequence[Object], now: datetime) -> Mapping[str, Any]:
    """The status of a Deployment whose ReplicaSets are these. Pure."""
    spec = deployment["spec"]
    replicas = spec.get("replicas", 1)
    totals = {
        field: sum(status_of(one).get(field, 0) for one in sets)
        for field in ("replicas", "readyReplicas", "availableReplicas")
    }
    wanted = sum(one["spec"].get("replicas", 1) for one in sets)
    counts = {
        **totals,
        "updatedReplicas": 0 if new is None else status_of(new).get("replicas", 0),
        "unavailableReplicas": max(0, wanted - totals["availableReplicas"]),
    }
    before = status_of(deployment)
    conditions = _availability(before.get("conditions") or (), totals["availableReplicas"], spec, now)
    if new is not None:
        conditions = _progress(conditions, before, counts, replicas, spec, new["metadata"]["name"], now)
    return without_zeros(
        {"observedGeneration": deployment["metadata"].get("generation", 0), **counts, "conditions": conditions}
    )


def _availability(conditions: Sequence[Object], available: int, spec: Object, now: datetime) -> list[dict[str, Any]]:
    if available >= spec.get("replicas", 1) - bounds(spec)[1]:
        told = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        told = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return with_condition(conditions, "Available", *told, now, "lastUpdateTime")


def _progress(
    conditions: Sequence[Object],
    before: Object,
    counts: Mapping[str, int],
    replicas: int,
    spec: Object,
    name: str,
    now: datetime,
) -> list[dict[str, Any]]:
    """The condition Progressing: as long as something moves within the deadline, or all is there."""
    present = condition_of(before, "Progressing")
    complete = counts["updatedReplicas"] == counts["replicas"] == replicas and counts["availableReplicas"] == replicas
    if complete:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return with_condition(conditions, "Progressing", "True", _COMPLETE, message, now, "lastUpdateTime")
    is_news = present is None or f'"{name}"' not in present["message"]
    if is_news or _advanced(before, counts):
        told = ("ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        if is_news:
            told = ("NewReplicaSetCreated", f'Created new replica set "{name}"')
        changed = with_condition(conditions, "Progressing", "True", *told, now)
        return [c | {"lastUpdateTime": format_time(now)} if c["type"] == "Progressing" else c for c in changed]
    wait = _deadline(spec, {"conditions": conditions}, now)
    if wait is not None and wait <= 0:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return with_condition(conditions, "Progressing", "False", _TIMED_OUT, message, now, "lastUpdateTime")
    return [dict(condition) for condition in conditions]


def _advanced(before: Object, counts: Mapping[str, int]) -> bool:
    """Whether there are more new pods, fewer old ones or more that work than before."""
    grown = any(
        counts[field] > before.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    old_before: int = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    return grown or counts["replicas"] - counts["updatedReplicas"] < old_before


def _deadline(spec: Object, status: Object, now: datetime) -> float | None:
    """Seconds until the deployment counts as stuck; None when nothing is awaited."""
    progressing = condition_of(status, "Progressing")
    seconds = spec.get("progressDeadlineSeconds")
    if progressing is None or seconds is None or progressing["reason"] in (_COMPLETE, _TIMED_OUT):
        return None
    return (parse_time(progressing["lastUpdateTime"]) + timedelta(seconds=seconds) - now).total_seconds()


def _replica_set(deployment: Object, name: str, revision: int) -> dict[str, Any]:
    spec, digest = deployment["spec"], name.rpartition("-")[2]
    template = copy.deepcopy(spec["template"])
    labels = {**((template.setdefault("metadata", {})).get("labels") or {}), TEMPLATE_HASH: digest}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(spec.get("selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), TEMPLATE_HASH: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": {**handed_down(deployment), REVISION: str(revision)},
            "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": template,
        },
    }


def _size(one: Object) -> Size:
    available = min(status_of(one).get("availableReplicas", 0), one["spec"].get("replicas", 1))
    return Size(one["metadata"]["name"], one["spec"].get("replicas", 1), available)


def _revision(one: Object) -> int:
    text = annotations_of(one).get(REVISION, "")
    return int(text) if text.isdecimal() else 0
