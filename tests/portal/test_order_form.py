"""Stages put together by hand: fields to an order and back."""

from __future__ import annotations

import pytest

from echelon.api.fleet import UpdateRunStrategy
from echelon.api.meta import from_dict
from echelon.portal.page import Form
from echelon.portal.pages.order_form import fields_of, order_of, stages_in

BODY = (
    b"name=x&stage=&stage_name=one&stage_wait=1h+30min&stage_after=Fine%3F&stage_concurrency=&group=&group_name=a"
    b"&group_concurrency=25%25&group=&group_name=b&group_failures=2&stage=&stage_name=two&stage_before=Go&group=&group_name=c"
)


def test_rows_become_stages_and_groups() -> None:
    problems: list[str] = []
    order = order_of(stages_in(Form.of(BODY)), problems)
    assert problems == []
    assert order is not None
    one, two = order.stages
    assert (one.name, one.after_stage_wait_in_seconds, one.max_concurrency) == ("one", 5400, 50)
    assert [(group.name, group.max_concurrency, group.max_allowed_failures) for group in one.groups] == [
        ("a", "25%", None),
        ("b", 1, 2),
    ]
    assert [gate.display_name for gate in (*one.after_gates, *two.before_gates)] == ["Fine?", "Go"]


def test_an_order_comes_back_as_it_went() -> None:
    stages = stages_in(Form.of(BODY))
    order = order_of(stages, [])
    assert order is not None
    back = fields_of(order)
    assert back is not None
    assert order_of(back, []) == order


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("stage_name", "Not a name", "'Not a name'"),
        ("stage_wait", "soon", "'soon' is no wait"),
        ("stage_concurrency", "0", "'0' members at a time"),
        ("stage_concurrency", "101%", "'101%' members at a time"),
        ("stage_failures", "-1", "'-1' failures allowed"),
        ("group_name", "", "The name of group 1 of Stage 1"),
    ],
)
def test_what_cannot_be_is_said_with_what_was_seen(field: str, value: str, said: str) -> None:
    fields = {"stage_name": "one", "group_name": "a"} | {field: value}
    pairs = [("stage", "")]
    pairs += [(name, text) for name, text in fields.items() if name.startswith("stage")]
    pairs += [("group", ""), *((name, text) for name, text in fields.items() if name.startswith("group"))]
    problems: list[str] = []
    assert order_of(stages_in(Form(tuple(pairs))), problems) is None
    assert said in problems[0]


@pytest.mark.parametrize(
    "special",
    [
        {"name": "s", "memberSelector": {"byLabel": "a=b"}},
        {"name": "s", "groups": [{"name": "g"}], "afterGates": [{"type": "Approval"}, {"type": "Approval"}]},
        {
            "name": "s",
            "groups": [
                {
                    "name": "g",
                    "beforeGates": [
                        {
                            "type": "ScheduledStart",
                            "scheduledStartConfiguration": {
                                "startDay": "Monday",
                                "startTime": "09:00",
                                "utcOffset": "+00:00",
                            },
                        }
                    ],
                }
            ],
        },
    ],
)
def test_an_order_with_more_to_it_than_the_form_is_left_alone(special: object) -> None:
    assert fields_of(from_dict(UpdateRunStrategy, {"stages": [special]})) is None
