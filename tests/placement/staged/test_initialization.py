"""What a run is going to do, and every reason for which it cannot, or cannot yet."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api import names
from echelon.api.meta import LabelSelector
from echelon.api.placement import ApplyStrategy, PlacementSpec, RolloutStrategy
from echelon.api.policy import PlacementPolicy
from echelon.api.staged import StageTask
from echelon.placement.staged.initialization import CannotInitialize, NotYet, Surroundings, initialize

from .runs import APPROVAL, AZURE, EXTERNAL, KUBEFLEET, POLICY, binding, initialized, pick, stage, surroundings, wait

CLIENT = "failed to process the request due to a client error: "
UNEXPECTED = "unexpected behavior which cannot be handled by the controller: "
MEMBERS = {"a": {"env": "one", "order": "2"}, "b": {"env": "one", "order": "1"}, "c": {"env": "two"}}
STAGES = (stage("one", env="one"), stage("two", env="two"))
READY = surroundings(MEMBERS, *STAGES)


def clusters(status: Any) -> list[list[str]]:
    return [[cluster.cluster_name for cluster in found.clusters] for found in status.stages_status]


def test_what_a_run_starts_with() -> None:
    apply_strategy = ApplyStrategy(when_to_apply="IfNotDrifted")
    placement = msgspec.structs.replace(
        EXTERNAL, strategy=RolloutStrategy(type="External", apply_strategy=apply_strategy)
    )
    around = msgspec.structs.replace(surroundings(MEMBERS, *STAGES, delete=["y", "x"]), placement=placement)
    status = initialize("first", around, "4", AZURE)
    assert status.policy_snapshot_index_used == "0"
    assert status.policy_observed_cluster_count == 3
    assert status.resource_snapshot_index_used == "4"
    assert status.applied_strategy == apply_strategy
    assert status.conditions == ()
    assert clusters(status) == [["a", "b"], ["c"]]
    assert [found.stage_name for found in status.stages_status] == ["one", "two"]
    deletion = status.deletion_stage_status
    assert deletion is not None
    assert deletion.stage_name == names.DELETE_STAGE
    assert [cluster.cluster_name for cluster in deletion.clusters] == ["x", "y"]


def test_without_an_apply_strategy_the_default_is_recorded() -> None:
    assert initialize("first", READY, "0", AZURE).applied_strategy == ApplyStrategy()


@pytest.mark.parametrize(
    ("dialect", "before", "after"),
    [(AZURE, "first-before-one", "first-one"), (KUBEFLEET, "first-before-one", "first-after-one")],
)
def test_names_of_approval_requests(dialect: Any, before: str, after: str) -> None:
    status = initialized(
        stage("one", before=[APPROVAL], after=[wait("5m"), APPROVAL]), members={"a": {}}, dialect=dialect
    )
    (one,) = status.stages_status
    assert [(t.type, t.approval_request_name) for t in one.before_stage_task_status] == [("Approval", before)]
    assert [(t.type, t.approval_request_name) for t in one.after_stage_task_status] == [
        ("TimedWait", ""),
        ("Approval", after),
    ]


def test_the_strategy_is_kept_with_canonical_durations() -> None:
    status = initialized(stage("one", after=[wait("90s"), APPROVAL]), members={"a": {}})
    strategy = status.staged_update_strategy_snapshot
    assert strategy is not None
    assert [task.wait_time for task in strategy.stages[0].after_stage_tasks] == ["1m30s", None]


def test_a_stage_without_a_selector_has_no_members() -> None:
    nobody = msgspec.structs.replace(stage("none"), label_selector=None)
    assert clusters(initialized(nobody, stage("all"), members={"a": {}})) == [[], ["a"]]


def test_an_empty_selector_takes_all() -> None:
    assert clusters(initialized(stage("all"), members=MEMBERS)) == [["a", "b", "c"]]


def test_the_order_in_a_stage() -> None:
    members = {"a": {"order": "10"}, "b": {"order": "9"}, "c": {"order": "010"}, "d": {"order": "0"}}
    assert clusters(initialized(stage("all", sort="order"), members=members)) == [["d", "b", "a", "c"]]


FLEETS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(
        lambda env, order: {"env": env, "order": str(order)}, st.sampled_from(["one", "two"]), st.integers(0, 20)
    ),
    min_size=1,
)


@given(FLEETS)
def test_every_member_is_in_exactly_one_stage_and_in_order(fleet: dict[str, dict[str, str]]) -> None:
    found = clusters(initialized(stage("one", sort="order", env="one"), stage("two", env="two"), members=fleet))
    assert sorted(name for names in found for name in names) == sorted(fleet)
    assert found[0] == sorted(found[0], key=lambda name: (int(fleet[name]["order"]), name))
    assert found[1] == sorted(found[1])


# What can never be


def changed(around: Surroundings = READY, **values: Any) -> Surroundings:
    return msgspec.structs.replace(around, **values)


def policy(**values: Any) -> Any:
    return msgspec.structs.replace(POLICY, **values)


FATAL: list[tuple[str, Surroundings, str]] = [
    ("no placement", changed(placement=None), CLIENT + "parent placement not found"),
    (
        "own rollout",
        changed(placement=PlacementSpec(resource_selectors=())),
        CLIENT + "parent placement does not have an external rollout strategy, current strategy: RollingUpdate",
    ),
    (
        "policy without index",
        changed(policies=[policy(index=None)]),
        UNEXPECTED + "policy snapshot `web-0` does not have a policy index label",
    ),
    (
        "number of members",
        changed(
            policies=[
                policy(policy=PlacementPolicy(placement_type="PickN", number_of_clusters=2), number_of_clusters="x")
            ]
        ),
        UNEXPECTED + "policy snapshot `web-0` has the invalid number of clusters 'x'",
    ),
    (
        "nobody selected",
        changed(bindings=[]),
        "no scheduled or to-be-deleted bindings found for the latest policy snapshot web-0",
    ),
    (
        "fewer than picked",
        changed(policies=[policy(policy=pick("a", "b", "c", "d"))]),
        UNEXPECTED + "the number of selected bindings 3 is not equal to the observed cluster count 4",
    ),
    (
        "more than asked for",
        changed(policies=[policy(policy=PlacementPolicy(placement_type="PickN"), number_of_clusters="2")]),
        UNEXPECTED + "the number of selected bindings 3 is not equal to the observed cluster count 2",
    ),
    ("no strategy", changed(strategy=None), CLIENT + "referenced updateStrategy not found: `/stages`"),
    (
        "two stages of one name",
        surroundings(MEMBERS, stage("one", env="one"), stage("one", env="two")),
        CLIENT + "the stage name `one` is used 2 times in the strategy",
    ),
    (
        "in two stages",
        surroundings(MEMBERS, stage("one", env="one"), stage("two")),
        CLIENT + "cluster `a` appears in more than one stages",
    ),
    (
        "in no stage",
        surroundings(MEMBERS, stage("two", env="two")),
        CLIENT + "some clusters are not placed in any stage, total 2, showing up to 10: a, b",
    ),
    (
        "many in no stage",
        surroundings({f"m{n:02}": {} for n in range(12)}, stage("two", env="two")),
        CLIENT
        + "some clusters are not placed in any stage, total 12, showing up to 10: "
        + ", ".join(f"m{n:02}" for n in range(10)),
    ),
    (
        "no sorting label",
        surroundings(MEMBERS, stage("one", env="one"), stage("two", sort="order", env="two")),
        CLIENT + 'the sorting label `order:` on cluster `c` is not valid: strconv.Atoi: parsing "": invalid syntax',
    ),
    (
        "no number",
        surroundings({"a": {"order": "first"}}, stage("one", sort="order")),
        CLIENT
        + 'the sorting label `order:first` on cluster `a` is not valid: strconv.Atoi: parsing "first": invalid syntax',
    ),
    (
        "a number that Go does not read",
        surroundings({"a": {"order": "1_000"}}, stage("one", sort="order")),
        CLIENT
        + 'the sorting label `order:1_000` on cluster `a` is not valid: strconv.Atoi: parsing "1_000": invalid syntax',
    ),
]


@pytest.mark.parametrize(("around", "message"), [case[1:] for case in FATAL], ids=[case[0] for case in FATAL])
def test_what_can_never_be_carried_out(around: Surroundings, message: str) -> None:
    with pytest.raises(CannotInitialize) as raised:
        initialize("first", around, "0", AZURE)
    assert str(raised.value) == message


TASKS: list[tuple[str, list[StageTask], str]] = [
    ("before", [APPROVAL, APPROVAL], "beforeStageTasks can have at most one task"),
    (
        "before",
        [wait("5m")],
        "task 0 of type TimedWait is not allowed in beforeStageTasks, allowed type: Approval",
    ),
    (
        "before",
        [StageTask(type="Approval", wait_time="5m")],
        "task 0 of type Approval cannot have wait duration set",
    ),
    ("after", [APPROVAL, APPROVAL], "afterStageTasks cannot have two tasks of the same type: Approval"),
    ("after", [wait("1m"), wait("2m")], "afterStageTasks cannot have two tasks of the same type: TimedWait"),
    ("after", [wait("5m"), StageTask(type="Approval", wait_time="5m")], "task 1 of type Approval cannot have wait "),
    ("after", [APPROVAL, wait(None)], "task 1 of type TimedWait has wait duration set to nil"),
    ("after", [wait("0s")], "task 0 of type TimedWait has wait duration <= 0"),
]


@pytest.mark.parametrize(("when", "tasks", "problem"), TASKS)
def test_tasks_that_make_no_sense(when: str, tasks: list[StageTask], problem: str) -> None:
    around = surroundings({"a": {}}, stage("one", **{when: tasks}))
    with pytest.raises(CannotInitialize) as raised:
        initialize("first", around, "0", AZURE)
    assert str(raised.value).startswith(
        f"{CLIENT}the {when} stage tasks are invalid, updateStrategy: `/stages`, stage: one, err: {problem}"
    )


# What is not yet


@pytest.mark.parametrize(
    ("around", "message"),
    [
        (changed(policies=[]), "no latest policy snapshot found for the placement yet"),
        (
            changed(policies=[policy(name="web-1"), POLICY]),
            "multiple active policy snapshots found for the placement: web-0, web-1",
        ),
        (changed(policies=[policy(scheduled=False)]), "policy snapshot `web-0` not fully scheduled yet"),
        (
            changed(policies=[policy(scheduled=False, obstacle="found 1 cluster(s) instead")]),
            "policy snapshot `web-0` not fully scheduled yet: found 1 cluster(s) instead",
        ),
        (
            changed(bindings=[binding("a", policy="web-7")]),
            "binding `web-a` with old policy snapshot `web-7` has state Scheduled",
        ),
    ],
)
def test_what_is_waited_for(around: Surroundings, message: str) -> None:
    with pytest.raises(NotYet) as raised:
        initialize("first", around, "0", AZURE)
    assert str(raised.value) == message


def test_members_to_empty_may_be_of_any_policy() -> None:
    around = changed(bindings=[*READY.bindings, binding("x", state="Unscheduled", policy="web-7")])
    deletion = initialize("first", around, "0", AZURE).deletion_stage_status
    assert deletion is not None
    assert [cluster.cluster_name for cluster in deletion.clusters] == ["x"]


def test_only_members_to_empty_is_enough() -> None:
    around = surroundings({}, stage("one"), delete=["x"])
    assert initialize("first", around, "0", AZURE).policy_observed_cluster_count == 0


def test_a_selector_with_expressions() -> None:
    found = msgspec.convert(
        {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["one"]}]}, LabelSelector
    )
    rest = msgspec.structs.replace(stage("rest"), label_selector=found)
    assert clusters(initialized(stage("one", env="one"), rest, members=MEMBERS)) == [["a", "b"], ["c"]]
