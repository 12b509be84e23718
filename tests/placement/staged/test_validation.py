"""Whether a run can still be carried out as it was planned, in both dialects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api.placement import ApplyStrategy, PlacementSpec, RolloutStrategy
from echelon.api.policy import PlacementPolicy
from echelon.placement.dialect import Dialect
from echelon.placement.staged.initialization import Surroundings, initialize
from echelon.placement.staged.validation import Outdated, validate

from .runs import AZURE, EXTERNAL, KUBEFLEET, POLICY, binding, member, stage, surroundings

CLIENT = "failed to process the request due to a client error: "
UNEXPECTED = "unexpected behavior which cannot be handled by the controller: "
MEMBERS = {"a": {"env": "one"}, "b": {"env": "two"}, "c": {"env": "two"}}
STAGES = (stage("one", env="one"), stage("two", env="two"))
READY = surroundings(MEMBERS, *STAGES, delete=["x"])
BOTH = pytest.mark.parametrize("dialect", [AZURE, KUBEFLEET], ids=lambda dialect: dialect.name)


def changed(**values: Any) -> Surroundings:
    return msgspec.structs.replace(READY, **values)


def check(around: Surroundings, dialect: Dialect) -> str | None:
    """What ends a run that was initialised when all was well."""
    status = initialize("first", READY, "0", dialect)
    try:
        validate(status, around, dialect)
    except Outdated as problem:
        return str(problem)
    return None


@BOTH
def test_nothing_changed(dialect: Dialect) -> None:
    assert check(READY, dialect) is None


@BOTH
@pytest.mark.parametrize(
    ("around", "message"),
    [
        (changed(placement=None), CLIENT + "parent placement not found"),
        (
            changed(placement=PlacementSpec(resource_selectors=())),
            CLIENT + "parent placement does not have an external rollout strategy, current strategy: RollingUpdate",
        ),
        (
            changed(policies=[msgspec.structs.replace(POLICY, index="1")]),
            "the policy snapshot index used in the updateRun is outdated, latest: 1, recorded: 0",
        ),
        (
            changed(policies=[msgspec.structs.replace(POLICY, index=None)]),
            UNEXPECTED + "policy snapshot `web-0` does not have a policy index label",
        ),
    ],
)
def test_what_ends_a_run_in_both_dialects(dialect: Dialect, around: Surroundings, message: str) -> None:
    assert check(around, dialect) == message


@BOTH
def test_another_way_of_applying(dialect: Dialect) -> None:
    strategy = RolloutStrategy(type="External", apply_strategy=ApplyStrategy(type="ReportDiff"))
    message = check(changed(placement=msgspec.structs.replace(EXTERNAL, strategy=strategy)), dialect)
    assert message is not None
    assert message.startswith(CLIENT + "the applyStrategy in the updateRun is outdated, latest: {")
    assert '"type":"ReportDiff"' in message.split("recorded:")[0]


@BOTH
def test_the_strategy_may_change_or_go(dialect: Dialect) -> None:
    assert check(changed(strategy=None), dialect) is None
    assert check(msgspec.structs.replace(surroundings(MEMBERS, stage("all")), bindings=READY.bindings), dialect) is None


@BOTH
@pytest.mark.parametrize(
    "around",
    [
        changed(policies=[]),
        changed(policies=[msgspec.structs.replace(POLICY, scheduled=False)]),
        changed(policies=[POLICY, msgspec.structs.replace(POLICY, name="web-1", index="1")]),
    ],
)
def test_a_scheduler_at_work_ends_nothing(dialect: Dialect, around: Surroundings) -> None:
    assert check(around, dialect) is None


MEMBERSHIP: list[tuple[str, Surroundings, str]] = [
    (
        "joined a stage",
        surroundings({**MEMBERS, "d": {"env": "two"}}, *STAGES, delete=["x"]),
        "the number of clusters in index `1` stage has changed, new: 3, existing: 2",
    ),
    (
        "joined no stage",
        surroundings({**MEMBERS, "d": {}}, *STAGES, delete=["x"]),
        CLIENT + "some clusters are not placed in any stage, total 1, showing up to 10: d",
    ),
    (
        "left",
        surroundings({"a": {"env": "one"}, "b": {"env": "two"}}, *STAGES, delete=["x"]),
        "the number of clusters in index `1` stage has changed, new: 1, existing: 2",
    ),
    (
        "another one in its place",
        surroundings({"a": {"env": "one"}, "b": {"env": "two"}, "d": {"env": "two"}}, *STAGES, delete=["x"]),
        "the `1` cluster in the `1` stage has changed, new: d, existing: c",
    ),
    (
        "relabelled",
        changed(members=[member("a", env="one"), member("b", env="one"), member("c", env="two")]),
        "the number of clusters in index `0` stage has changed, new: 2, existing: 1",
    ),
    (
        "unselected",
        changed(bindings=[*READY.bindings, binding("y", state="Unscheduled")]),
        "the cluster `y` to be deleted is not in the delete stage",
    ),
]


@pytest.mark.parametrize(("around", "message"), [case[1:] for case in MEMBERSHIP], ids=[case[0] for case in MEMBERSHIP])
def test_membership_ends_a_run_in_one_dialect_only(around: Surroundings, message: str) -> None:
    assert check(around, KUBEFLEET) == message
    assert check(around, AZURE) is None


def test_another_number_of_members() -> None:
    def picked(number: int, *members: str) -> Surroundings:
        policy = PlacementPolicy(placement_type="PickN", number_of_clusters=number)
        view = msgspec.structs.replace(POLICY, policy=policy, number_of_clusters=str(number))
        return surroundings({name: {} for name in members}, stage("all"), policies=[view])

    status = initialize("first", picked(2, "a", "b"), "0", KUBEFLEET)
    validate(status, picked(2, "a", "b"), KUBEFLEET)
    with pytest.raises(Outdated) as raised:
        validate(status, picked(3, "a", "b", "c"), KUBEFLEET)
    assert str(raised.value) == "the cluster count initialized in the updateRun is outdated, latest: 3, recorded: 2"
    validate(status, picked(3, "a", "b", "c"), AZURE)


def test_a_member_that_was_emptied_ends_nothing() -> None:
    assert check(surroundings(MEMBERS, *STAGES), KUBEFLEET) is None


def test_stages_that_are_not_those_of_the_plan() -> None:
    """Nobody changes a status by hand, but if somebody did, the run would not go on."""
    status = initialize("first", READY, "0", KUBEFLEET)
    fewer = msgspec.structs.replace(status, stages_status=status.stages_status[:1])
    with pytest.raises(Outdated, match="the number of stages in the updateRun has changed, new: 2, existing: 1"):
        validate(fewer, READY, KUBEFLEET)
    renamed = msgspec.structs.replace(status.stages_status[0], stage_name="zero")
    other = msgspec.structs.replace(status, stages_status=(renamed, *status.stages_status[1:]))
    with pytest.raises(Outdated) as raised:
        validate(other, READY, KUBEFLEET)
    assert str(raised.value) == "index `0` stage name in the updateRun has changed, new: one, existing: zero"


def test_a_binding_on_its_way_to_another_policy_ends_nothing() -> None:
    bindings = [*READY.bindings[:2], binding("c", policy="web-7"), *READY.bindings[3:]]
    assert check(changed(bindings=bindings), KUBEFLEET) is None
