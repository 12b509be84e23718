"""Simulated kubelets: pods get a node, become what they are to become, and go when they are deleted.

When the containers of a pod began to be started is remembered as exactly as it was seen, since
Kubernetes writes times in whole seconds; after a restart the pod's creation tells it well enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from echelon.api.meta import parse_time
from echelon.kube.controller import Request, Result
from echelon.kube.kinds import Key
from echelon.local.workloads.kinds import (
    DAEMON_SETS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
    annotations_of,
    is_going,
)
from echelon.local.workloads.pods import images_of, look, unscheduled
from echelon.local.workloads.rehearsal import FAIL, READY_AFTER, Rehearsal, rehearsal_of
from echelon.local.workloads.world import World

OWNERS = {kind.resource.kind: kind for kind in (REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, JOBS)}
_SECOND = timedelta(seconds=1)


class Kubelet:
    """Reconciles the pods of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._begun: dict[Key, tuple[str, datetime]] = {}

    async def reconcile(self, request: Request) -> Result | None:
        pod = await self._world.get(PODS, request.key)
        if pod is None or is_going(pod):
            self._begun.pop(request.key, None)
        if pod is None:
            return None
        if is_going(pod):
            if pod["metadata"].get("deletionGracePeriodSeconds"):
                await self._world.delete(PODS, pod, grace_period=0)
            return None
        now = self._world.now()
        owner = await self._owner(pod)
        if not pod["spec"].get("nodeName"):
            nodes = await self._world.pick_nodes(1)
            if not nodes:
                await self._world.report(PODS, pod, unscheduled(pod, now).status)
                return None  # nodes that come or open up bring it back
            pod = await self._world.change(PODS, pod, {**pod, "spec": {**pod["spec"], "nodeName": nodes[0]}})
        begun = self._began(request.key, pod, now)
        ends = owner is not None and owner["kind"] == JOBS.resource.kind
        moment = look(pod, _rehearsal(pod, owner), begun, now, ends=ends)
        await self._world.report(PODS, pod, moment.status)
        return None if moment.wait is None else Result(requeue_after=moment.wait)

    def _began(self, key: Key, pod: Object, now: datetime) -> datetime:
        uid = pod["metadata"]["uid"]
        known, begun = self._begun.get(key, ("", now))
        if known != uid:
            created = parse_time(pod["metadata"]["creationTimestamp"])
            begun = min(now, created + _SECOND)  # now, unless it was created longer ago than the clock can tell
            self._begun[key] = (uid, begun)
        return begun

    async def _owner(self, pod: Object) -> dict[str, Any] | None:
        """The workload that made a pod."""
        for reference in pod["metadata"].get("ownerReferences") or ():
            kind = OWNERS.get(reference["kind"])
            if reference.get("controller") and kind is not None:
                return await self._world.get(kind, (pod["metadata"]["namespace"], reference["name"]))
        return None


class Wishes:
    """Brings pods back when what a user wishes of their workload has changed; requests are ``Kind/name``."""

    def __init__(self, world: World, wake: Callable[[Request], None]) -> None:
        self._world = world
        self._wake = wake
        self._known: dict[Request, Mapping[str, str]] = {}

    async def reconcile(self, request: Request) -> None:
        kind, _, name = request.name.partition("/")
        owner = await self._world.get(OWNERS[kind], (request.namespace, name))
        if owner is None:
            self._known.pop(request, None)
            return
        wishes = _wishes(owner)
        if self._known.get(request, wishes) != wishes:
            for pod in await self._world.owned(PODS, owner):
                self._wake(Request(*PODS.key(pod)))
        self._known[request] = wishes


def _wishes(owner: Object) -> Mapping[str, str]:
    found = annotations_of(owner)
    return {key: found[key] for key in (READY_AFTER, FAIL) if key in found}


def _rehearsal(pod: Object, owner: Object | None) -> Rehearsal:
    wishes = {} if owner is None else _wishes(owner)
    return rehearsal_of({**wishes, **annotations_of(pod)}, images_of(pod))
