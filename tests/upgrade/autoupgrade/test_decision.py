"""Profiles against random histories: versions appear, members join, runs end; what a profile makes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from echelon.api.fleet import MemberUpdateStatus, UpdateRun, UpdateRunStatus, UpdateState
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.upgrade import planning
from echelon.upgrade.autoupgrade import history
from echelon.upgrade.autoupgrade.decision import Decision, decide
from echelon.upgrade.members import Member
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.validation import Surroundings, is_too_far
from echelon.upgrade.versions import KubeVersion

from ..values import NOW, member
from .profiles import known, profile

ENOUGH = 60  # runs that no history here needs


class Fleet:
    """A profile, its members, catalogue and runs, without a hub."""

    def __init__(self, disabled: bool = False) -> None:
        self.profile: AutoUpgradeProfile = profile(disabled=disabled)
        self.versions = ["1.30.0"]
        self.members: dict[str, Member] = {}
        self.runs: list[UpdateRun] = []
        self.look()

    def decide(self) -> Decision:
        around = Surroundings(members=list(self.members.values()), strategies={}, releases=known(*self.versions))
        return decide(self.profile, around, self.runs, NOW)

    def look(self) -> Decision:
        """One pass: a run that is due is made and planned."""
        decision = self.decide()
        status = replace(self.profile.status, baseline_versions=decision.baseline)
        self.profile = replace(self.profile, status=status)
        if decision.run is not None:
            assert not any(history.is_active(run) for run in self.runs), "two runs at once"
            assert decision.run.metadata.name not in {run.metadata.name for run in self.runs}, "the same run twice"
            stages = planning.planned(None, self.members.values(), UpgradeSettings())
            metadata = replace(decision.run.metadata, creation_timestamp=f"{len(self.runs):09}")
            planned = UpdateRunStatus(state="Running", stages=stages, observed_attempt=1)
            self.runs.append(replace(decision.run, metadata=metadata, status=planned))
            after = self.decide()
            assert (after.run, after.up_to_date.reason) == (None, "UpdateRunInProgress")
        return decision

    def end_run(self, state: UpdateState = "Completed") -> None:
        """The run under way ends; who can be upgraded is, unless the run fails."""
        for index, run in enumerate(self.runs):
            if history.is_active(run):
                (stage,) = run.status.stages
                (group,) = stage.groups
                members = tuple([self._end(run, one, state) for one in group.members])
                stages = (replace(stage, groups=(replace(group, members=members),)),)
                self.runs[index] = replace(run, status=replace(run.status, state=state, stages=stages))

    def _end(self, run: UpdateRun, found: MemberUpdateStatus, state: UpdateState) -> MemberUpdateStatus:
        target = KubeVersion.parse(history.versions_of(run)[0])
        one = self.members.get(found.name)
        left_out = one is None or is_too_far(one, target) or any(skip.name == found.name for skip in run.spec.skips)
        if one is None or left_out:
            return replace(found, state="Skipped")
        if state == "Failed":
            return replace(found, state="Failed", attempt=1)
        current = one.kubernetes_version
        self.members[found.name] = replace(one, kubernetes_version=max(target, current) if current else target)
        return replace(found, state="Completed", attempt=1)

    def settle(self) -> Decision:
        """Passes and ends of runs until nothing more happens."""
        for _ in range(ENOUGH):
            decision = self.look()
            if decision.run is None and not any(history.is_active(run) for run in self.runs):
                return decision
            self.end_run()
        raise AssertionError(f"no end of runs: {[run.metadata.name for run in self.runs]}")


PUBLISHED = st.sampled_from(["1.29.5", "1.30.4", "1.31.1", "1.31.2", "1.32.0"])
JOINING = st.sampled_from(["1.28.0", "1.29.0", "1.30.0", "1.31.0", ""])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), PUBLISHED),
        st.tuples(st.just("join"), JOINING),
        st.tuples(st.just("leave"), st.just("")),
        st.tuples(st.just("end"), st.just("")),
        st.tuples(st.just("look"), st.just("")),
    ),
    max_size=14,
)


def play(fleet: Fleet, actions: list[tuple[str, str]]) -> None:
    for number, (action, version) in enumerate(actions):
        match action:
            case "publish":
                fleet.versions.append(version)
            case "join":
                fleet.members[f"m{number}"] = member(f"m{number}", version=version)
            case "leave" if fleet.members:
                del fleet.members[min(fleet.members)]
            case "end":
                fleet.end_run()
        fleet.look()


JOINED_LATE = [("publish", "1.31.1"), ("join", "1.30.0"), ("end", ""), ("join", "1.30.0")]


@example(JOINED_LATE)
@given(ACTIONS)
def test_members_come_to_the_channel_and_runs_come_to_an_end(actions: list[tuple[str, str]]) -> None:
    fleet = Fleet()
    play(fleet, actions)
    decision = fleet.settle()
    status, reason, message = decision.up_to_date
    if status == "True":
        return
    assert message
    assert reason in ("NothingNew", "MembersLeftBehind", "VersionsNotReported")
    if reason == "MembersLeftBehind":  # for want of a step, as every run here goes well
        assert "no patch of the next minor version" in message


@given(ACTIONS)
def test_runs_go_to_what_is_listed_and_leave_out_members_only_to_catch_up_others(
    actions: list[tuple[str, str]],
) -> None:
    fleet = Fleet()
    play(fleet, actions)
    for run in fleet.runs:
        target = KubeVersion.parse(history.versions_of(run)[0])
        assert run.spec.skips == () or history.trigger_of(run) == "CatchUp"
        assert str(target) in fleet.versions


@given(ACTIONS)
def test_disabled_profiles_make_no_run(actions: list[tuple[str, str]]) -> None:
    fleet = Fleet(disabled=True)
    play(fleet, actions)
    assert fleet.runs == []


@given(ACTIONS)
def test_a_profile_makes_up_for_the_time_that_it_was_disabled(actions: list[tuple[str, str]]) -> None:
    """In the end members are where they would be had the profile never been disabled."""
    waited, always = Fleet(disabled=True), Fleet()
    lasting: list[Any] = [action for action in actions if action[0] not in ("end", "look")]
    play(waited, lasting)
    always.members, always.versions = dict(waited.members), list(waited.versions)
    waited.profile = replace(waited.profile, spec=replace(waited.profile.spec, disabled=False))
    assert waited.settle().up_to_date == always.settle().up_to_date


@example([*JOINED_LATE[:2], ("join", "1.30.0")])
@given(ACTIONS)
def test_nothing_more_is_made_for_a_version_whose_run_failed(actions: list[tuple[str, str]]) -> None:
    fleet = Fleet()
    play(fleet, actions)
    decision = fleet.look()
    if any(history.is_active(run) for run in fleet.runs):
        made = len(fleet.runs)
        fleet.end_run("Failed")
        fleet.members["late"] = member("late", version="1.30.0")
        decision = fleet.look()
        if decision.run is not None:  # something newer has appeared, or the failure was a step that no one needs now
            assert history.versions_of(decision.run) != history.versions_of(fleet.runs[made - 1])
