"""Simulated Jobs: as many pods at once as allowed, until enough are done or too many have failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from echelon.api.meta import format_time, parse_time
from echelon.kube.controller import Request, Result
from echelon.local.workloads.conditions import condition_of, with_condition
from echelon.local.workloads.kinds import JOBS, PODS, Object, is_going, status_of, without_zeros
from echelon.local.workloads.pods import is_active, is_ready, pod_of
from echelon.local.workloads.world import World

_INDEX = "batch.kubernetes.io/job-completion-index"


class _Tally(msgspec.Struct, frozen=True):
    """The pods of a Job by what has become of them."""

    active: Sequence[Object]
    succeeded: int
    failed: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed


class Jobs:
    """Reconciles the Jobs of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> Result | None:
        job = await self._world.get(JOBS, request.key)
        if job is None or is_going(job):
            return None
        now = self._world.now()
        if is_finished(job):
            return await self._expire(job, now)
        tally = _tally(await self._world.owned(PODS, job))
        end = verdict(job, tally.succeeded, tally.failed, now)
        if end is not None or job["spec"].get("suspend"):
            for pod in tally.active:
                await self._world.delete(PODS, pod)
            tally = _Tally((), tally.succeeded, tally.failed)
        else:
            tally = await self._start(job, tally)
        status = _status(job, tally, end, now)
        await self._world.report(JOBS, job, status)
        return _deadline(job, status, now) if end is None else await self._expire({**job, "status": status}, now)

    async def _start(self, job: Object, tally: _Tally) -> _Tally:
        """Start as many pods as are missing."""
        spec = job["spec"]
        completions = spec.get("completions", spec.get("parallelism", 1))
        count = min(spec.get("parallelism", 1), completions - tally.succeeded) - len(tally.active)
        nodes = await self._world.pick_nodes(count) or [""] * max(0, count)
        made = [await self._create(job, node, tally.ended + number) for number, node in enumerate(nodes)]
        return _Tally([*tally.active, *(pod for pod in made if pod is not None)], tally.succeeded, tally.failed)

    async def _create(self, job: Object, node: str, index: int) -> dict[str, Any] | None:
        generated = f"{job['metadata']['name']}-"
        pod = pod_of(job["spec"]["template"], JOBS, job, node=node, generateName=generated)
        if job["spec"].get("completionMode") == "Indexed":
            pod["metadata"]["annotations"] = {**pod["metadata"]["annotations"], _INDEX: str(index)}
        return await self._world.create(PODS, pod)

    async def _expire(self, job: Object, now: datetime) -> Result | None:
        """Delete a finished Job when its time is over."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        end = next((c for c in status_of(job)["conditions"] if c["type"] in ("Complete", "Failed")), None)
        if seconds is None or end is None:
            return None
        left = (parse_time(end["lastTransitionTime"]) + timedelta(seconds=seconds) - now).total_seconds()
        if left > 0:
            return Result(requeue_after=left)
        await self._world.delete(JOBS, job)
        return None


def is_finished(job: Object) -> bool:
    return any(
        (found := condition_of(status_of(job), type_)) is not None and found["status"] == "True"
        for type_ in ("Complete", "Failed")
    )


def verdict(job: Object, succeeded: int, failed: int, now: datetime) -> tuple[str, str, str] | None:
    """Type, reason and message of the condition that ends a Job; None while it goes on. Pure."""
    spec = job["spec"]
    completions = spec.get("completions", spec.get("parallelism", 1))
    if succeeded >= completions:
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    if failed > spec.get("backoffLimit", 6):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    started, seconds = status_of(job).get("startTime"), spec.get("activeDeadlineSeconds")
    if started and seconds is not None and now >= parse_time(started) + timedelta(seconds=seconds):
        return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _tally(pods: Sequence[Object]) -> _Tally:
    phases = [status_of(pod).get("phase") for pod in pods]
    return _Tally([pod for pod in pods if is_active(pod)], phases.count("Succeeded"), phases.count("Failed"))


def _deadline(job: Object, status: Object, now: datetime) -> Result | None:
    seconds = job["spec"].get("activeDeadlineSeconds")
    if seconds is None or not status.get("startTime"):
        return None
    left = parse_time(status["startTime"]) + timedelta(seconds=seconds) - now
    return Result(requeue_after=max(0.0, left.total_seconds()))


def _status(job: Object, tally: _Tally, end: tuple[str, str, str] | None, now: datetime) -> Mapping[str, Any]:
    before, suspended = status_of(job), bool(job["spec"].get("suspend"))
    conditions: Sequence[Object] = before.get("conditions") or ()
    if suspended:
        conditions = with_condition(conditions, "Suspended", "True", "JobSuspended", "Job suspended", now)
    elif condition_of(before, "Suspended") is not None:
        conditions = with_condition(conditions, "Suspended", "False", "JobResumed", "Job resumed", now)
    times = {} if suspended else {"startTime": before.get("startTime") or format_time(now)}
    if end is not None:
        type_, reason, message = end
        before_it = "SuccessCriteriaMet" if type_ == "Complete" else "FailureTarget"
        conditions = with_condition(conditions, before_it, "True", reason, message, now)
        conditions = with_condition(conditions, type_, "True", reason, message, now)
        if type_ == "Complete":
            times["completionTime"] = format_time(now)
    status = {
        "active": len(tally.active),
        "ready": sum(is_ready(pod) for pod in tally.active),
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "conditions": list(conditions),
        "uncountedTerminatedPods": {},
    }
    return {**without_zeros(status, "ready"), **times}
