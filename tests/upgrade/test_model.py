"""Random runs, intents and provider faults, against a model of the reference's rules.

The run is carried out by the pure modules alone, with a hub made of dictionaries. After each step the status that was
written is judged by rules that are written down here anew, from sections 4 and 5 of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import jsonpatch
import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from echelon.api import names
from echelon.api.fleet import GroupUpdateStatus, SkipTarget, StageUpdateStatus, UpdateRun, UpdateRunStatus
from echelon.api.meta import format_time
from echelon.api.upgrade import ClusterUpgrade
from echelon.rollout import GateReference, State, decide
from echelon.upgrade import gates, intents, moments, planning, reporting
from echelon.upgrade.members import Member
from echelon.upgrade.observation import View, has_begun, observe
from echelon.upgrade.patching import status_patch
from echelon.upgrade.releases import Releases
from echelon.upgrade.runs import wanted_upgrade
from echelon.upgrade.translation import keeps_its_place, plan_of, progress_of
from echelon.upgrade.validation import run_problems
from echelon.upgrade.windows import Windows

from .hub import order, stage, weekly
from .values import NOW, around, member, run_of

PASSED = ("Completed", "Skipped")
OPEN_NOW = weekly("Monday", "08:00", 2)  # the world begins on Monday at nine
OPENS_LATER = weekly("Monday", "09:10", 1)
APPROVAL = [{"type": "Approval"}]


class World:
    """A hub with one run, and all that happens to it."""

    def __init__(self, run: UpdateRun, members: list[Member]) -> None:
        self.now = NOW
        self.run = run
        self.members = {one.name: one for one in members}
        self.upgrades: dict[tuple[str, int], ClusterUpgrade] = {}
        self.gates: dict[str, str] = {}  # gate name -> state
        self.begun_by_provider: list[tuple[str, int]] = []
        self.started: list[tuple[str, int, str]] = []  # member, attempt, spec.state at that moment
        self.history: list[str] = [run.status.state]
        self._windows = Windows()

    # the controller, without a hub

    def reconcile(self, *, lose_status: bool = False) -> None:
        """One pass; with ``lose_status`` its last write never arrives."""
        run = self.run
        if run.status.state == "Completed":
            return
        status = run.status
        if status.start_time is None and run.spec.state == "Run":
            status = replace(status, start_time=moments.write(self.now))
            self.run = run = replace(run, status=status)
        plan, progress = plan_of(status), progress_of(plan_of(status), status)
        while True:
            view = self.view(run, status)
            seen = observe(run, status, progress, view, self._windows.of, self.now)
            for upgrade in seen.withdrawn:
                del self.upgrades[names.member_of_namespace(upgrade.metadata.namespace) or "", upgrade.spec.attempt]
            decision = decide(plan, progress, seen.facts, self.now)
            stops = decision.progress.state is State.STOPPING and progress.state is not State.STOPPING
            progress = decision.progress
            if not decision.start and not stops:
                break
            for start in decision.start:
                upgrade = wanted_upgrade(run, status, start, view)
                created = replace(upgrade.metadata, creation_timestamp=format_time(self.now), generation=1)
                self.upgrades[start.target, start.attempt] = replace(upgrade, metadata=created)
                self.started.append((start.target, start.attempt, run.spec.state))
        made = {}
        for stage_, part in zip(plan.stages, progress.stages, strict=True):
            for reference, gate in _gates(stage_.name, part):
                name = gates.gate_name(run, reference)
                if gate.state == "Pending":
                    self.gates.setdefault(name, "Pending")
                elif name in self.gates and self.gates[name] == "Pending":
                    self.gates[name] = gate.state.value
                if name in self.gates:
                    made[reference] = name
        reporter = reporting.Reporter(run, plan, view.upgrades, seen.obstacles, made, (), self.now)
        reported = reporter.report(status, decision)
        if not lose_status:
            self.write(reported)

    def write(self, status: UpdateRunStatus) -> None:
        """Write a status by way of its patch, which must make of what was there what is wanted."""
        patch = status_patch(self.run, status)
        if patch is not None:
            document = {"metadata": {"resourceVersion": ""}, "status": self.run.status}
            content, document = (msgspec.json.decode(msgspec.json.encode(part)) for part in (patch.content, document))
            patched = jsonpatch.apply_patch(document, content, in_place=True)
            assert msgspec.convert(patched["status"], UpdateRunStatus) == status
        self.run = replace(self.run, status=status)
        self.history.append(status.state)

    def view(self, run: UpdateRun, status: UpdateRunStatus) -> View:
        latest: dict[str, ClusterUpgrade] = {}
        for (name, _), upgrade in sorted(self.upgrades.items(), key=lambda item: item[0]):
            latest[name] = upgrade
        approvals = {
            reference: self.now
            for reference, _ in gates.configured(status)
            if self.gates.get(gates.gate_name(run, reference)) == "Completed"
        }
        return View(
            members=self.members, upgrades=latest, rivals={}, releases=Releases(), approvals=approvals
        )  # fmt: skip

    # the world

    def open_upgrades(self) -> list[tuple[str, int]]:
        return [key for key, upgrade in self.upgrades.items() if upgrade.status.state in ("Pending", "Running")]

    def change(self, key: tuple[str, int], **fields: Any) -> None:
        upgrade = self.upgrades[key]
        status = replace(upgrade.status, observed_generation=1, **fields)
        if not has_begun(upgrade) and status.state != "Pending":
            self.begun_by_provider.append(key)
        self.upgrades[key] = replace(upgrade, status=status)

    @property
    def status(self) -> UpdateRunStatus:
        return self.run.status

    def all_members(self) -> Iterator[tuple[StageUpdateStatus, GroupUpdateStatus, Any]]:
        for found in self.status.stages:
            for group in found.groups:
                for one in group.members:
                    yield found, group, one


def _gates(name: str, part: Any) -> Iterator[tuple[GateReference, Any]]:
    for group in (None, *part.groups):
        scope = part if group is None else group
        for timing, found in (("Before", scope.before), ("After", scope.after)):
            for gate in found:
                yield GateReference(name, None if group is None else group.name, timing, gate.name), gate


# -- random runs ----------------------------------------------------------------------------------

gate_choices = st.sampled_from([[], [], APPROVAL])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    members: list[Member] = []
    stages = []
    for number in range(draw(st.integers(1, 3))):
        groups = []
        for position in range(draw(st.integers(1, 2))):
            name = f"g{number}{position}"
            for _ in range(draw(st.integers(0, 4))):
                window = draw(st.sampled_from(["", "", "", OPEN_NOW, OPENS_LATER]))
                members.append(member(f"m{len(members)}", name, window=window))
            groups.append(
                {
                    "name": name,
                    "maxConcurrency": draw(st.sampled_from([1, 2, "100%"])),
                    "maxAllowedFailures": draw(st.sampled_from([0, 0, 1, "50%"])),
                    "beforeGates": draw(gate_choices),
                    "afterGates": draw(gate_choices),
                }
            )
        stages.append(
            stage(
                f"s{number}",
                *groups,
                maxConcurrency=draw(st.sampled_from([2, 3, "100%"])),
                maxAllowedFailures=draw(st.sampled_from([0, 1, "100%"])),
                afterStageWaitInSeconds=draw(st.sampled_from([0, 0, 60])),
                beforeGates=draw(gate_choices),
                afterGates=draw(gate_choices),
            )
        )
    run = run_of(strategy=order(*stages), labels={names.AUTO_UPGRADE_PROFILE: "x"})  # so groups may be empty
    if draw(st.booleans()):
        run = run_of()
    surroundings = around(*members)
    assert run_problems(run, surroundings) == []
    planned = UpdateRunStatus(
        state="NotStarted",
        strategy=run.spec.strategy,
        stages=planning.planned(run.spec.strategy, members, surroundings.settings),
        observed_generation=1,
    )
    return World(replace(run, status=planned), members)


# -- the rules, anew ------------------------------------------------------------------------------


def halted(world: World) -> bool:
    """Whether nothing new may start: a stop, or more failures than allowed anywhere."""
    spec, status = world.run.spec, world.status
    if spec.state == "Stop" or (spec.state == "Initialize" and status.start_time is not None):
        return True
    return any(over_limit(found) or any(map(over_limit, found.groups)) for found in status.stages)


def over_limit(scope: StageUpdateStatus | GroupUpdateStatus) -> bool:
    groups = scope.groups if isinstance(scope, StageUpdateStatus) else [scope]
    failures = sum(one.state == "Failed" for group in groups for one in group.members)
    return failures > scope.max_allowed_failures


def reached(scope: StageUpdateStatus | GroupUpdateStatus) -> bool:
    return scope.start_time is not None


def group_state(group: GroupUpdateStatus, stops: bool) -> str:
    """4.2 for a group."""
    states = [one.state for one in group.members]
    if "Running" in states:
        return "Stopping" if stops else "Running"
    if over_limit(group):
        return "Failed"
    if states and set(states) == {"Skipped"}:
        return "Skipped"
    after = all(gate.state in PASSED for gate in group.after_gates)
    if all(state in ("Completed", "Skipped", "Failed") for state in states) and reached(group) and states and after:
        return "Completed"
    if not states:
        return "empty"
    if not reached(group):
        return "NotStarted"
    return "Stopped" if stops else "Pending"


def stage_state(found: StageUpdateStatus, stops: bool) -> str:
    """4.2 for a stage, of which some group has members."""
    states = [group.state for group in found.groups]
    if {"Running", "Stopping"} & set(states):
        return "Stopping" if stops else "Running"
    if over_limit(found) or "Failed" in states:
        return "Failed"
    if set(states) == {"Skipped"}:
        return "Skipped"
    wait = found.after_stage_wait_status
    behind = all(gate.state in PASSED for gate in found.after_gates) and (wait is None or wait.state in PASSED)
    if behind and all(state in PASSED for state in states):
        return "Completed"
    if not reached(found):
        return "NotStarted"
    if stops:
        return "Stopped"
    scopes = (found, *found.groups)
    waits = any(gate.state == "Pending" for gate in (*found.before_gates, *found.after_gates)) or any(
        gate.state == "Pending" for scope in scopes[1:] for gate in (*scope.before_gates, *scope.after_gates)
    )
    return "Running" if wait is not None and wait.state == "Running" and not waits else "Pending"


def run_state(world: World, stops: bool) -> str:
    """4.2 for a run."""
    states = [found.state for found in world.status.stages]
    started = world.status.start_time is not None
    if {"Running", "Stopping"} & set(states):
        return "Stopping" if stops else "Running"
    if "Failed" in states:
        return "Failed"
    if set(states) == {"Skipped"}:
        return "Stopped" if world.run.spec.state == "Stop" else "Skipped"
    if all(state in PASSED for state in states):
        return "Completed"
    if world.run.spec.state == "Stop" or (started and world.run.spec.state != "Run"):
        return "Stopped"
    if not started:
        return "NotStarted"
    current = next(state for state in states if state not in PASSED)
    return "Pending" if current == "Pending" else "Running"


class UpdateRuns(RuleBasedStateMachine):
    """Users, providers, time and crashes, in any order."""

    world: World

    @initialize(world=worlds(), at_once=st.sampled_from([True, True, True, False]))
    def begin(self, world: World, at_once: bool) -> None:
        self.world = world
        self.skipped: set[str] = set()
        if at_once:
            world.run = intents.started(world.run)
        world.reconcile()

    # users

    @rule()
    def start(self) -> None:
        if not intents.start_problems(self.world.run):
            self.world.run = intents.started(self.world.run)
            self.world.reconcile()

    @rule()
    @precondition(lambda self: self.world.run.spec.state == "Run")
    def stop(self) -> None:
        if not intents.stop_problems(self.world.run):
            self.world.run = intents.stopped(self.world.run)
            self.world.reconcile()

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        stages = self.world.status.stages
        choices = [SkipTarget(type="Stage", name=found.name) for found in stages]
        choices += [SkipTarget(type="AfterStageWait", name=found.name) for found in stages]
        choices += [SkipTarget(type="Group", name=group.name) for found in stages for group in found.groups]
        choices += [SkipTarget(type="Member", name=one.name) for _, _, one in self.world.all_members()] * 4
        target = data.draw(st.sampled_from(choices))
        if intents.skip_problems(self.world.run, [target]):
            return
        for found, group, one in self.world.all_members():
            named = {("Stage", found.name), ("Group", group.name), ("Member", one.name)}
            if (target.type, target.name) in named and one.state in ("NotStarted", "Pending"):
                self.skipped.add(one.name)
        self.world.run = intents.skipping(self.world.run, [target])
        self.world.reconcile()
        for _, _, one in self.world.all_members():
            if one.name in self.skipped:
                assert one.state == "Skipped", one

    @rule(data=st.data())
    @precondition(lambda self: "Pending" in self.world.gates.values())
    def approve(self, data: st.DataObject) -> None:
        pending = sorted(name for name, state in self.world.gates.items() if state == "Pending")
        self.world.gates[data.draw(st.sampled_from(pending))] = "Completed"
        self.world.reconcile()

    # providers

    @rule(data=st.data(), outcome=st.sampled_from(["Running", "Completed", "Completed", "Failed", "Skipped"]))
    @precondition(lambda self: self.world.open_upgrades())
    def go_on(self, data: st.DataObject, outcome: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.world.open_upgrades())))
        now = moments.write(self.world.now)
        ended = None if outcome == "Running" else now
        self.world.change(key, state=outcome, operation_id="x", message="", not_before=None, completed_time=ended)
        self.world.reconcile()

    @rule(data=st.data(), later=st.booleans())
    @precondition(lambda self: self.world.open_upgrades())
    def hold_up(self, data: st.DataObject, later: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.world.open_upgrades())))
        if not has_begun(self.world.upgrades[key]):
            moment = moments.write(self.world.now + timedelta(minutes=5)) if later else None
            self.world.change(key, message="busy", not_before=moment)
            self.world.reconcile()

    # the world

    @rule(seconds=st.sampled_from([1, 45, 90, 400, 3000]))
    def wait(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)
        self.world.reconcile()

    @rule(data=st.data())
    @precondition(lambda self: len(self.world.members) > 4)
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.members)))
        del self.world.members[name]
        self.world.upgrades = {key: value for key, value in self.world.upgrades.items() if key[0] != name}
        self.world.reconcile()

    @rule()
    def crash_before_the_status_is_written(self) -> None:
        self.world.now += timedelta(seconds=1)
        self.world.reconcile(lose_status=True)
        self.world.reconcile()

    # what always holds

    @invariant()
    def states_are_derived(self) -> None:
        stops = halted(self.world)
        for found in self.world.status.stages:
            for group in found.groups:
                if (wanted := group_state(group, stops)) != "empty":
                    assert group.state == wanted, (group, stops)
            if any(group.members for group in found.groups):
                assert found.state == stage_state(found, stops), (found, stops)
        assert self.world.status.state == run_state(self.world, stops), (self.world.status, stops)

    @invariant()
    def concurrency_is_kept(self) -> None:
        under_way = {name for name, _ in self.world.open_upgrades()}
        for found in self.world.status.stages:
            counts = [sum(one.name in under_way for one in group.members) for group in found.groups]
            assert sum(counts) <= found.max_concurrency
            assert all(count <= group.max_concurrency for count, group in zip(counts, found.groups, strict=True))

    @invariant()
    def each_member_has_one_upgrade_at_a_time_and_none_after_it_is_done(self) -> None:
        under_way = [name for name, _ in self.world.open_upgrades()]
        assert len(under_way) == len(set(under_way))
        for name in self.world.members:
            ends = [
                upgrade.status.state
                for (one, _), upgrade in sorted(self.world.upgrades.items(), key=lambda item: item[0])
                if one == name
            ]
            assert all(end == "Failed" for end in ends[:-1]), ends

    @invariant()
    def stages_come_one_after_the_other(self) -> None:
        stages = self.world.status.stages
        for before, after in pairwise(stages):
            if reached(after):
                assert before.state in PASSED or before.state == "Failed" or self.tried_again(before)
                wait = before.after_stage_wait_status
                if before.state == "Completed" and wait is not None and wait.state == "Completed":
                    ends = [one.completed_time for group in before.groups for one in group.members]
                    begun, ended = moments.read(after.start_time), max(filter(None, map(moments.read, ends)))
                    assert begun is not None
                    assert (begun - ended).total_seconds() >= wait.wait_duration_in_seconds

    @staticmethod
    def tried_again(found: StageUpdateStatus) -> bool:
        """A retry took the stage back to members that had failed within its limits."""
        return any(one.attempt > 1 or one.state != "Completed" for group in found.groups for one in group.members)

    @invariant()
    def nothing_starts_but_while_the_run_is_meant_to_run(self) -> None:
        assert all(state == "Run" for *_, state in self.world.started)

    @invariant()
    def windows_are_kept(self) -> None:
        for _, _, one in self.world.all_members():
            found = self.world.members.get(one.name)
            if found is not None and found.window == OPENS_LATER and one.state == "Running":
                begun = moments.read(one.start_time)
                assert begun is not None
                assert begun >= NOW.replace(minute=10)

    @invariant()
    def what_is_written_is_read_and_nothing_is_done_twice(self) -> None:
        status, starts = self.world.status, list(self.world.started)
        self.world.reconcile()
        assert self.world.status == status
        assert self.world.started == starts

    @invariant()
    def whoever_waits_says_for_what(self) -> None:
        for _, _, one in self.world.all_members():
            if one.state == "Pending" or keeps_its_place(one):
                assert one.message
        condition = next(found for found in self.world.status.conditions if found.type == "Progressing")
        assert condition.message or self.world.status.state in ("Running", "Stopped")

    @invariant()
    def completed_is_the_end(self) -> None:
        if "Completed" in self.world.history:
            first = self.world.history.index("Completed")
            assert set(self.world.history[first:]) == {"Completed"}


UpdateRuns.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestUpdateRuns = UpdateRuns.TestCase
