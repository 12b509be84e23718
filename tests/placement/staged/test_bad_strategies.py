"""Strategies that can never be followed: the run says what is wrong, once, and ends."""

from __future__ import annotations

import pytest

from echelon.api.meta import LabelSelector, LabelSelectorRequirement
from echelon.api.staged import StageConfig, StageTask

from ..agents import FakeAgents
from ..hub import Hub


def stage(**fields: object) -> StageConfig:
    return StageConfig(**({"name": "all", "label_selector": LabelSelector()} | fields))  # type: ignore[arg-type]


def selecting(operator: str, *values: str) -> LabelSelector:
    term = LabelSelectorRequirement("x", operator, values)  # type: ignore[arg-type]
    return LabelSelector(match_expressions=(term,))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            stage(label_selector=selecting("In")),
            "the stage label selector is invalid, updateStrategy: `/stages`, stage: all, err: for 'in', 'notin' "
            "operators, values set can't be empty",
        ),
        (
            stage(label_selector=selecting("Exists", "y")),
            "err: values set must be empty for exists and does not exist",
        ),
        (
            stage(after_stage_tasks=(StageTask(type="TimedWait", wait_time="9999999999h"),)),
            "task 0 of type TimedWait has an invalid wait duration: '9999999999h' is longer than any duration can be",
        ),
        (
            stage(after_stage_tasks=(StageTask(type="TimedWait", wait_time="0s"),)),
            "task 0 of type TimedWait has wait duration <= 0",
        ),
        (
            stage(sorting_label_key="order"),
            'the sorting label `order:` on cluster `a` is not valid: strconv.Atoi: parsing "": invalid syntax',
        ),
        (stage(label_selector=None), "some clusters are not placed in any stage, total 1, showing up to 10: a"),
    ],
    ids=["in without values", "exists with values", "endless wait", "no wait", "no sorting label", "nobody's stage"],
)
async def test_the_run_says_what_is_wrong(hub: Hub, agents: FakeAgents, config: StageConfig, said: str) -> None:
    await hub.join("a")
    await hub.configure("one")
    await hub.place()
    await hub.plan(config)
    await hub.start()
    await hub.until(lambda: hub.is_run("Initialized", "False", "UpdateRunInitializedFailed"))
    condition = hub.condition("Initialized")
    assert condition is not None
    assert said in condition.message
    await hub.pass_time(5)
    before = len(hub.writes)
    await hub.pass_time(600)
    assert hub.writes[before:] == []
    assert agents.effects == []
