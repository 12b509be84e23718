"""Deployments, ReplicaSets, StatefulSets, DaemonSets and ReplicationControllers."""

from __future__ import annotations

from collections.abc import Iterator

from echelon.apiserver.builtin.hooks.base import (
    Faults,
    KindHooks,
    amount_or_percent,
    immutable,
    is_empty_selector,
    is_zero_amount,
    label_selector,
    not_negative,
    selects,
)
from echelon.apiserver.builtin.hooks.pods import pod_spec
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, forbidden_field, invalid_value, required, unsupported_value

_MISMATCH = "`selector` does not match template `labels`"


def _selected_template(spec: Object, kind: str) -> Iterator[FieldError]:
    """The selector is given and matches the labels of the template, whose pods are restarted always."""
    selector, template = spec.get("selector"), spec.get("template", {})
    labels = template.get("metadata", {}).get("labels", {})
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector(selector, "spec.selector")
        if is_empty_selector(selector):
            yield invalid_value("spec.selector", selector, f"empty selector is invalid for {kind}")
    if selector is None or not selects(selector, labels):
        yield invalid_value("spec.template.metadata.labels", labels, _MISMATCH)
    yield from always_restarted(template.get("spec", {}))


def always_restarted(spec: Object) -> Iterator[FieldError]:
    yield from pod_spec(spec, "spec.template.spec")
    policy = spec.get("restartPolicy", "Always")
    if policy != "Always":
        yield unsupported_value("spec.template.spec.restartPolicy", policy, ["Always"])


def _counts(obj: Object, *fields: str) -> Iterator[FieldError]:
    """Status counts are not negative, and pods that are ready or available are among those that exist."""
    status = obj.get("status", {})
    yield from not_negative(status, "status", "replicas", *fields, "observedGeneration")
    replicas, ready = status.get("replicas", 0), status.get("readyReplicas", 0)
    for field in fields:
        if field != "unavailableReplicas" and status.get(field, 0) > replicas:
            yield invalid_value(f"status.{field}", status[field], "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > ready:
        yield invalid_value(
            "status.availableReplicas", status["availableReplicas"], "cannot be greater than readyReplicas"
        )


def _rolling(settings: Object | None, path: str) -> Iterator[FieldError]:
    """At least one of surge and unavailability lets the update move."""
    if settings is None:
        return
    surge, unavailable = settings.get("maxSurge"), settings.get("maxUnavailable")
    yield from amount_or_percent(unavailable, f"{path}.maxUnavailable")
    yield from amount_or_percent(surge, f"{path}.maxSurge")
    if is_zero_amount(unavailable) and is_zero_amount(surge):
        yield invalid_value(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")


def _deployment(deployment: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        yield from _counts(deployment, "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
        return
    spec = deployment["spec"]
    yield from immutable(deployment, old, "spec.selector")
    yield from not_negative(spec, "spec", "replicas")
    yield from _selected_template(spec, "deployment")
    strategy = spec.get("strategy", {})
    if strategy.get("type") == "Recreate" and "rollingUpdate" in strategy:
        yield forbidden_field("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    else:
        yield from _rolling(strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate")
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _replica_set(replica_set: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        yield from _counts(replica_set, "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        return
    yield from immutable(replica_set, old, "spec.selector")
    yield from not_negative(replica_set["spec"], "spec", "replicas", "minReadySeconds")
    yield from _selected_template(replica_set["spec"], "deployment")


_STATEFUL_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_STATEFUL_FAULT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def _stateful_set(stateful_set: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        yield from _counts(stateful_set, "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        return
    spec = stateful_set["spec"]
    yield from _selected_template(spec, "statefulset")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    partition = spec.get("updateStrategy", {}).get("rollingUpdate", {})
    yield from not_negative(partition, "spec.updateStrategy.rollingUpdate", "partition")
    if old is not None and _without(spec, _STATEFUL_CHANGEABLE) != _without(old["spec"], _STATEFUL_CHANGEABLE):
        yield forbidden_field("spec", _STATEFUL_FAULT)


def _without(spec: Object, fields: tuple[str, ...]) -> Object:
    return {name: value for name, value in spec.items() if name not in fields}


def _daemon_set(daemon_set: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        fields = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        yield from not_negative(daemon_set.get("status", {}), "status", *fields)
        return
    spec = daemon_set["spec"]
    yield from immutable(daemon_set, old, "spec.selector")
    yield from _selected_template(spec, "daemonset")
    yield from _rolling(spec.get("updateStrategy", {}).get("rollingUpdate"), "spec.updateStrategy.rollingUpdate")
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")


def _replication_controller(controller: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        yield from _counts(controller, "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        return
    spec = controller["spec"]
    selector, template = spec.get("selector"), spec.get("template")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    if not selector:
        yield required("spec.selector")
    if template is None:
        yield required("spec.template")
        return
    labels = template.get("metadata", {}).get("labels", {})
    if selector and not selects({"matchLabels": selector}, labels):
        yield invalid_value("spec.template.metadata.labels", labels, _MISMATCH)
    yield from always_restarted(template.get("spec", {}))


def _revision(revision: Object, old: Object | None, subresource: str) -> Faults:
    if "data" not in revision:
        yield required("data", "data is mandatory")
    yield from immutable(revision, old, "data")


WORKLOAD_HOOKS = {
    "apps.Deployment": KindHooks(check=_deployment),
    "apps.ReplicaSet": KindHooks(check=_replica_set),
    "apps.StatefulSet": KindHooks(check=_stateful_set),
    "apps.DaemonSet": KindHooks(check=_daemon_set),
    "apps.ControllerRevision": KindHooks(check=_revision),
    "core.ReplicationController": KindHooks(check=_replication_controller),
}
