"""Update runs, to and from ARM.

The two differ in their nesting: what a run, stage, group or member has of its own stands in an inner ``status``.
Only the members of a run know their cluster by an ARM id (``cluster_ids``), whatever provider upgrades them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.fleet import (
    GateStatusInRun,
    GroupUpdateStatus,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateRun,
    UpdateRunStatus,
    UpdateStatus,
)
from echelon.arm.errors import invalid
from echelon.arm.ids import FleetId, last_name
from echelon.arm.translation.orders import order_from, order_to, picked

FIELDS: Mapping[str, str] = {
    "spec": "properties",
    "spec.updateStrategyName": "properties.updateStrategyId",
    "spec.skips": "targets",
}
"""Where the fields of an UpdateRun stand in the resource."""

RUNS = "updateRuns"
STRATEGIES = "updateStrategies"
PROFILES = "autoUpgradeProfiles"
GATES = "gates"


# -- out ----------------------------------------------------------------------------------------


def run_to(run: UpdateRun, fleet: FleetId, cluster_ids: Mapping[str, str]) -> dict[str, Any]:
    """The properties of a run."""
    spec, order = run.spec, run.status.strategy or run.spec.strategy
    found: dict[str, Any] = {"provisioningState": "Succeeded"}
    if spec.update_strategy_name is not None:
        found["updateStrategyId"] = fleet.of(STRATEGIES, spec.update_strategy_name)
    if order is not None:
        found["strategy"] = order_to(order)
    found["managedClusterUpdate"] = msgspec.to_builtins(spec.managed_cluster_update)
    if profile := run.metadata.labels.get(names.AUTO_UPGRADE_PROFILE):
        found["autoUpgradeProfileId"] = fleet.of(PROFILES, profile)
    found["status"] = _run_status(run.status, fleet, cluster_ids)
    return found


def _run_status(status: UpdateRunStatus, fleet: FleetId, cluster_ids: Mapping[str, str]) -> dict[str, Any]:
    chosen = status.node_image_selection
    return {
        "status": _status(status),
        "stages": [_stage(stage, fleet, cluster_ids) for stage in status.stages],
        "failureCount": status.failure_count,
        "nodeImageSelection": {} if chosen is None else msgspec.to_builtins(chosen),
    }


def _status(status: UpdateStatus) -> dict[str, Any]:
    found: dict[str, Any] = {"state": status.state}
    if status.start_time is not None:
        found["startTime"] = status.start_time
    if status.completed_time is not None:
        found["completedTime"] = status.completed_time
    if status.error is not None:
        found["error"] = {"code": status.error.code, "message": status.error.message}
    return found


def _stage(stage: StageUpdateStatus, fleet: FleetId, cluster_ids: Mapping[str, str]) -> dict[str, Any]:
    found = _scope(stage, fleet)
    found["groups"] = [
        _scope(group, fleet) | {"members": [_member(member, cluster_ids) for member in group.members]}
        for group in stage.groups
    ]
    if (wait := stage.after_stage_wait_status) is not None:
        seconds = wait.wait_duration_in_seconds
        found["afterStageWaitStatus"] = {"status": _status(wait), "waitDurationInSeconds": seconds}
    return found


def _scope(scope: StageUpdateStatus | GroupUpdateStatus, fleet: FleetId) -> dict[str, Any]:
    return {
        "status": _status(scope),
        "name": scope.name,
        "maxConcurrency": scope.max_concurrency,
        "maxAllowedFailures": scope.max_allowed_failures,
        "failureCount": scope.failure_count,
        "beforeGates": [_gate(gate, fleet) for gate in scope.before_gates],
        "afterGates": [_gate(gate, fleet) for gate in scope.after_gates],
    }


def _gate(gate: GateStatusInRun, fleet: FleetId) -> dict[str, Any]:
    found: dict[str, Any] = {"status": _status(gate)}
    if gate.display_name:
        found["displayName"] = gate.display_name
    if gate.gate_name:
        found["gateId"] = fleet.of(GATES, gate.gate_name)
    return found


def _member(member: MemberUpdateStatus, cluster_ids: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"status": _status(member), "name": member.name}
    found["clusterResourceId"] = cluster_ids.get(member.name, member.cluster_resource_id)
    if member.operation_id:
        found["operationId"] = member.operation_id
    if member.message:
        found["message"] = member.message
    return found


# -- in -----------------------------------------------------------------------------------------


def spec_from(
    properties: Mapping[str, Any], present: UpdateRun | None, shape: Callable[[Any], Any] = lambda body: body
) -> dict[str, Any]:
    """The spec that a request asks for; ``present`` is the run that it is to change.

    Who reads a run and writes it back shows the strategy's id and its copy both: that is no contradiction as
    long as the copy is the one that was made, in the ``shape`` in which the client sees it. Some clients (Terraform)
    send an empty text for what is not set.
    """
    update = picked(properties.get("managedClusterUpdate"), ("upgrade", "nodeImageSelection"))
    if isinstance(update, dict):
        update["upgrade"] = picked(update.get("upgrade"), ("type", "kubernetesVersion"))
        if isinstance(update["upgrade"], dict) and update["upgrade"].get("kubernetesVersion") == "":
            del update["upgrade"]["kubernetesVersion"]
        if "nodeImageSelection" in update:
            update["nodeImageSelection"] = picked(update["nodeImageSelection"], ("type", "customNodeImageVersions"))
    spec: dict[str, Any] = {"managedClusterUpdate": update}
    strategy = strategy_name(properties.get("updateStrategyId"))
    if strategy is not None:
        spec["updateStrategyName"] = strategy
    order = properties.get("strategy")
    if order is not None and not (strategy is not None and present is not None and _is_copy(order, present, shape)):
        spec["strategy"] = order_from(order)
    if present is not None:
        kept = {"state": present.spec.state, "attempt": present.spec.attempt}
        spec |= kept | {"skips": [msgspec.to_builtins(skip) for skip in present.spec.skips]}
    return spec


def strategy_name(id_: Any) -> str | None:
    """The UpdateStrategy that an id names; None without one.

    Raises:
        ArmError: this is no id of a strategy.
    """
    if id_ is None or id_ == "":
        return None
    name = last_name(id_, STRATEGIES) if isinstance(id_, str) else None
    if name is None:
        message = f"{id_!r} is not the id of an update strategy; want /subscriptions/…/fleets/…/updateStrategies/NAME"
        raise invalid(message, "properties.updateStrategyId")
    return name.lower()


def _is_copy(order: Any, run: UpdateRun, shape: Callable[[Any], Any]) -> bool:
    copy = run.status.strategy
    return copy is not None and order_from(order) == order_from(shape(order_to(copy)))


def targets_from(body: Mapping[str, Any]) -> list[Any]:
    """The skips that a request asks for.

    Raises:
        ArmError: there are none.
    """
    targets = body.get("targets")
    if not isinstance(targets, Sequence) or isinstance(targets, str) or not targets:
        raise invalid("must be a list with at least one target, such as {'type': 'Group', 'name': 'group1'}", "targets")
    return [picked(target, ("type", "name")) for target in targets]
