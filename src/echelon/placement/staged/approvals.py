"""Approval requests of staged runs: asked for when a gate is reached, accepted once somebody approved.

A request is made again when it is deleted while the run waits for it. An approval that was accepted
cannot be taken back; one that is withdrawn before counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import msgspec

from echelon.api import names
from echelon.api.conditions import (
    APPROVAL_ACCEPTED,
    APPROVAL_REQUEST_ACCEPTED,
    APPROVED,
    find_condition,
    is_true_at_generation,
    set_condition,
)
from echelon.api.meta import Clock, Condition, ObjectMeta, parse_time
from echelon.api.staged import ApprovalRequestSpec, UpdateRunStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists
from echelon.placement.index import Related
from echelon.placement.scope import Approval, Run, Scope
from echelon.placement.staged.translation import gate_reference
from echelon.rollout import Decision, GateReference, Timing

_TASK_TYPES = {Timing.BEFORE: names.BEFORE_STAGE, Timing.AFTER: names.AFTER_STAGE}


class Approvals:
    """The approval requests of one scope's runs."""

    def __init__(self, client: Client, cache: SharedCache, related: Related, scope: Scope, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._related = related
        self._scope = scope
        self._clock = clock

    async def request(self, run: Run, status: UpdateRunStatus, decision: Decision) -> frozenset[str]:
        """Make the requests for the gates that are reached; the names of all that exist."""
        requests = request_names(status)
        existing = {approval.metadata.name for approval in self._related.approvals(run.key)}
        for opening in decision.open_gates:
            name = requests[opening.gate]
            if name not in existing:
                await self._create(run, name, opening.gate)
                existing.add(name)
        return frozenset(existing)

    async def _create(self, run: Run, name: str, gate: GateReference) -> None:
        approval = self._scope.approval(
            metadata=ObjectMeta(
                name=name,
                namespace=run.metadata.namespace,
                labels={
                    names.TARGET_UPDATE_RUN: run.metadata.name,
                    names.TARGET_UPDATING_STAGE: gate.stage,
                    names.TASK_TYPE: _TASK_TYPES[gate.timing],
                    names.IS_LATEST_APPROVAL: "true",
                },
            ),
            spec=ApprovalRequestSpec(parent_stage_rollout=run.metadata.name, target_stage=gate.stage),
        )
        try:
            await self._client.create(approval)
        except AlreadyExists:
            present = cast(Approval, await self._client.get(self._scope.approval, approval.key))
            if present.spec != approval.spec:
                raise ApprovalTaken(run, present, gate) from None

    async def accept(self, run: Run, status: UpdateRunStatus) -> Mapping[GateReference, datetime]:
        """When each gate of a run was approved. Approvals found for the first time are marked as accepted."""
        gates = {name: gate for gate, name in request_names(status).items()}
        approved: dict[GateReference, datetime] = {}
        for approval in self._related.approvals(run.key):
            gate = gates.get(approval.metadata.name)
            if gate is None or gate.stage != approval.spec.target_stage:
                continue
            moment = approved_at(approval)
            accepted = is_true_at_generation(
                approval.status.conditions, APPROVAL_ACCEPTED, approval.metadata.generation
            )
            if moment is not None and not accepted and approval.metadata.deletion_timestamp is None:
                await self._mark_accepted(approval)
            if moment is not None or accepted:
                approved[gate] = moment or self._clock.now()
        return approved

    async def _mark_accepted(self, approval: Approval) -> None:
        condition = Condition(
            APPROVAL_ACCEPTED,
            "True",
            APPROVAL_REQUEST_ACCEPTED,
            "The approval request has been approved and cannot be reverted",
            observed_generation=approval.metadata.generation,
        )
        conditions = set_condition(approval.status.conditions, condition, self._clock.now())
        status = msgspec.structs.replace(approval.status, conditions=conditions)
        await self._client.patch_status(approval, msgspec.structs.replace(approval, status=status), lock=True)


class ApprovalTaken(Exception):
    """Another run, or another stage, has an approval request of the name that this one needs."""

    def __init__(self, run: Run, present: Approval, gate: GateReference) -> None:
        spec = present.spec
        super().__init__(
            f"the approval request task `{'/'.join(part for part in present.key if part)}` is targeting update run "
            f"`{spec.parent_stage_rollout}` and stage `{spec.target_stage}`, want target update run "
            f"`{run.metadata.name}` and stage `{gate.stage}`"
        )


def request_names(status: UpdateRunStatus) -> Mapping[GateReference, str]:
    """The name of the approval request for each gate of a run."""
    found: dict[GateReference, str] = {}
    for stage in status.stages_status:
        for timing, tasks in (
            (Timing.BEFORE, stage.before_stage_task_status),
            (Timing.AFTER, stage.after_stage_task_status),
        ):
            for task in tasks:
                if task.type == "Approval":
                    found[gate_reference(stage.stage_name, timing)] = task.approval_request_name
    return found


def approved_at(approval: Approval) -> datetime | None:
    """When somebody approved a request as it is now.

    A condition that was observed at another generation is for another request. Some clients leave
    the generation out: what they approve is what they see.
    """
    condition = find_condition(approval.status.conditions, APPROVED)
    if condition is None or condition.status != "True":
        return None
    if condition.observed_generation not in (0, approval.metadata.generation):
        return None
    try:
        return parse_time(condition.last_transition_time)
    except ValueError:
        return None
