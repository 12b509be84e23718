"""What users ask of a run: start, stop, skip, change. Whether that can be, and the run as it is then.

Pure. The functions that end in ``problems`` say why something is refused; an empty list allows it. The others give the
run whose ``spec`` is to be written, and do not ask whether it is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from echelon.api.fleet import SkipTarget, UpdateRun, UpdateRunStatus
from echelon.upgrade.validation import Problem, listed

SKIP_TYPES = ("Member", "Group", "Stage", "AfterStageWait")
_FIRST = 1


def attempt_of(run: UpdateRun) -> int:
    """The attempt that a run is at: the first start is the first, also when nobody counted it."""
    return max(_FIRST, run.spec.attempt)


def started(run: UpdateRun) -> UpdateRun:
    """The run, started, or started again: what failed is then tried once more."""
    begun = run.spec.state != "Initialize" or run.status.start_time is not None
    attempt = attempt_of(run) + 1 if begun else attempt_of(run)
    return replace(run, spec=replace(run.spec, state="Run", attempt=attempt))


def stopped(run: UpdateRun) -> UpdateRun:
    """The run, stopped: what is being upgraded is awaited, nothing more begins."""
    return replace(run, spec=replace(run.spec, state="Stop"))


def skipping(run: UpdateRun, targets: Sequence[SkipTarget]) -> UpdateRun:
    """The run without these, too."""
    more = tuple(target for target in targets if target not in run.spec.skips)
    return replace(run, spec=replace(run.spec, skips=(*run.spec.skips, *more)))


def start_problems(run: UpdateRun) -> list[Problem]:
    """Why a run cannot be started now: only one that is not started, stopped or failed can."""
    state = run.status.state
    if state in ("NotStarted", "Stopped", "Failed"):
        return []
    why = {
        "Completed": "is completed; create a new one",
        "Skipped": "is skipped as a whole; create a new one",
        "Stopping": "is stopping; wait until it has stopped or failed",
    }.get(state, f"is {state} already")
    return [Problem("", f"update run {run.metadata.name!r} {why}")]


def stop_problems(run: UpdateRun) -> list[Problem]:
    """Why a run cannot be stopped now: it must be under way. Stopping once more is no problem."""
    state = run.status.state
    if state in ("Running", "Pending", "Stopping", "Stopped", "Skipped"):
        return []
    if state == "NotStarted" and run.spec.state == "Run":
        return []
    name = run.metadata.name
    return [Problem("", f"update run {name!r} is {state}; only one that is Running or Pending can be stopped")]


def edit_problems(old: UpdateRun, new: UpdateRun) -> list[Problem]:
    """Why a run cannot be changed so: what it does and in which order is fixed once it was started."""
    before, after = old.spec, new.spec
    if before.state == "Initialize" and old.status.start_time is None:
        return []
    found = []
    for field, same in (
        ("spec.managedClusterUpdate", before.managed_cluster_update == after.managed_cluster_update),
        ("spec.strategy", before.strategy == after.strategy),
        ("spec.updateStrategyName", before.update_strategy_name == after.update_strategy_name),
    ):
        if not same:
            found.append(Problem(field, f"update run {old.metadata.name!r} was started; this can no longer be changed"))
    return found


def skip_problems(run: UpdateRun, targets: Sequence[SkipTarget]) -> list[Problem]:
    """Why these cannot be skipped: what a run does not have, and members that are being upgraded.

    Skipping what has ended is allowed and changes nothing.
    """
    state = run.status.state
    if state == "Completed":
        return [Problem("", f"update run {run.metadata.name!r} is completed; nothing of it can be skipped")]
    if not targets:
        return [Problem("spec.skips", "must name at least one target, such as Group:group-1a")]
    known = _Parts(run.status)
    return [problem for index, target in enumerate(targets) for problem in known.problems(index, target)]


class _Parts:
    """The names of a run's parts."""

    def __init__(self, status: UpdateRunStatus) -> None:
        stages = status.stages
        self.stages = {stage.name: stage for stage in stages}
        self.groups = {group.name: group for stage in stages for group in stage.groups}
        self.members = {member.name: member for group in self.groups.values() for member in group.members}

    def problems(self, index: int, target: SkipTarget) -> Iterator[Problem]:
        field = f"spec.skips[{index}]"
        match target.type:
            case "Member":
                yield from self._known(field, target, "member", self.members)
                member = self.members.get(target.name)
                if member is not None and member.state == "Running":
                    message = f"member {target.name!r} is being upgraded, which is awaited and cannot be skipped"
                    yield Problem(field, message)
            case "Group":
                yield from self._known(field, target, "group", self.groups)
            case "Stage" | "AfterStageWait":
                yield from self._known(field, target, "stage", self.stages)
            case _:
                accepted = ", ".join(SKIP_TYPES)
                yield Problem(field, f"{target.type!r} is nothing that can be skipped; accepted are {accepted}")

    def _known(self, field: str, target: SkipTarget, what: str, known: Mapping[str, object]) -> Iterator[Problem]:
        if target.name not in known:
            yield Problem(field, f"the run has no {what} {target.name!r}; it has: {listed(known) or 'none'}")


def parse_skip(text: str) -> SkipTarget:
    """Read ``Group:group-1a``.

    Raises:
        ValueError: it has no such form, or names nothing that can be skipped.
    """
    type_, separator, name = text.partition(":")
    if not separator or not name or ":" in name:
        raise ValueError(f"{text!r} is not a target; want a type and a name, such as Group:group-1a")
    for known in ("Member", "Group", "Stage", "AfterStageWait"):
        if type_ == known:
            return SkipTarget(type=known, name=name)
    raise ValueError(f"{type_!r} is nothing that can be skipped; accepted are {', '.join(SKIP_TYPES)}")
