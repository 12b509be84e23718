"""The conditions of a run: whether it is planned, goes on, has ended, and whom it does not cover.

Pure. ``Initialized`` (the run is planned), ``Progressing`` (it goes on; the message says what it waits for),
``Succeeded`` (it has ended, well or not), and ``CoversFleet``, which is there once members have come that are no part
of the run. Their reasons are below, or the state of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from echelon.api.conditions import INITIALIZED, PROGRESSING, SUCCEEDED, find_condition, set_condition
from echelon.api.fleet import ErrorDetail, UpdateRun, UpdateRunStatus
from echelon.api.meta import Condition, ConditionStatus
from echelon.rollout import Blocker, Decision, State, StopBlocker, sentence
from echelon.upgrade.intents import attempt_of
from echelon.upgrade.validation import Problem, listed

COVERS_FLEET: Final = "CoversFleet"
PLANNED: Final = "Planned"
INVALID: Final = "InvalidUpdateRun"
JOINED_LATER: Final = "MembersJoinedLater"
ALL_PLANNED: Final = "AllMembersPlanned"

_SAID = 3
_GOING_ON: Mapping[State, ConditionStatus] = {State.RUNNING: "True", State.STOPPING: "True"}


def invalid(run: UpdateRun, problems: Sequence[Problem], now: datetime) -> UpdateRunStatus:
    """The status of a run that cannot be planned, or not be started, as it is."""
    message = "; ".join(map(str, problems))
    found = replace(
        run.status,
        state="NotStarted",
        error=ErrorDetail(code=INVALID, message=message),
        observed_generation=run.metadata.generation,
    )
    return _with_condition(found, run, now, INITIALIZED, "False", INVALID, message)


def initialized(run: UpdateRun, status: UpdateRunStatus, now: datetime) -> UpdateRunStatus:
    """The status of a run that has just been planned."""
    count = sum(len(group.members) for stage in status.stages for group in stage.groups)
    message = f"The run is planned: {count} members in {len(status.stages)} stages"
    found = replace(status, error=None, observed_generation=run.metadata.generation)
    return _with_condition(found, run, now, INITIALIZED, "True", PLANNED, message)


def with_conditions(
    run: UpdateRun, status: UpdateRunStatus, decision: Decision, late: Sequence[str], now: datetime
) -> UpdateRunStatus:
    """A status with its conditions. ``late`` are members that came after the run was planned."""
    state = decision.progress.state
    ended = status.state in ("Completed", "Skipped", "Failed")
    message = _words(run, status, decision.blocked_on)
    going_on = _GOING_ON.get(State(status.state), "False")
    status = _with_condition(status, run, now, PROGRESSING, going_on, status.state, message)
    if ended:
        well: ConditionStatus = "False" if state is State.FAILED else "True"
        status = _with_condition(status, run, now, SUCCEEDED, well, status.state, message)
    elif find_condition(status.conditions, SUCCEEDED) is not None:
        rest = tuple(condition for condition in status.conditions if condition.type != SUCCEEDED)
        status = replace(status, conditions=rest)
    if late:
        why = f"not part of the run, which was planned before they came: {listed(late)}"
        return _with_condition(status, run, now, COVERS_FLEET, "False", JOINED_LATER, why)
    if find_condition(status.conditions, COVERS_FLEET) is not None:
        why = "all members that the order takes are part of the run"
        return _with_condition(status, run, now, COVERS_FLEET, "True", ALL_PLANNED, why)
    return status


def _words(run: UpdateRun, status: UpdateRunStatus, blockers: Sequence[Blocker]) -> str:
    """What the run waits for, or how it ended."""
    if status.state in ("Completed", "Skipped"):
        return _outcome(status)
    said = [sentence(_timeless(blocker)) for blocker in blockers[:_SAID]]
    if status.state == "Failed":
        said.append(f"to try what failed once more, set spec.attempt to {attempt_of(run) + 1}")
    more = len(blockers) - _SAID
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _outcome(status: UpdateRunStatus) -> str:
    counts: dict[str, int] = {}
    for stage in status.stages:
        for group in stage.groups:
            for member in group.members:
                counts[member.state] = counts.get(member.state, 0) + 1
    done = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
    return f"The run has ended; members: {done}"


def _timeless(blocker: Blocker) -> Blocker:
    """A blocker without what no status keeps: since when the run is halted."""
    return replace(blocker, since=None) if isinstance(blocker, StopBlocker) else blocker


def _with_condition(
    status: UpdateRunStatus,
    run: UpdateRun,
    now: datetime,
    type_: str,
    value: ConditionStatus,
    reason: str,
    message: str,
) -> UpdateRunStatus:
    condition = Condition(type_, value, reason, message, observed_generation=run.metadata.generation)
    return replace(status, conditions=set_condition(status.conditions, condition, now))
