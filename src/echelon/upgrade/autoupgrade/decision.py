"""What a profile does next, and what there is to say of it.

Pure. What the channel held when the profile was first looked at is its *baseline*: a profile does nothing on account
of what was there before it. It takes on what its channel holds from the moment that this differs from the baseline,
be it that the catalogue grew or that the profile was edited; or when a user starts a run that was generated for it.
What is taken on is kept true: as long as some member is behind and had no chance, there is a run to be made.

* The first run is for all members that are at most one minor version behind.
* Who missed it - joined later, was too far behind, was gone - is caught up by runs for those alone, from the lowest
  version up: members that are further behind go to the newest patch of their next minor version, until they are there.
* A profile has one run under way at a time, whoever started it. One that failed or was stopped is for people to
  judge: nothing more is made for its version until it is started again or deleted. A newer version is a new matter.

Runs are made in one write, with a name that follows from what they do, so a process that dies before or after that
write is followed by one that comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from echelon.api.fleet import UpdateRun
from echelon.api.meta import ConditionStatus
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.upgrade.autoupgrade import history
from echelon.upgrade.autoupgrade.channels import NoTarget, Target, is_behind, target_of
from echelon.upgrade.autoupgrade.generation import automatic_run, run_name, scope_of
from echelon.upgrade.members import Member
from echelon.upgrade.validation import Problem, Surroundings, is_too_far, listed, run_problems
from echelon.upgrade.versions import KubeVersion

WATCHING: Final = "Watching"
DISABLED: Final = "Disabled"
INVALID_STRATEGY: Final = "InvalidStrategy"
NO_TARGET: Final = "NothingInChannel"

AT_TARGET: Final = "MembersAtTarget"
NOT_REPORTED: Final = "VersionsNotReported"
NOTHING_NEW: Final = "NothingNew"
RUN_DUE: Final = "UpdateRunDue"
RUN_REFUSED: Final = "UpdateRunRefused"
RUN_IN_PROGRESS: Final = "UpdateRunInProgress"
RUN_NOT_STARTED: Final = "UpdateRunNotStarted"
RUN_HALTED: Final = "UpdateRunHalted"
LEFT_BEHIND: Final = "MembersLeftBehind"


class Verdict(NamedTuple):
    """A condition in the making."""

    status: ConditionStatus
    reason: str
    message: str


class Decision(Struct, frozen=True, kw_only=True):
    """``run`` is to be made, started. ``problem`` is why a run that is due cannot be made.

    ``ready`` says whether something new leads to a run, ``up_to_date`` whether members are where the channel is.
    """

    baseline: tuple[str, ...]
    ready: Verdict
    up_to_date: Verdict
    run: UpdateRun | None = None
    problem: Problem | None = None


def decide(profile: AutoUpgradeProfile, around: Surroundings, runs: Sequence[UpdateRun], now: datetime) -> Decision:
    """What a profile does next. ``runs`` are those that carry its label."""
    members = scope_of(profile, around)
    problem = members if isinstance(members, Problem) else None
    scope = around.members if isinstance(members, Problem) else members
    target = target_of(profile.spec, scope, around.releases, now)
    held = target.versions if isinstance(target, Target) else ()
    baseline = held if profile.status.baseline_versions is None else profile.status.baseline_versions
    ready = _ready(profile, problem, target)
    if isinstance(target, NoTarget) or problem is not None:
        new = isinstance(target, Target) and held != baseline and not history.going_to(runs, held)
        due = new and not profile.spec.disabled
        unknown = Verdict("Unknown", ready.reason, ready.message)
        return Decision(baseline=baseline, ready=ready, up_to_date=unknown, problem=problem if due else None)
    pursuit = _Pursuit(profile, target, scope, around, runs)
    taken_on = held != baseline or any(not history.is_generated(run) for run in history.going_to(runs, held))
    verdict, run = pursuit.judge(taken_on=taken_on)
    problems = [] if run is None else run_problems(run, around)
    if problems:
        refusal = Problem("", "; ".join(map(str, problems)))
        verdict = Verdict("False", RUN_REFUSED, f"an update run is due and cannot be made: {refusal}")
        return Decision(baseline=baseline, ready=ready, up_to_date=verdict, problem=refusal)
    return Decision(baseline=baseline, ready=ready, up_to_date=verdict, run=run)


def _ready(profile: AutoUpgradeProfile, problem: Problem | None, target: Target | NoTarget) -> Verdict:
    if profile.spec.disabled:
        return Verdict("False", DISABLED, "no runs are made; set spec.disabled to false to make up for what is missed")
    if problem is not None:
        return Verdict("False", INVALID_STRATEGY, str(problem))
    if isinstance(target, NoTarget):
        return Verdict("False", NO_TARGET, target.message)
    held_back = f"; {target.held_back}" if target.held_back else ""
    return Verdict("True", WATCHING, f"the channel {profile.spec.channel} is at {target}{held_back}")


class _Pursuit:
    """One look at the members of a profile, on the way to a target."""

    def __init__(
        self,
        profile: AutoUpgradeProfile,
        target: Target,
        members: Sequence[Member],
        around: Surroundings,
        runs: Sequence[UpdateRun],
    ) -> None:
        self.profile = profile
        self.target = target
        self.members = members
        self.around = around
        self.runs = runs
        self.to_target = history.going_to(runs, target.versions)
        self.behind = [member for member in members if is_behind(member, target)]
        self.silent = [member for member in members if is_behind(member, target) is None]
        self.steps = self._steps()

    def judge(self, *, taken_on: bool) -> tuple[Verdict, UpdateRun | None]:
        """How members stand, and the run that is to be made."""
        active = next((run for run in self.runs if history.is_active(run)), None)
        if active is not None:
            return self._not_yet(RUN_IN_PROGRESS, _in_progress(active)), None
        if not self.behind and (self.to_target or not self.silent):
            return self._there(), None
        if not taken_on:
            why = (
                f"the channel held {self.target} when the profile was made, and runs are made for what is newer; "
                "a run that is generated and started brings members there now"
            )
            return self._not_yet(NOTHING_NEW, why), None
        halted = history.newest(run for run in self._concerned() if history.is_halted(run))
        if halted is not None:
            why = f"update run {halted.metadata.name} is {halted.status.state}: start it again, or delete it"
            return self._not_yet(RUN_HALTED, why), None
        generated = next((run for run in self.to_target if history.is_generated(run)), None)
        if generated is not None:
            why = f"update run {generated.metadata.name} was generated and not started: start it, or delete it"
            return self._not_yet(RUN_NOT_STARTED, why), None
        if self.profile.spec.disabled:
            return self._not_yet(DISABLED, "the profile is disabled"), None
        run = self._next_run()
        if run is None:
            return self._not_yet(LEFT_BEHIND, self._why_left_behind()), None
        return self._not_yet(RUN_DUE, f"update run {run.metadata.name} is to be made"), run

    # who goes where

    def _steps(self) -> dict[KubeVersion | None, list[Member]]:
        """The members that are behind by the version that they go to next; None where there is none."""
        found: dict[KubeVersion | None, list[Member]] = {}
        if self.target.version is None:
            return found
        far: dict[KubeVersion, list[Member]] = {}
        for member in self.behind:
            current = member.kubernetes_version
            if current is not None and is_too_far(member, self.target.version):
                far.setdefault(KubeVersion(current.major, current.minor + 1), []).append(member)
        for minor, members in far.items():
            regions = {member.region for member in members if member.region}
            long_term = self.profile.spec.long_term_support
            patch = self.around.releases.catalogue.latest_patch(minor, regions, long_term_support=long_term)
            found.setdefault(patch, []).extend(members)
        return found

    def _concerned(self) -> Iterable[UpdateRun]:
        """The runs to the target and to what comes before it for some members."""
        yield from self.to_target
        for version in self.steps:
            if version is not None:
                yield from history.going_to(self.runs, (str(version),))

    def _next_run(self) -> UpdateRun | None:
        far = {member.name for members in self.steps.values() for member in members}
        near = [member for member in (*self.behind, *self.silent) if member.name not in far]
        if near and not self.to_target:
            return automatic_run(self.profile, self.target, "NewVersion")
        steps = sorted((version, members) for version, members in self.steps.items() if version is not None)
        for version, members in steps:
            run = self._catch_up(Target(version), members)
            if run is not None:
                return run
        return self._catch_up(self.target, near)

    def _catch_up(self, target: Target, candidates: Iterable[Member]) -> UpdateRun | None:
        """The run for those who had no chance yet to go to a version; none when no one is known to need it."""
        past = history.going_to(self.runs, target.versions)
        had_a_chance = history.had_a_chance(past)
        missed = [member for member in candidates if member.name not in had_a_chance]
        if not any(is_behind(member, target) for member in missed):
            return None
        names = {member.name for member in missed}
        others = [
            member.name
            for member in self.members
            if member.name not in names and not (target.version and is_too_far(member, target.version))
        ]
        name = run_name(self.profile, target, names)
        if any(run.metadata.name == name for run in past):
            return None  # these very members were to be caught up before
        return automatic_run(self.profile, target, "CatchUp", names, others)

    # words

    def _there(self) -> Verdict:
        if not self.members:
            return Verdict("True", AT_TARGET, "there are no members")
        if self.silent and len(self.silent) == len(self.members):
            why = f"no member says what it has; there was a run to {self.target}"
            return Verdict("Unknown", NOT_REPORTED, why)
        silent = f"; not known of {listed(member.name for member in self.silent)}" if self.silent else ""
        return Verdict("True", AT_TARGET, f"all members are at {self.target}{silent}")

    def _not_yet(self, reason: str, why: str) -> Verdict:
        who = listed(member.name for member in self.behind)
        if not who:
            return Verdict("Unknown", reason, f"what members have is not known; {why}")
        return Verdict("False", reason, f"behind {self.target}: {who}; {why}")

    def _why_left_behind(self) -> str:
        stuck = self.steps.get(None, [])
        if stuck:
            return f"there is no patch of the next minor version, in their regions, for {listed(m.name for m in stuck)}"
        return "they had their chance in earlier runs; the next version is for them, too"


def _in_progress(run: UpdateRun) -> str:
    to = listed(history.versions_of(run))
    problem = f": {run.status.error.message}" if run.status.error is not None else ""
    return f"update run {run.metadata.name} to {to} is {run.status.state}{problem}"
