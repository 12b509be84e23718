"""From an order and members to stages: reference 4.8, 5.2, 5.3 and 5.9."""

from __future__ import annotations

import re
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from echelon.api.fleet import StageUpdateStatus, UpdateRunStatus
from echelon.local.fleet import FleetOptions
from echelon.upgrade import planning
from echelon.upgrade.members import Member
from echelon.upgrade.patching import status_patch
from echelon.upgrade.settings import UpgradeSettings

from .hub import control_plane, full, order, stage
from .values import member, planned, run_of, strategy


def fleet(**groups: int) -> list[Member]:
    """So many members in each group."""
    return [member(f"{group}{n:03}", group) for group, count in groups.items() for n in range(count)]


def names_in(found: StageUpdateStatus) -> dict[str, list[str]]:
    return {group.name: [one.name for one in group.members] for group in found.groups}


def concurrency(status: UpdateRunStatus) -> tuple[int, list[int]]:
    (found,) = status.stages
    return found.max_concurrency, [group.max_concurrency for group in found.groups]


def failures(status: UpdateRunStatus) -> tuple[int, list[int]]:
    (found,) = status.stages
    return found.max_allowed_failures, [group.max_allowed_failures for group in found.groups]


def group(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


# -- 5.2 maxConcurrency -------------------------------------------------------------------------


def test_5_2_count_or_percentage_of_all_clusters_in_a_stage_and_of_a_groups_own_rounded_down() -> None:
    percent = stage("s", group("a", maxConcurrency="50%"), group("b", maxConcurrency="25%"), maxConcurrency="25%")
    assert concurrency(planned(order(percent), *fleet(a=8, b=12))) == (5, [4, 3])
    counts = stage("s", group("a", maxConcurrency="3"), group("b", maxConcurrency=2), maxConcurrency="4")
    assert concurrency(planned(order(counts), *fleet(a=8, b=12))) == (4, [3, 2])


def test_5_2_no_less_than_one() -> None:
    few = stage("s", group("a", maxConcurrency="1%"), group("b", maxConcurrency="50%"), maxConcurrency="1%")
    assert concurrency(planned(order(few), *fleet(a=8, b=1))) == (1, [1, 1])


def test_5_2_defaults_are_fifty_for_a_stage_and_one_for_a_group() -> None:
    assert concurrency(planned(order(stage("s", "a")), *fleet(a=80))) == (50, [1])


def test_5_2_the_ceiling_of_a_stage_is_fifty() -> None:
    wide = stage("s", group("a", maxConcurrency="100%"), maxConcurrency="100%")
    assert concurrency(planned(order(wide), *fleet(a=80))) == (50, [50])
    stages = planning.planned(strategy(order(wide)), fleet(a=80), UpgradeSettings(max_stage_concurrency=60))
    assert stages[0].max_concurrency == 60


def test_5_2_a_group_has_no_more_places_than_its_stage_or_its_clusters() -> None:
    wide = stage("s", group("a", maxConcurrency="100%"), group("b", maxConcurrency=7), maxConcurrency="7")
    assert concurrency(planned(order(wide), *fleet(a=20, b=2))) == (7, [7, 2])


def test_5_2_a_count_above_the_clusters_of_a_stage_is_as_good_as_any() -> None:
    """The fixture of the command line's own tests: a single cluster, in the first group."""
    fixture = stage("s", group("a", maxConcurrency="100%"), group("b", maxConcurrency="50%"), maxConcurrency="7")
    assert concurrency(planned(order(fixture), *fleet(a=1))) == (7, [1, 1])


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 100), st.integers(1, 100))
def test_5_2_resolved(first: int, second: int, of_stage: int, of_group: int) -> None:
    config = stage("s", group("a", maxConcurrency=f"{of_group}%"), "b", maxConcurrency=f"{of_stage}%")
    total, (places, one) = concurrency(planned(order(config), *fleet(a=first, b=second)))
    assert total == max(1, min(50, (first + second) * of_stage // 100))
    assert places == min(total, max(1, first), max(1, first * of_group // 100))
    assert one == 1


# -- 5.3 maxAllowedFailures ---------------------------------------------------------------------


def test_5_3_count_or_percentage_rounded_up() -> None:
    config = stage(
        "s",
        group("a", maxAllowedFailures="10%"),
        group("b", maxAllowedFailures="34%"),
        group("c", maxAllowedFailures=2),
        maxAllowedFailures="5%",
    )
    assert failures(planned(order(config), *fleet(a=8, b=3, c=10))) == (2, [1, 2, 2])


def test_5_3_none_are_allowed_unless_said_otherwise() -> None:
    assert failures(planned(order(stage("s", "a")), *fleet(a=8))) == (0, [0])
    assert failures(planned(order(stage("s", group("a", maxAllowedFailures="0%"))), *fleet(a=8))) == (0, [0])


# -- members of groups --------------------------------------------------------------------------


def test_without_an_order_all_members_go_one_by_one() -> None:
    status = planned(None, member("b"), member("a", "x"))
    (found,) = status.stages
    assert (found.name, names_in(found)) == ("default", {"default": ["a", "b"]})
    assert found.groups[0].max_concurrency == 1
    assert found.before_gates == found.after_gates == ()
    assert found.after_stage_wait_status is None


def test_groups_have_the_members_with_their_label() -> None:
    status = planned(order(stage("one", "a", "empty"), stage("two", "b")), *fleet(b=2, a=1, other=3))
    assert [names_in(found) for found in status.stages] == [{"a": ["a000"], "empty": []}, {"b": ["b000", "b001"]}]


def labelled(name: str, group: str = "", **labels: str) -> Member:
    return member(name, group, labels=labels)


FLEET = [
    labelled("m1", "a", env="prod"),
    labelled("m2", "a", env="test"),
    labelled("m3", "b", env="prod"),
    labelled("m4", env="prod"),
]
PROD = {"byLabel": "env=prod"}


def test_5_9_a_stage_that_selects_and_names_no_groups_is_one_group() -> None:
    status = planned(order(stage("s", memberSelector=PROD, maxConcurrency=2)), *FLEET)
    assert names_in(status.stages[0]) == {"s": ["m1", "m3", "m4"]}
    assert concurrency(status) == (2, [2])


def test_5_9_a_stage_that_selects_filters_its_groups() -> None:
    status = planned(order(stage("s", "a", "b", memberSelector=PROD)), *FLEET)
    assert names_in(status.stages[0]) == {"a": ["m1"], "b": ["m3"]}


def test_5_9_a_group_that_selects_has_a_name_only() -> None:
    status = planned(order(stage("s", group("canary", memberSelector=PROD))), *FLEET)
    assert names_in(status.stages[0]) == {"canary": ["m1", "m3", "m4"]}


def test_a_member_is_in_the_first_place_that_takes_it() -> None:
    status = planned(order(stage("one", memberSelector=PROD), stage("two", "a")), *FLEET)
    assert [names_in(found) for found in status.stages] == [{"one": ["m1", "m3", "m4"]}, {"a": ["m2"]}]


# -- 4.8 members that come and go ---------------------------------------------------------------

SELECTING = strategy(order(stage("one", "b"), stage("two", memberSelector=PROD)))


def refreshed(stages: tuple[StageUpdateStatus, ...], *members: Member, begun: Any = ()) -> list[dict[str, list[str]]]:
    found = planning.refreshed(stages, SELECTING, members, UpgradeSettings(), begun)
    return [names_in(stage) for stage in found]


def test_4_8_members_are_selected_anew_until_their_stage_begins() -> None:
    stages = planning.planned(SELECTING, FLEET, UpgradeSettings())
    assert refreshed(stages, *FLEET, labelled("m5", env="prod")) == [{"b": ["m3"]}, {"two": ["m1", "m4", "m5"]}]
    assert refreshed(stages, *FLEET[:3]) == [{"b": ["m3"]}, {"two": ["m1"]}]
    begun = (stages[0], replace(stages[1], state="Running", start_time="2026-03-02T09:00:00Z"))
    assert refreshed(begun, *FLEET[:3]) == [{"b": ["m3"]}, {"two": ["m1", "m4"]}]
    assert refreshed(stages, *FLEET[:3], begun={"m4"}) == [{"b": ["m3"]}, {"two": ["m1", "m4"]}]


def test_4_8_groups_that_go_by_name_keep_their_members() -> None:
    stages = planning.planned(SELECTING, FLEET, UpgradeSettings())
    assert refreshed(stages, labelled("m9", "b"))[0] == {"b": ["m3"]}


def test_nothing_new_is_the_very_same() -> None:
    stages = planning.planned(SELECTING, FLEET, UpgradeSettings())
    assert planning.refreshed(stages, SELECTING, FLEET, UpgradeSettings()) is stages
    assert planning.refreshed(stages, None, (), UpgradeSettings()) is stages


def test_what_was_skipped_stays_so() -> None:
    stages = planning.planned(SELECTING, FLEET, UpgradeSettings())
    two = stages[1]
    skipped = replace(two.groups[0].members[0], state="Skipped", message="skipped by the user")
    members = (skipped, *two.groups[0].members[1:])
    stages = (stages[0], replace(two, groups=(replace(two.groups[0], members=members),)))
    (_, found) = planning.refreshed(stages, SELECTING, [*FLEET, labelled("m5", env="prod")], UpgradeSettings())
    assert [one.state for one in found.groups[0].members] == ["Skipped", "NotStarted", "NotStarted"]


def test_4_8_joiners_are_told_apart() -> None:
    by_name = order(stage("one", "a"))
    status = planned(by_name, *fleet(a=2))
    late = [*fleet(a=3), member("other", "b")]
    assert planning.not_covered(status.stages, status.strategy, late) == ["a002"]
    everybody = planned(None, *fleet(a=2))
    assert planning.not_covered(everybody.stages, None, late) == ["a002", "other"]


# -- gates, waits, hash -------------------------------------------------------------------------


def test_gates_and_waits_are_there_from_the_beginning() -> None:
    gates = {"beforeGates": [{"type": "Approval", "displayName": "go"}], "afterGates": [{"type": "Approval"}]}
    (found,) = planned(order(stage("s", group("a", **gates), afterStageWaitInSeconds=60, **gates))).stages
    for scope in (found, found.groups[0]):
        assert [(gate.state, gate.display_name, gate.gate_name) for gate in scope.before_gates] == [
            ("NotStarted", "go", "")
        ]
        assert len(scope.after_gates) == 1
    wait = found.after_stage_wait_status
    assert wait is not None
    assert (wait.state, wait.wait_duration_in_seconds) == ("NotStarted", 60)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"state": "Run", "attempt": 3, "skips": [{"type": "Member", "name": "a"}]}, True),
        ({"strategy": order(stage("s", "a"))}, False),
        ({"updateStrategyName": "weekly"}, False),
        ({"update": control_plane("1.30.4")}, False),
        ({"update": full("1.31.1")}, False),
    ],
)
def test_what_a_run_is_planned_from(changes: Any, same: bool) -> None:
    assert (planning.plan_hash(run_of(**changes)) == planning.plan_hash(run_of())) == same


