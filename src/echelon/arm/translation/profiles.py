"""Update strategies, auto-upgrade profiles and gates, to and from ARM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from echelon.api.fleet import Gate, UpdateStrategy
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.arm.errors import invalid
from echelon.arm.ids import FleetId
from echelon.arm.translation.orders import order_from, order_to, picked
from echelon.arm.translation.runs import RUNS, STRATEGIES, strategy_name

STRATEGY_FIELDS: Mapping[str, str] = {"spec": "properties"}
PROFILE_FIELDS: Mapping[str, str] = {"spec": "properties", "spec.updateStrategyName": "properties.updateStrategyId"}
GATE_FIELDS: Mapping[str, str] = {"spec": "properties", "status.state": "properties.state", "status": "properties"}

_PROFILE = ("channel", "targetKubernetesVersion", "longTermSupport", "disabled")


def strategy_to(strategy: UpdateStrategy) -> dict[str, Any]:
    """The properties of a strategy."""
    return {"provisioningState": "Succeeded", "strategy": order_to(strategy.spec.strategy)}


def strategy_from(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of an UpdateStrategy."""
    if properties.get("strategy") is None:
        raise invalid("is required", "properties.strategy")
    return {"strategy": order_from(properties["strategy"])}


def profile_to(profile: AutoUpgradeProfile, fleet: FleetId) -> dict[str, Any]:
    """The properties of an auto-upgrade profile."""
    spec = profile.spec
    found: dict[str, Any] = {"provisioningState": "Succeeded"}
    if spec.update_strategy_name is not None:
        found["updateStrategyId"] = fleet.of(STRATEGIES, spec.update_strategy_name)
    found["channel"] = spec.channel
    if spec.node_image_selection is not None:
        found["nodeImageSelection"] = msgspec.to_builtins(spec.node_image_selection)
    found["disabled"] = spec.disabled
    if spec.target_kubernetes_version is not None:
        found["targetKubernetesVersion"] = spec.target_kubernetes_version
    found["longTermSupport"] = spec.long_term_support
    found["autoUpgradeProfileStatus"] = _profile_status(profile)
    return found


def _profile_status(profile: AutoUpgradeProfile) -> dict[str, Any]:
    status = profile.status
    found: dict[str, Any] = {
        "lastTriggeredAt": status.last_triggered_at,
        "lastTriggerStatus": status.last_trigger_status,
        "lastTriggerError": None
        if status.last_trigger_error is None
        else msgspec.to_builtins(status.last_trigger_error),
        "lastTriggerUpgradeVersions": list(status.last_trigger_upgrade_versions),
        "lastTriggerMessage": status.last_trigger_message,
    }
    return {key: value for key, value in found.items() if value}


def profile_from(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of an AutoUpgradeProfile."""
    spec: dict[str, Any] = picked(properties, _PROFILE)
    if spec.get("targetKubernetesVersion") == "":
        del spec["targetKubernetesVersion"]
    strategy = strategy_name(properties.get("updateStrategyId"))
    if strategy is not None:
        spec["updateStrategyName"] = strategy
    if properties.get("nodeImageSelection") is not None:
        spec["nodeImageSelection"] = picked(properties["nodeImageSelection"], ("type",))
    return spec


def gate_to(gate: Gate, fleet: FleetId) -> dict[str, Any]:
    """The properties of a gate."""
    target = gate.spec.target
    place = {"name": target.update_run, "stage": target.stage, "group": target.group, "timing": target.timing}
    found: dict[str, Any] = {"provisioningState": "Succeeded"}
    if gate.spec.display_name:
        found["displayName"] = gate.spec.display_name
    found["gateType"] = gate.spec.gate_type
    found["target"] = {
        "id": fleet.of(RUNS, target.update_run),
        "updateRunProperties": {key: value for key, value in place.items() if value},
    }
    found["state"] = gate.status.state
    if (schedule := gate.spec.scheduled_start) is not None:
        found["scheduledStartProperties"] = msgspec.to_builtins(schedule)
        if gate.status.absolute_start_time is not None:
            found["scheduledStartProperties"]["absoluteStartTime"] = gate.status.absolute_start_time
    return found
