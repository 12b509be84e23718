"""Autoscalers at v1, which knows one metric: how much of the processors is used on average.

Objects are kept at v2. What v1 has no field for stands in its annotations, as JSON in the form of
v2, and comes back from there; so a client of v1 loses nothing that it leaves alone.
"""

from __future__ import annotations

from typing import Any

import orjson

from echelon.apiserver.builtin.compiler import Mismatch, object_node
from echelon.apiserver.definitions import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"

_ANNOTATED = {
    "spec": {"metrics": "metrics", "behavior": "behavior"},
    "status": {"conditions": "conditions", "currentMetrics": "current-metrics"},
}
"""The annotation of each field of v2 that v1 lacks."""
_TYPES = {
    "spec": "autoscaling2.HorizontalPodAutoscalerSpec",
    "status": "autoscaling2.HorizontalPodAutoscalerStatus",
}
_DEFAULT_UTILIZATION = 80


def to_v2(autoscaler: Object) -> Object:
    """An autoscaler of v1 at v2."""
    metadata, annotations = _annotations(autoscaler)
    spec, status = dict(autoscaler.get("spec") or {}), dict(autoscaler.get("status") or {})
    extra = _taken(annotations, "spec")
    wanted = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = extra.pop("metrics", [])
    if wanted is not None or not metrics:
        target = {"type": "Utilization", "averageUtilization": _DEFAULT_UTILIZATION if wanted is None else wanted}
        metrics.insert(0, _of_processors("target", target))
    spec |= {"metrics": metrics, **extra}
    extra = _taken(annotations, "status")
    used = status.pop("currentCPUUtilizationPercentage", None)
    seen = extra.pop("currentMetrics", [])
    if used is not None:
        seen.insert(0, _of_processors("current", {"averageUtilization": used}))
    if seen:
        status["currentMetrics"] = seen
    return _made(autoscaler, metadata, annotations, spec, status | extra)


def from_v2(autoscaler: Object) -> Object:
    """An autoscaler of v2 at v1."""
    metadata, annotations = _annotations(autoscaler)
    spec, status = dict(autoscaler.get("spec") or {}), dict(autoscaler.get("status") or {})
    wanted, spec["metrics"] = _split(spec.get("metrics"), "target")
    used, status["currentMetrics"] = _split(status.get("currentMetrics"), "current")
    _put(annotations, spec, "spec")
    _put(annotations, status, "status")
    if wanted is not None:
        spec["targetCPUUtilizationPercentage"] = wanted
    if used is not None:
        status["currentCPUUtilizationPercentage"] = used
    return _made(autoscaler, metadata, annotations, spec, status)


def _annotations(autoscaler: Object) -> tuple[Object, dict[str, str]]:
    metadata = dict(autoscaler.get("metadata") or {})
    return metadata, dict(metadata.pop("annotations", None) or {})


def _made(autoscaler: Object, metadata: Object, annotations: dict[str, str], spec: Object, status: Object) -> Object:
    if annotations:
        metadata["annotations"] = annotations
    made = autoscaler | {"metadata": metadata, "spec": spec}
    if "status" in autoscaler or status:
        made["status"] = status
    return made


def _of_processors(field: str, value: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", field: value}}


def _split(metrics: list[Object] | None, field: str) -> tuple[int | None, list[Object]]:
    """What v1 can say of the metrics, and the others."""
    rest = list(metrics or ())
    for place, metric in enumerate(rest):
        resource = metric.get("resource") or {}
        value = resource.get(field) or {}
        said: int | None = value.get("averageUtilization")
        if said is not None and metric == _of_processors(field, _plain(field, said)):
            del rest[place]
            return said, rest
    return None, rest


def _plain(field: str, utilization: int) -> Object:
    kind = {"type": "Utilization"} if field == "target" else {}
    return {**kind, "averageUtilization": utilization}


def _put(annotations: dict[str, str], part: Object, of: str) -> None:
    """Move fields that v1 does not have into annotations."""
    for field, name in _ANNOTATED[of].items():
        value = part.pop(field, None)
        if value or isinstance(value, dict):
            annotations[_PREFIX + name] = orjson.dumps(value).decode()


def _taken(annotations: dict[str, str], of: str) -> dict[str, Any]:
    """The fields that stand in annotations, taken out of them; what is not of the field's type stays where it is."""
    found: dict[str, Any] = {}
    types = object_node(_TYPES[of]).fields
    for field, name in _ANNOTATED[of].items():
        node = types[field].node
        try:
            value = orjson.loads(annotations[_PREFIX + name])
            node.prune(value, [])
            found[field] = node.settle(value)
        except (KeyError, orjson.JSONDecodeError, Mismatch):
            continue  # there is none, or it is a client's own
        del annotations[_PREFIX + name]
    return found
