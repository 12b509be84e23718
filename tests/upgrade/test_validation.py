"""What is refused, with a message that says why."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api import names
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.validation import Surroundings, run_problems, strategy_problems

from .hub import control_plane, full, node_images, order, stage
from .values import IMAGE, around, member, releases, run_of, strategy

KNOWN = releases({"1.30.0": [], "1.30.4": [], "1.31.1": [], "1.32.0": []}, {f"{IMAGE}-202410.15.0": []})
STAGES = order(stage("one", "a"), stage("two", "b"))
FLEET = around(member("m1", "a"), member("m2", "b"), strategies={"weekly": strategy(STAGES)}, known=KNOWN)
VERSION = "spec.managedClusterUpdate.upgrade.kubernetesVersion"
CUSTOM = "spec.managedClusterUpdate.nodeImageSelection.customNodeImageVersions"


def problems(update: Any = None, fleet: Surroundings = FLEET, **spec: Any) -> list[str]:
    return [str(problem) for problem in run_problems(run_of(update, **spec), fleet)]


@pytest.mark.parametrize(
    "update",
    [
        full("1.30.4"),
        full("1.31"),
        control_plane("1.31.1"),
        node_images(),
        node_images("Consistent"),
        node_images("Custom", f"{IMAGE}-202410.15.0"),
    ],
)
@pytest.mark.parametrize("spec", [{}, {"strategy": STAGES}, {"updateStrategyName": "weekly"}])
def test_good_runs(update: Any, spec: Any) -> None:
    assert problems(update, **spec) == []


@pytest.mark.parametrize(
    ("update", "spec", "problem"),
    [
        ({"upgrade": {"type": "Full"}}, {}, f"{VERSION}: must be set when the upgrade type is Full"),
        ({"upgrade": {"type": "ControlPlaneOnly"}}, {}, f"{VERSION}: must be set when the upgrade type is Contro"),
        (
            {"upgrade": {"type": "NodeImageOnly", "kubernetesVersion": "1.31.1"}},
            {},
            f"{VERSION}: cannot be set when the upgrade type is NodeImageOnly, found '1.31.1'",
        ),
        (full("1.30.5"), {}, f"{VERSION}: '1.30.5' is in no ReleaseCatalog; there are: 1.30.0, 1.30.4, 1.31.1, 1.32.0"),
        (full("1.29"), {}, f"{VERSION}: '1.29' is in no ReleaseCatalog"),
        (full("newest"), {}, f"{VERSION}: 'newest' is not a Kubernetes version"),
        (
            full("1.32.0"),
            {},
            f"{VERSION}: '1.32.0' is more than one minor version ahead of members of the run: "
            "m1 is at 1.30.0, m2 is at 1.30.0",
        ),
        (None, {"strategy": STAGES, "updateStrategyName": "weekly"}, "spec: strategy and updateStrategyName cannot"),
        (
            None,
            {"updateStrategyName": "nope"},
            "spec.updateStrategyName: there is no UpdateStrategy 'nope'; there are: weekly",
        ),
        (None, {"strategy": order()}, "spec.strategy.stages: must have at least one stage"),
        (
            None,
            {"strategy": order(stage("one", "a", "c"))},
            "spec.strategy.stages[0].groups[1].name: no member is in the group 'c'; there are: a, b",
        ),
        (node_images("Custom"), {}, f"{CUSTOM}: must name at least one image"),
        (node_images("Latest", f"{IMAGE}-202410.15.0"), {}, f"{CUSTOM}: cannot be set when the type is Latest"),
        (node_images("Custom", f"{IMAGE}-1.0"), {}, f"{CUSTOM}[0]: '{IMAGE}-1.0' is in no ReleaseCatalog"),
        (node_images("Custom", "latest"), {}, f"{CUSTOM}[0]: 'latest' is not a node image"),
        (
            node_images("Custom", f"{IMAGE}-202410.15.0", f"{IMAGE}-202410.01.0"),
            {},
            f"{CUSTOM}[1]: '{IMAGE}-202410.01.0' is the second image of the family {IMAGE}; one is accepted",
        ),
    ],
)
def test_refused_runs(update: Any, spec: Any, problem: str) -> None:
    found = problems(update, **spec)
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([stage("one", "a"), stage("one", "b")], "stages[1].name: stage 'one' appears twice"),
        (
            [stage("one", "a"), stage("two", "a")],
            "stages[1].groups[0].name: group 'a' appears twice, in stage 'one' and in stage 'two'",
        ),
        ([stage("one", "a", "a")], "stages[0].groups[1].name: group 'a' appears twice"),
        ([stage("one")], "stages[0].groups: stage 'one' needs at least one group or a memberSelector"),
        (
            [stage("one", *(f"g{n}" for n in range(51)))],
            "stages[0].groups: stage 'one' has 51 groups; at most 50",
        ),
        ([stage("one", "a", maxConcurrency=0)], "stages[0].maxConcurrency: 0 is neither a count from 1 up"),
        ([stage("one", "a", maxConcurrency="0%")], "stages[0].maxConcurrency: '0%' is neither"),
        ([stage("one", "a", maxConcurrency="101%")], "stages[0].maxConcurrency: '101%' is neither"),
        ([stage("one", "a", maxConcurrency="all")], "stages[0].maxConcurrency: 'all' is neither"),
        ([stage("one", "a", maxConcurrency=51)], "stages[0].maxConcurrency: 51 is more than the 50 that a stage may"),
        (
            [stage("one", {"name": "a", "maxConcurrency": "6"}, maxConcurrency=5)],
            "stages[0].groups[0].maxConcurrency: 6 is more than the 5 of its stage 'one'",
        ),
        ([stage("one", "a", maxAllowedFailures="-1")], "stages[0].maxAllowedFailures: '-1' is neither a count from 0"),
        ([stage("one", "a", afterStageWaitInSeconds=-1)], "stages[0].afterStageWaitInSeconds: cannot be negative"),
        ([stage("one", memberSelector={"byLabel": "a b"})], "stages[0].memberSelector.byLabel: 'a b' in 'a b' is no t"),
        (
            [stage("one", "a", beforeGates=[{"type": "ScheduledStart"}])],
            "stages[0].beforeGates[0]: scheduledStartConfiguration must be set",
        ),
        (
            [
                stage(
                    "one",
                    "a",
                    afterGates=[
                        {
                            "type": "ScheduledStart",
                            "scheduledStartConfiguration": {
                                "startDay": "Friday",
                                "startTime": "18:00",
                                "utcOffset": "+00:00",
                            },
                        }
                    ],
                )
            ],
            "stages[0].afterGates[0]: a gate of type ScheduledStart can only be a before gate",
        ),
    ],
)
def test_refused_strategies(stages: Any, problem: str) -> None:
    (found,) = strategy_problems(strategy(order(*stages)), field="spec.strategy")
    assert str(found).startswith(f"spec.strategy.{problem}")


def test_the_ceiling_is_a_setting() -> None:
    wide = strategy(order(stage("one", "a", maxConcurrency=80)))
    assert len(strategy_problems(wide)) == 1
    assert strategy_problems(wide, settings=UpgradeSettings(max_stage_concurrency=100)) == []


def test_groups_that_select_members_need_no_label() -> None:
    selected = {"byLabel": "team=fleet"}
    assert problems(strategy=order(stage("one", "new", memberSelector=selected))) == []
    assert problems(strategy=order(stage("one", {"name": "new", "memberSelector": selected}))) == []


def test_only_members_of_the_run_count_for_the_distance() -> None:
    fleet = around(member("m1", "a", "1.31.0"), member("m2", "b", "1.30.0"), known=KNOWN)
    assert problems(full("1.32.0"), fleet, strategy=order(stage("one", "a"))) == []
    assert len(problems(full("1.32.0"), fleet)) == 1


def test_what_is_not_known_is_not_refused() -> None:
    fleet = around(member("m1", "a", ""))
    assert problems(full("1.99.0"), fleet) == []


def test_automatic_runs_are_judged_mildly() -> None:
    labels = {names.AUTO_UPGRADE_PROFILE: "weekly"}
    assert problems(full("1.32.0"), labels=labels) == []
    assert problems(strategy=order(stage("one", "empty")), labels=labels) == []
    assert problems(full("1.33.0"), labels=labels) != []
