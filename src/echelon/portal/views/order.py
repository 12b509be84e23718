"""An order of stages as it is laid out: who would be in which stage and group now, and what stands between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import GateConfiguration, UpdateGroup, UpdateRunStrategy, UpdateStage, UpdateStrategy


class GroupLine(Struct, frozen=True, kw_only=True):
    """A group; ``members`` is how many there are now, None where a selector decides."""

    name: str
    members: int | None
    at_a_time: str
    failures: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    selector: str


class StageBox(Struct, frozen=True, kw_only=True):
    """A stage."""

    number: int
    name: str
    at_a_time: str
    failures: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    wait: int
    selector: str
    groups: tuple[GroupLine, ...]


class StrategyLine(Struct, frozen=True, kw_only=True):
    """A strategy in a list."""

    name: str
    stages: tuple[str, ...]
    groups: int
    approvals: int
    runs: int


def boxes(order: UpdateRunStrategy, members: Iterable[MemberCluster]) -> tuple[StageBox, ...]:
    """The stages of an order."""
    count = Counter(member.metadata.labels.get(names.UPDATE_GROUP, "") for member in members)
    return tuple(_box(number, stage, count) for number, stage in enumerate(order.stages, 1))


def _box(number: int, stage: UpdateStage, count: Counter[str]) -> StageBox:
    return StageBox(
        number=number,
        name=stage.name,
        at_a_time=str(stage.max_concurrency),
        failures=_failures(stage.max_allowed_failures),
        before=_gates(stage.before_gates),
        after=_gates(stage.after_gates),
        wait=stage.after_stage_wait_in_seconds,
        selector=stage.member_selector.by_label if stage.member_selector is not None else "",
        groups=tuple(
            GroupLine(
                name=group.name,
                members=count[group.name] if group.member_selector is None else None,
                at_a_time=str(group.max_concurrency),
                failures=_failures(group.max_allowed_failures),
                before=_gates(group.before_gates),
                after=_gates(group.after_gates),
                selector=group.member_selector.by_label if group.member_selector is not None else "",
            )
            for group in stage.groups
        ),
    )


def _failures(limit: int | str | None) -> str:
    return "none" if limit in (None, 0) else str(limit)


def _gates(gates: Sequence[GateConfiguration]) -> tuple[str, ...]:
    found = []
    for gate in gates:
        start = gate.scheduled_start_configuration
        when = f" (from {start.start_day} {start.start_time} {start.utc_offset})" if start is not None else ""
        found.append((gate.display_name or "Approval") + when)
    return tuple(found)


def line_of(strategy: UpdateStrategy, runs: int) -> StrategyLine:
    """A strategy, and how many runs follow it."""
    stages = strategy.spec.strategy.stages
    parts: list[UpdateStage | UpdateGroup] = [*stages, *(group for stage in stages for group in stage.groups)]
    return StrategyLine(
        name=strategy.metadata.name,
        stages=tuple(stage.name for stage in stages),
        groups=sum(len(stage.groups) for stage in stages),
        approvals=sum(len(part.before_gates) + len(part.after_gates) for part in parts),
        runs=runs,
    )
