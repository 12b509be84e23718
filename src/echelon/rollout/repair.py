"""Fitting a stored progress to its plan.

A progress normally has the exact shape of its plan, and then fitting it costs a comparison of names. One that
has not (an older plan, a damaged status) is rebuilt: whatever the plan names keeps the state it had, wherever
it stood; what the plan does not name is dropped and reported; what the progress lacks has not started.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from msgspec.structs import replace

from echelon.rollout.plan import Gate, Group, Plan, Stage
from echelon.rollout.progress import (
    GateProgress,
    GroupProgress,
    Progress,
    StageProgress,
    TargetProgress,
    WaitProgress,
)

_name = attrgetter("name")


def fit(plan: Plan, progress: Progress) -> tuple[Progress, tuple[str, ...]]:
    """The progress in the shape of the plan, and a sentence for each part that had to be dropped."""
    if _fits(plan, progress):
        return progress, ()
    known = _Known(progress)
    stages = tuple(known.stage(stage) for stage in plan.stages)
    return replace(progress, stages=stages), tuple(known.dropped(plan))


def _fits(plan: Plan, progress: Progress) -> bool:
    return len(plan.stages) == len(progress.stages) and all(map(_stage_fits, plan.stages, progress.stages))


def _stage_fits(stage: Stage, found: StageProgress) -> bool:
    return (
        stage.name == found.name
        and len(stage.groups) == len(found.groups)
        and bool(stage.wait) == (found.wait is not None)
        and _gates_fit(stage, found)
        and all(map(_group_fits, stage.groups, found.groups))
    )


def _group_fits(group: Group, found: GroupProgress) -> bool:
    return (
        group.name == found.name
        and len(group.targets) == len(found.targets)
        and _gates_fit(group, found)
        and tuple(map(_name, found.targets)) == group.targets
    )


def _gates_fit(scope: Stage | Group, found: StageProgress | GroupProgress) -> bool:
    if not (scope.before or scope.after or found.before or found.after):
        return True
    return [gate.name for gate in scope.before] == [gate.name for gate in found.before] and [
        gate.name for gate in scope.after
    ] == [gate.name for gate in found.after]


class _Known:
    """What a misshapen progress says, by name; of two parts of one name the first counts."""

    def __init__(self, progress: Progress) -> None:
        self.stages: dict[str, StageProgress] = {}
        self.groups: dict[str, GroupProgress] = {}
        self.targets: dict[str, TargetProgress] = {}
        for stage in progress.stages:
            self.stages.setdefault(stage.name, stage)
            for group in stage.groups:
                self.groups.setdefault(group.name, group)
                for target in group.targets:
                    self.targets.setdefault(target.name, target)

    def stage(self, stage: Stage) -> StageProgress:
        found = self.stages.get(stage.name, StageProgress(stage.name))
        return replace(
            found,
            before=_gates(stage.before, found.before),
            after=_gates(stage.after, found.after),
            wait=(found.wait or WaitProgress()) if stage.wait else None,
            groups=tuple(self.group(group) for group in stage.groups),
        )

    def group(self, group: Group) -> GroupProgress:
        found = self.groups.get(group.name, GroupProgress(group.name))
        return replace(
            found,
            before=_gates(group.before, found.before),
            after=_gates(group.after, found.after),
            targets=tuple(self.targets.get(name) or TargetProgress(name) for name in group.targets),
        )

    def dropped(self, plan: Plan) -> Iterator[str]:
        """What the plan has no place for."""
        for name, stage in self.stages.items():
            if name not in plan.places.stages:
                yield f"stage {name!r} ({stage.state}) is not part of the plan"
        for name, group in self.groups.items():
            if name not in plan.places.groups:
                yield f"group {name!r} ({group.state}) is not part of the plan"
        for name, target in self.targets.items():
            if name not in plan.places.targets:
                yield f"target {name!r} ({target.state}) is not part of the plan"


def _gates(planned: tuple[Gate, ...], found: tuple[GateProgress, ...]) -> tuple[GateProgress, ...]:
    known = {gate.name: gate for gate in found}
    return tuple(known.get(gate.name) or GateProgress(gate.name) for gate in planned)
