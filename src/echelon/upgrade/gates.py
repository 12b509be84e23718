"""The Gates of runs: made when a run reaches them, opened by whoever sets their state to Completed.

The name of a Gate is a GUID that follows from the run and the gate's place in it, so asking twice for a gate asks
once. A Gate that is deleted while its run waits is made again, as it is its run that it holds; so is one that somebody
set to Skipped: a gate is skipped with its stage or group, not by itself. A ScheduledStart whose moment has come is
completed here, and so may be, before that, by a user. Gates go with their run (they are owned by it).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec.structs import replace

from echelon.api import names
from echelon.api.fleet import (
    Gate,
    GateConfiguration,
    GateSpec,
    GateTarget,
    UpdateGroup,
    UpdateRun,
    UpdateRunStatus,
    UpdateStage,
)
from echelon.api.meta import ObjectMeta, OwnerReference
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists
from echelon.rollout import Decision, GateProgress, GateReference, GateState, Progress, Timing
from echelon.rollout import Gate as PlannedGate
from echelon.upgrade import moments
from echelon.upgrade.translation import gates_of

_BY_RUN = "run"
_SCHEDULE = "schedule"


def gate_name(run: UpdateRun, gate: GateReference) -> str:
    """The name of a Gate: a lower-case GUID."""
    place = "/".join((gate.stage, gate.group or "", gate.timing, gate.name))
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.metadata.uid}/{place}"))


class Gates:
    """Reads and writes the Gates of runs."""

    def __init__(self, client: Client, cache: SharedCache) -> None:
        self._client = client
        self._cache = cache
        cache.informer(Gate).add_index(_BY_RUN, lambda gate: [gate.spec.target.update_run])

    def of(self, run: UpdateRun, status: UpdateRunStatus) -> Mapping[GateReference, Gate]:
        """The Gates that a run has, by their place in it."""
        found = {gate.metadata.name: gate for gate in self._cache.by_index(Gate, _BY_RUN, run.metadata.name)}
        if not found:
            return {}
        named = ((reference, gate_name(run, reference)) for reference, _ in configured(status))
        return {reference: found[name] for reference, name in named if name in found}

    def approvals(self, run: UpdateRun, status: UpdateRunStatus, now: datetime) -> Mapping[GateReference, datetime]:
        """When each gate of a run was completed."""
        return {
            reference: moments.read(gate.status.completed_time) or now
            for reference, gate in self.of(run, status).items()
            if gate.status.state == "Completed"
        }

    async def settle(
        self, run: UpdateRun, status: UpdateRunStatus, decision: Decision, now: datetime
    ) -> Mapping[GateReference, str]:
        """Make the Gates that are reached, and write into them what has become of them; gives their names."""
        configs = dict(configured(status))
        gates = dict(self.of(run, status))
        for reference, progress in _progress_of(decision.progress):
            gate = gates.get(reference)
            if gate is not None and gate.metadata.deletion_timestamp is not None:
                continue
            if progress.state is GateState.PENDING:
                if gate is not None and gate.status.state == "Skipped":
                    await self._client.delete(Gate, gate.key, uid=gate.metadata.uid, missing_ok=True)
                    continue
                if gate is None:
                    gates[reference] = gate = await self._create(run, reference, configs[reference])
                await self._note_schedule(gate, progress)
            elif gate is not None:
                await self._close(gate, progress, now)
        return {reference: gate.metadata.name for reference, gate in gates.items()}

    async def _create(self, run: UpdateRun, reference: GateReference, config: GateConfiguration) -> Gate:
        owner = OwnerReference(
            api_version=UpdateRun.resource.api_version,
            kind=UpdateRun.resource.kind,
            name=run.metadata.name,
            uid=run.metadata.uid,
            controller=True,
            block_owner_deletion=True,
        )
        gate = Gate(
            metadata=ObjectMeta(
                name=gate_name(run, reference),
                labels={names.UPDATE_RUN: run.metadata.name},
                owner_references=(owner,),
            ),
            spec=GateSpec(
                display_name=config.display_name,
                gate_type=config.type,
                target=GateTarget(
                    update_run=run.metadata.name,
                    stage=reference.stage,
                    group=reference.group or "",
                    timing="Before" if reference.timing is Timing.BEFORE else "After",
                ),
                scheduled_start=config.scheduled_start_configuration,
            ),
        )
        try:
            return await self._client.create(gate)
        except AlreadyExists:
            return await self._client.get(Gate, gate.key)

    async def _note_schedule(self, gate: Gate, progress: GateProgress) -> None:
        """Publish when a gate opens by itself."""
        moment = moments.write(progress.opens_at)
        if moment is not None and gate.status.absolute_start_time != moment:
            status = replace(gate.status, absolute_start_time=moment)
            await self._client.patch_status(gate, replace(gate, status=status))

    async def _close(self, gate: Gate, progress: GateProgress, now: datetime) -> None:
        """Write what has become of a gate that is passed."""
        status, time = gate.status, moments.write(progress.ended_at or now)
        match progress.state:
            case GateState.COMPLETED if status.state == "Pending":
                status = replace(status, state="Completed", completed_by=_SCHEDULE, completed_time=time)
            case GateState.COMPLETED if status.state == "Completed" and status.completed_time is None:
                status = replace(status, completed_time=time)
            case GateState.SKIPPED if status.state == "Pending":
                message = "what the gate guards was skipped"
                status = replace(status, state="Skipped", completed_time=time, message=message)
            case _:
                return
        await self._client.patch_status(gate, replace(gate, status=status))


def configured(status: UpdateRunStatus) -> Iterator[tuple[GateReference, GateConfiguration]]:
    """Every gate of a planned run, and how it was configured."""
    if status.strategy is None:
        return
    for stage in status.strategy.stages:
        yield from _configured(stage.name, None, stage)
        for group in stage.groups:
            yield from _configured(stage.name, group.name, group)


def _configured(
    stage: str, group: str | None, scope: UpdateStage | UpdateGroup
) -> Iterator[tuple[GateReference, GateConfiguration]]:
    for timing, configs in ((Timing.BEFORE, scope.before_gates), (Timing.AFTER, scope.after_gates)):
        planned: tuple[PlannedGate, ...] = gates_of(configs)
        for gate, config in zip(planned, configs, strict=True):
            yield GateReference(stage, group, timing, gate.name), config


def _progress_of(progress: Progress) -> Iterator[tuple[GateReference, GateProgress]]:
    for stage in progress.stages:
        for group in (None, *stage.groups):
            scope = stage if group is None else group
            name = None if group is None else group.name
            for timing, gates in ((Timing.BEFORE, scope.before), (Timing.AFTER, scope.after)):
                for gate in gates:
                    if gate.state is not GateState.NOT_STARTED:
                        yield GateReference(stage.name, name, timing, gate.name), gate
