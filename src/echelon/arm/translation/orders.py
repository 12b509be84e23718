"""Stages and groups, to and from ARM: the same fields but for limits, which are strings in an order.

What comes in is picked, not judged: unknown fields are left out, null is as good as absent, and everything else
goes to the hub as it is, whose schema judges it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from echelon.api.fleet import GateConfiguration, UpdateGroup, UpdateRunStrategy, UpdateStage

_GATE = ("displayName", "type", "scheduledStartConfiguration")
_SCOPE = ("name", "maxConcurrency", "maxAllowedFailures", "memberSelector")


def picked(value: Any, fields: Sequence[str]) -> Any:
    """These fields of an object, without those that are null; anything but an object stays as it is."""
    if not isinstance(value, Mapping):
        return value
    return {field: value[field] for field in fields if value.get(field) is not None}


def order_from(body: Any) -> Any:
    """The ``strategy`` of a kind, of that of a request."""
    order = picked(body, ("stages",))
    if isinstance(order, dict) and isinstance(order.get("stages"), list):
        order["stages"] = [_stage_from(stage) for stage in order["stages"]]
    return order


def _stage_from(body: Any) -> Any:
    stage = _scope_from(body, (*_SCOPE, "groups", "afterStageWaitInSeconds"))
    if isinstance(stage, dict) and isinstance(stage.get("groups"), list):
        stage["groups"] = [_scope_from(group, _SCOPE) for group in stage["groups"]]
    return stage


def _scope_from(body: Any, fields: Sequence[str]) -> Any:
    scope = picked(body, (*fields, "beforeGates", "afterGates"))
    for position in ("beforeGates", "afterGates"):
        if isinstance(scope, dict) and isinstance(scope.get(position), list):
            scope[position] = [picked(gate, _GATE) for gate in scope[position]]
    return scope


def order_to(order: UpdateRunStrategy) -> dict[str, Any]:
    """The ``strategy`` of a resource."""
    return {"stages": [_stage_to(stage) for stage in order.stages]}


def _stage_to(stage: UpdateStage) -> dict[str, Any]:
    found = _scope_to(stage)
    found["groups"] = [_scope_to(group) for group in stage.groups]
    found["afterStageWaitInSeconds"] = stage.after_stage_wait_in_seconds
    return found


def _scope_to(scope: UpdateStage | UpdateGroup) -> dict[str, Any]:
    found: dict[str, Any] = {"name": scope.name, "maxConcurrency": str(scope.max_concurrency)}
    if scope.max_allowed_failures is not None:
        found["maxAllowedFailures"] = str(scope.max_allowed_failures)
    if scope.member_selector is not None:
        found["memberSelector"] = {"byLabel": scope.member_selector.by_label}
    found["beforeGates"] = [_gate_to(gate) for gate in scope.before_gates]
    found["afterGates"] = [_gate_to(gate) for gate in scope.after_gates]
    return found


def _gate_to(gate: GateConfiguration) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(gate)
    return found
