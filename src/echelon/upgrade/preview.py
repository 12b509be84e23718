"""The schedule of a run before anything is started: who would be upgraded when, and what stands in the way.

Pure. The run is planned as its controller would plan it, or read from its status if it is planned, and then played by
the rollout engine in simulated time: with the order, concurrency, gates and waits of the run, with the maintenance
windows of its members and with what the catalogue has in their regions. How long an upgrade takes is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from echelon.api.fleet import UpdateRun, UpdateRunStatus
from echelon.rollout import (
    Assumptions,
    GateReference,
    Intent,
    Plan,
    Schedule,
    TargetProgress,
    TargetState,
    Window,
    sentence,
    simulate,
)
from echelon.upgrade import images, planning
from echelon.upgrade.intents import attempt_of
from echelon.upgrade.observation import Observation, Obstacle, View, observe
from echelon.upgrade.translation import plan_of, progress_of
from echelon.upgrade.validation import Problem, Surroundings, order_of, run_problems
from echelon.upgrade.windows import InvalidWindow, Windows

UPGRADE_TIME = timedelta(minutes=30)
"""How long the upgrade of a member is assumed to take when nothing better is known."""


class PlannedMember(Struct, frozen=True):
    """A member in a schedule.

    ``skipped`` says why nothing is done for it. ``waits_for`` says what stands in its way now; with ``starts_at`` it
    passes in time, without it somebody has to do something.
    """

    name: str
    stage: str
    group: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    skipped: str = ""
    waits_for: str = ""


class Preview(Struct, frozen=True):
    """What would become of a run that is started at ``starts_at``.

    * ``problems``: for which the run would be refused; then there is nothing else.
    * ``status``: the run as planned, with stages, groups and the node images that it would settle on.
    * ``members``, in the order of the plan.
    * ``ends_at``: when the run would end; None when it waits for somebody or for ever.
    * ``approvals`` that were assumed to be given; ``waits_for`` are those that somebody has to give.
    * ``blocked_on``: what else would stand in the way at the end.
    """

    starts_at: datetime
    problems: tuple[Problem, ...] = ()
    status: UpdateRunStatus = UpdateRunStatus(state="NotStarted")
    schedule: Schedule | None = None
    members: tuple[PlannedMember, ...] = ()
    ends_at: datetime | None = None
    approvals: tuple[GateReference, ...] = ()
    waits_for: tuple[GateReference, ...] = ()
    blocked_on: tuple[str, ...] = ()

    @property
    def skipped(self) -> Mapping[str, str]:
        """The members that nothing is done for, and why."""
        return {member.name: member.skipped for member in self.members if member.skipped}


def schedule(
    run: UpdateRun,
    around: Surroundings,
    now: datetime,
    *,
    duration: timedelta = UPGRADE_TIME,
    durations: Mapping[str, timedelta] | None = None,
    approval: timedelta | None = None,
) -> Preview:
    """The schedule of a run that is started, or goes on, now.

    Args:
        run: as it is to be made, or as it is on the hub.
        around: the fleet.
        now: the moment.
        duration: of the upgrade of a member, unless ``durations`` has another for it.
        durations: by member.
        approval: how long after a gate is reached somebody approves it; None leaves gates to somebody.
    """
    status = run.status
    if not status.stages or status.plan_hash != planning.plan_hash(run):
        problems = run_problems(run, around)
        if problems:
            return Preview(now, tuple(problems))
        status = _planned(run, around)
    plan = plan_of(status)
    running = replace(run, spec=replace(run.spec, state="Run", attempt=attempt_of(run)), status=status)
    found = _observed(running, status, plan, around, now)
    windows = _MemberWindows(running, around)
    assumed = Assumptions(duration=duration, durations=durations or {}, approval=approval, window=windows.of)
    played = simulate(plan, now, assumed, progress_of(plan, status), found.facts)
    return Preview(
        starts_at=now,
        status=status,
        schedule=played,
        members=tuple(_members(plan, played, found.obstacles)),
        ends_at=played.ends_at,
        approvals=played.approvals,
        waits_for=played.waits_for,
        blocked_on=tuple(map(sentence, played.blocked_on)),
    )


def _planned(run: UpdateRun, around: Surroundings) -> UpdateRunStatus:
    """The status that the controller would give the run."""
    order = order_of(run, around.strategies)
    stages = planning.planned(order, around.members, around.settings)
    planned = planning.names_in(stages)
    members = [member for member in around.members if member.name in planned]
    chosen = images.selected(run.spec.managed_cluster_update, members, around.releases)
    return UpdateRunStatus(
        state="NotStarted",
        strategy=order,
        stages=stages,
        plan_hash=planning.plan_hash(run),
        node_image_selection=chosen,
    )


def _observed(run: UpdateRun, status: UpdateRunStatus, plan: Plan, around: Surroundings, now: datetime) -> Observation:
    view = View(
        members={member.name: member for member in around.members},
        upgrades={},
        rivals={},
        releases=around.releases,
        approvals={},
    )
    found = observe(run, status, progress_of(plan, status), view, Windows().of, now)
    # Upgrades under way are not looked at here: they are assumed to go on.
    return Observation(replace(found.facts, lost=frozenset(), intent=Intent.RUN), found.obstacles)


class _MemberWindows:
    """The maintenance windows of members in simulated time."""

    def __init__(self, run: UpdateRun, around: Surroundings) -> None:
        upgrade = run.spec.managed_cluster_update.upgrade.type
        self._texts = {member.name: member.window_for(upgrade) for member in around.members}
        self._windows = Windows()

    def of(self, member: str, moment: datetime) -> Window | None:
        text = self._texts.get(member)
        if not text:
            return None
        try:
            return self._windows.of(text, moment)
        except InvalidWindow:
            return None  # an obstacle already, see ``observation``


def _members(plan: Plan, played: Schedule, obstacles: Mapping[str, Obstacle]) -> Iterator[PlannedMember]:
    for stage, parts in zip(plan.stages, played.progress.stages, strict=True):
        for group, found in zip(stage.groups, parts.groups, strict=True):
            for target in found.targets:
                yield _member(stage.name, group.name, target, obstacles.get(target.name))


def _member(stage: str, group: str, target: TargetProgress, obstacle: Obstacle | None) -> PlannedMember:
    skipped = target.state is TargetState.SKIPPED
    waits = obstacle.message if obstacle is not None else ""
    if target.state is TargetState.PENDING:
        waits = target.message
    return PlannedMember(
        name=target.name,
        stage=stage,
        group=group,
        starts_at=None if skipped else target.started_at,
        ends_at=None if skipped else target.ended_at,
        skipped=target.message if skipped else "",
        waits_for="" if skipped else waits,
    )
