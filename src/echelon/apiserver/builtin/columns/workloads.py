"""Columns of workloads and of what scales and protects them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from echelon.apiserver.builtin.columns.base import (
    NAME,
    NONE,
    UNKNOWN,
    age_column,
    column,
    container_columns,
    field,
    find,
    pairs,
    selector,
    since,
)
from echelon.apiserver.clock import Clock, parse_time
from echelon.apiserver.definitions import Column, Object
from echelon.apiserver.table import human_duration

_TEMPLATE = "spec.template.spec"


def workload_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    age = age_column(clock)
    selected = column("Selector", lambda obj: selector(find(obj, "spec.selector")), wide=True)
    containers = container_columns(_TEMPLATE)
    counted = (
        _count("Desired", "spec.replicas"),
        _count("Current", "status.replicas"),
        _count("Ready", "status.readyReplicas"),
    )
    return {
        "apps.Deployment": (
            NAME,
            column("Ready", _ready),
            field("Up-to-date", "status.updatedReplicas", empty=0),
            field("Available", "status.availableReplicas", empty=0),
            age,
            *containers,
            selected,
        ),
        "apps.ReplicaSet": (NAME, *counted, age, *containers, selected),
        "core.ReplicationController": (
            NAME,
            *counted,
            age,
            *containers,
            column("Selector", lambda obj: pairs(find(obj, "spec.selector")), wide=True),
        ),
        "apps.StatefulSet": (NAME, column("Ready", _ready), age, *containers),
        "apps.DaemonSet": (
            NAME,
            _count("Desired", "status.desiredNumberScheduled"),
            _count("Current", "status.currentNumberScheduled"),
            _count("Ready", "status.numberReady"),
            _count("Up-to-date", "status.updatedNumberScheduled"),
            _count("Available", "status.numberAvailable"),
            column("Node Selector", lambda obj: pairs(find(obj, f"{_TEMPLATE}.nodeSelector"))),
            age,
            *containers,
            selected,
        ),
        "apps.ControllerRevision": (
            NAME,
            column("Controller", _controller),
            field("Revision", "revision", empty=0),
            age,
        ),
        "batch.Job": (
            NAME,
            column("Status", _job_status),
            column("Completions", _completions),
            column("Duration", lambda job: _duration(job, clock)),
            age,
            *containers,
            selected,
        ),
        "batch.CronJob": _cron_job_columns(clock, age),
        "autoscaling2.HorizontalPodAutoscaler": (
            NAME,
            column("Reference", _reference),
            column("Targets", _targets),
            column("MinPods", lambda obj: str(find(obj, "spec.minReplicas", UNKNOWN))),
            _count("MaxPods", "spec.maxReplicas", "string"),
            _count("Replicas", "status.currentReplicas"),
            age,
        ),
        "policy.PodDisruptionBudget": (
            NAME,
            column("Min Available", lambda obj: str(find(obj, "spec.minAvailable", "N/A"))),
            column("Max Unavailable", lambda obj: str(find(obj, "spec.maxUnavailable", "N/A"))),
            _count("Allowed Disruptions", "status.disruptionsAllowed"),
            age,
        ),
    }


def _count(name: str, path: str, type_: str = "integer") -> Column:
    return field(name, path, type_, empty=0)


def _ready(workload: Object) -> str:
    return f"{find(workload, 'status.readyReplicas', 0)}/{find(workload, 'spec.replicas', 0)}"


def _controller(revision: Object) -> str:
    for owner in revision["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            kind, group = owner["kind"].lower(), owner["apiVersion"].rpartition("/")[0]
            return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return NONE


def _job_status(job: Object) -> str:
    holding = {entry.get("type") for entry in find(job, "status.conditions", ()) if entry.get("status") == "True"}
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if condition in holding:
            return word
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for condition, word in (("Suspended", "Suspended"), ("FailureTarget", "FailureTarget")):
        if condition in holding:
            return word
    return "SuccessCriteriaMet" if "SuccessCriteriaMet" in holding else "Running"


def _completions(job: Object) -> str:
    succeeded = find(job, "status.succeeded", 0)
    wanted = find(job, "spec.completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = find(job, "spec.parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Object, clock: Clock) -> str:
    start, end = find(job, "status.startTime"), find(job, "status.completionTime")
    if start is None:
        return ""
    stop: datetime = clock.now() if end is None else parse_time(end)
    return human_duration((stop - parse_time(start)).total_seconds())


def _cron_job_columns(clock: Clock, age: Column) -> Sequence[Column]:
    template = "spec.jobTemplate.spec"

    def last_run(obj: Object) -> str:
        moment = find(obj, "status.lastScheduleTime")
        return NONE if moment is None else since(moment, clock)

    return (
        NAME,
        field("Schedule", "spec.schedule"),
        field("Timezone", "spec.timeZone", empty=NONE),
        column("Suspend", lambda obj: str(bool(find(obj, "spec.suspend"))), "boolean"),
        column("Active", lambda obj: len(find(obj, "status.active", ())), "integer"),
        column("Last Schedule", last_run),
        age,
        *container_columns(f"{template}.template.spec"),
        column("Selector", lambda obj: selector(find(obj, f"{template}.selector")), wide=True),
    )


def _reference(autoscaler: Object) -> str:
    target = find(autoscaler, "spec.scaleTargetRef", {})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


_SHOWN_TARGETS = 2
_SOURCES: dict[str, tuple[str, str]] = {
    "Resource": ("resource", "name"),
    "ContainerResource": ("containerResource", "name"),
    "Pods": ("pods", ""),
    "Object": ("object", ""),
    "External": ("external", ""),
}


def _targets(autoscaler: Object) -> str:
    metrics = find(autoscaler, "spec.metrics", ())
    current = find(autoscaler, "status.currentMetrics", [])
    shown = [
        _target(metric, current[index] if index < len(current) else {})
        for index, metric in enumerate(metrics[:_SHOWN_TARGETS])
    ]
    more = len(metrics) - _SHOWN_TARGETS
    text = ", ".join(shown) or NONE
    return f"{text} + {more} more..." if more > 0 else text


def _target(metric: Object, seen: Object) -> str:
    source, named = _SOURCES.get(metric.get("type", ""), ("", ""))
    if not source:
        return "<unknown type>"
    spec = metric.get(source, {})
    want, have = spec.get("target", {}), find(seen, f"{source}.current", {})
    if "averageUtilization" in want:
        text = _compared(have, want, "averageUtilization", "%")
    elif "averageValue" in want:
        text = _compared(have, want, "averageValue", "")
        text += "" if named else " (avg)"
    else:
        text = _compared(have, want, "value", "")
    return f"{spec.get(named, '')}: {text}" if named else text


def _compared(have: Any, want: Any, name: str, unit: str) -> str:
    value = have.get(name)
    return f"{UNKNOWN if value is None else f'{value}{unit}'}/{want.get(name, '')}{unit}"