# -- room for the status ------------------------------------------------------------------------


def sized(count: int) -> UpdateRunStatus:
    members = [member(f"member-{n:05}", "a", cluster_resource_id=f"simulated://member-{n:05}") for n in range(count)]
    return planned(order(stage("s", group("a", maxConcurrency=50))), *members)


def test_a_run_of_a_thousand_members_has_room_on_every_hub_and_of_ten_thousand_on_an_embedded_one() -> None:
    assert planning.size_problems(sized(1000), UpgradeSettings()) == []
    assert planning.size_problems(sized(10_000), FleetOptions(admin_token="x").upgrade) == []


def test_a_run_that_has_no_room_says_how_many_members_would() -> None:
    status = sized(10_000)
    (problem,) = planning.size_problems(status, UpgradeSettings())
    fitting = re.fullmatch(
        r"spec: the run has 10000 members, and its status would take up to \d+ bytes of the 1400000 that this hub has "
        r"room for; make several runs, each of at most about (\d+) members",
        str(problem),
    )
    assert fitting is not None
    assert planning.size_problems(sized(int(fitting[1]) - 1), UpgradeSettings()) == []
    assert planning.size_problems(sized(int(fitting[1]) + 10), UpgradeSettings()) != []


def test_the_room_reckoned_with_is_enough_for_members_that_have_ended() -> None:
    status = sized(1000)
    (found,) = status.stages
    time = "2026-03-02T09:00:00.000000Z"
    ended = [
        replace(one, state="Completed", attempt=1, start_time=time, completed_time=time, operation_id=str(uuid.uuid4()))
        for one in found.groups[0].members
    ]
    at_end = replace(status, stages=(replace(found, groups=(replace(found.groups[0], members=tuple(ended)),)),))
    limit = UpgradeSettings(max_status_bytes=len(msgspec.json.encode(at_end)))
    assert planning.size_problems(status, limit) != []


def test_a_change_of_very_many_members_is_written_as_a_whole() -> None:
    before = replace(sized(1000), observed_generation=1)
    (found,) = before.stages
    skipped = tuple(replace(one, state="Skipped", message="skipped by the user") for one in found.groups[0].members)

    def after(count: int) -> UpdateRunStatus:
        members = (*skipped[:count], *found.groups[0].members[count:])
        return replace(before, stages=(replace(found, groups=(replace(found.groups[0], members=members),)),))

    for count, operations in ((3, 1 + 3), (1000, 1 + 1)):
        patch = status_patch(run_of(status=before), after(count))
        assert patch is not None
        assert len(patch.content) == operations
