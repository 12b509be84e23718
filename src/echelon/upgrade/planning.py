"""From a run's order and the members of the fleet to stages: who is upgraded when, and how many at a time.

Pure. A run is planned once, when it is made: the members of a group that goes by name are those that have its label at
that moment. A stage or group that selects members by label is filled with those that match when the stage begins;
until then its members are a preview, kept up to date (``refreshed``). A member is in a run once: of several places
that would take it, the first in the order has it.

Percentages become numbers here: concurrency is rounded down, to no less than 1 and no more than the ceiling of the
stage; failures are rounded up. A group never has more places than its stage or its members.

All of a run is in its status, so a run has as many members as an object of the hub has room for (``size_problems``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from echelon.api.fleet import (
    GateConfiguration,
    GateStatusInRun,
    GroupUpdateStatus,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateGroup,
    UpdateRun,
    UpdateRunStatus,
    UpdateRunStrategy,
    UpdateStage,
    WaitStatus,
)
from echelon.rollout import Limit
from echelon.upgrade.members import Member
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.validation import Problem, takes

DEFAULT = "default"
"""Name of the one stage, and of its one group, of a run without an order."""

_ENDED_BYTES = 200
"""What the times, the operation and the message of a member that has ended add to the status, at most as a rule."""

_ONE_BY_ONE = UpdateStage(name=DEFAULT, groups=(UpdateGroup(name=DEFAULT),))


def plan_hash(run: UpdateRun) -> str:
    """Stands for all that a run is planned from; state, skips and attempt are no part of it."""
    spec = run.spec
    content = msgspec.json.encode((spec.managed_cluster_update, spec.strategy, spec.update_strategy_name))
    return hashlib.sha256(content).hexdigest()[:16]


def planned(
    order: UpdateRunStrategy | None, members: Iterable[Member], settings: UpgradeSettings
) -> tuple[StageUpdateStatus, ...]:
    """The stages of a run of which nothing has happened yet; without an order, all members one by one."""
    fleet = sorted(members, key=lambda member: member.name)
    if order is None:
        return (_stage(_ONE_BY_ONE, [fleet], settings),)
    taken: set[str] = set()
    return tuple(_stage(stage, _members_of(stage, fleet, taken), settings) for stage in order.stages)


def refreshed(
    stages: Sequence[StageUpdateStatus],
    order: UpdateRunStrategy | None,
    members: Iterable[Member],
    settings: UpgradeSettings,
    begun: Container[str] = (),
) -> tuple[StageUpdateStatus, ...]:
    """The stages, those that select members and have not begun filled anew; the very same when nothing changed.

    ``begun`` names members that have been started, whatever the stages say.
    """
    if order is None:
        return tuple(stages)
    pairs = list(zip(order.stages, stages, strict=True))
    is_open = [_is_open(config, found, begun) for config, found in pairs]
    if not any(is_open):
        return tuple(stages)
    fleet = sorted(members, key=lambda member: member.name)
    fixed = [found for found, open_ in zip(stages, is_open, strict=True) if not open_]
    taken = set(names_in(fixed))
    fresh = tuple(
        _refilled(found, _stage(config, _members_of(config, fleet, taken), settings)) if open_ else found
        for (config, found), open_ in zip(pairs, is_open, strict=True)
    )
    return fresh if fresh != stages else tuple(stages)


def size_problems(status: UpdateRunStatus, settings: UpgradeSettings) -> list[Problem]:
    """Why a planned run is too long: its status would not fit into an object once its members have been upgraded."""
    count = sum(len(group.members) for stage in status.stages for group in stage.groups)
    planned_bytes = len(msgspec.json.encode(status))
    needed, limit = planned_bytes + count * _ENDED_BYTES, settings.max_status_bytes
    if needed <= limit:
        return []
    fitting = limit * count // needed
    message = (
        f"the run has {count} members, and its status would take up to {needed} bytes of the {limit} that this hub "
        f"has room for; make several runs, each of at most about {fitting} members"
    )
    return [Problem("spec", message)]


def not_covered(
    stages: Sequence[StageUpdateStatus], order: UpdateRunStrategy | None, members: Iterable[Member]
) -> list[str]:
    """Members that a run made now would take and this one does not: they came after it was planned."""
    planned_names = names_in(stages)
    taken = [
        member.name
        for member in members
        if member.name not in planned_names and (order is None or any(_takes(stage, member) for stage in order.stages))
    ]
    return sorted(taken)


def names_in(stages: Iterable[StageUpdateStatus]) -> frozenset[str]:
    """The names of all members in these stages."""
    return frozenset(member.name for stage in stages for group in stage.groups for member in group.members)


def _takes(stage: UpdateStage, member: Member) -> bool:
    return any(takes(stage, group, member) for group in (stage.groups or (None,)))


def selects(stage: UpdateStage) -> bool:
    """Whether members are chosen by their labels, when the stage begins."""
    return stage.member_selector is not None or any(group.member_selector is not None for group in stage.groups)


def _is_open(config: UpdateStage, found: StageUpdateStatus, begun: Container[str]) -> bool:
    """Whether the members of a stage are still to be chosen."""
    if not selects(config) or found.state != "NotStarted" or found.start_time is not None:
        return False
    return not any(member.name in begun for group in found.groups for member in group.members)


def _refilled(found: StageUpdateStatus, fresh: StageUpdateStatus) -> StageUpdateStatus:
    """A stage with its members as of now; what is known of those that stay (that they are skipped) is kept."""
    known = {member.name: member for group in found.groups for member in group.members}
    groups = tuple(
        replace(
            now,
            state=before.state,
            before_gates=before.before_gates,
            after_gates=before.after_gates,
            members=tuple(known.get(member.name, member) for member in now.members),
        )
        for now, before in zip(fresh.groups, found.groups, strict=True)
    )
    filled = replace(
        found, groups=groups, max_concurrency=fresh.max_concurrency, max_allowed_failures=fresh.max_allowed_failures
    )
    return found if filled == found else filled


def _members_of(stage: UpdateStage, fleet: Sequence[Member], taken: set[str]) -> list[list[Member]]:
    """The members of each group of a stage, none of those that are ``taken``, which grows by them."""
    found: list[list[Member]] = []
    for group in stage.groups or (None,):
        chosen = [member for member in fleet if member.name not in taken and takes(stage, group, member)]
        taken.update(member.name for member in chosen)
        found.append(chosen)
    return found


def _stage(config: UpdateStage, members: Sequence[Sequence[Member]], settings: UpgradeSettings) -> StageUpdateStatus:
    total = sum(map(len, members))
    places = min(settings.max_stage_concurrency, Limit.parse(config.max_concurrency).concurrency(total))
    groups = config.groups or (UpdateGroup(name=config.name, max_concurrency=places),)
    wait = config.after_stage_wait_in_seconds
    return StageUpdateStatus(
        state="NotStarted",
        name=config.name,
        max_concurrency=places,
        max_allowed_failures=_failures(config, total),
        before_gates=_gates(config.before_gates),
        groups=tuple(_group(group, chosen, places) for group, chosen in zip(groups, members, strict=True)),
        after_gates=_gates(config.after_gates),
        after_stage_wait_status=WaitStatus(state="NotStarted", wait_duration_in_seconds=wait) if wait else None,
    )


def _group(config: UpdateGroup, members: Sequence[Member], stage_places: int) -> GroupUpdateStatus:
    size = len(members)
    places = Limit.parse(config.max_concurrency).concurrency(size)
    return GroupUpdateStatus(
        state="NotStarted",
        name=config.name,
        max_concurrency=min(places, stage_places, max(1, size)),
        max_allowed_failures=_failures(config, size),
        before_gates=_gates(config.before_gates),
        members=tuple(
            MemberUpdateStatus(state="NotStarted", name=member.name, cluster_resource_id=member.cluster_resource_id)
            for member in members
        ),
        after_gates=_gates(config.after_gates),
    )


def _failures(config: UpdateStage | UpdateGroup, total: int) -> int:
    allowed = config.max_allowed_failures
    return 0 if allowed is None else Limit.parse(allowed).failures(total)


def _gates(gates: Iterable[GateConfiguration]) -> tuple[GateStatusInRun, ...]:
    return tuple(GateStatusInRun(state="NotStarted", display_name=gate.display_name) for gate in gates)
