"""What options accept, and what is said of what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from echelon.api.fleet import GateConfiguration
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.stages import read_stages
from echelon.cli.fleet.values import KubernetesVersion, Labels, MinorVersion, Name, Seconds
from echelon.cli.output import select, tab_separated


def stages(*found: object) -> str:
    return json.dumps({"stages": found})


def test_a_whole_order() -> None:
    gate = {"displayName": "ok?", "type": "Approval"}
    group = {"name": "g", "maxConcurrency": "50%", "beforeGates": [gate], "afterGates": []}
    selected = {"name": "two", "memberSelector": {"byLabel": "env=prod"}, "maxAllowedFailures": "5%"}
    order = read_stages(stages({"name": "one", "groups": [group], "afterStageWaitInSeconds": 60}, selected))
    one, two = order.stages
    assert (one.after_stage_wait_in_seconds, one.groups[0].max_concurrency) == (60, "50%")
    assert one.groups[0].before_gates == (GateConfiguration(display_name="ok?", type="Approval"),)
    assert (two.groups, two.max_allowed_failures) == ((), "5%")


def test_null_is_as_good_as_nothing() -> None:
    (stage,) = read_stages(stages({"name": "a", "groups": [{"name": "g"}], "afterStageWaitInSeconds": None})).stages
    assert stage.after_stage_wait_in_seconds == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--stages:1:2: this is no JSON"),
        ("[]", "an object with a list of stages is wanted"),
        ("{}", "an object with a list of stages is wanted"),
        (stages(), "stages: must have at least one stage"),
        ("nowhere", "there is no file 'nowhere', and it is no JSON"),
        (stages({"groups": []}), "stages[0]: object missing required field `name`"),
        (stages({"name": 5}), "stages[0].name: expected `str`, got `int`"),
        (
            stages({"name": "a", "maxConcurency": 5}),
            "stages[0].maxConcurency: there is no such key; accepted are name",
        ),
        (
            stages({"name": "a", "groups": [{"name": "g", "gates": []}]}),
            "groups[0].gates: there is no such key",
        ),
        (
            stages({"name": "a", "beforeGates": [{"type": "Maybe"}]}),
            "beforeGates[0].type: invalid enum value",
        ),
    ],
)
def test_what_is_no_order(text: str, message: str) -> None:
    with pytest.raises(CannotStart) as refused:
        read_stages(text)
    assert message in refused.value.message


def test_the_line_in_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    file.write_text('{"stages": [\n  {"name" "a"}]}')
    with pytest.raises(CannotStart, match=r"stages\.json:2:11: this is no JSON"):
        read_stages(str(file))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (KubernetesVersion(), "v1.31.1", "1.31.1"),
        (KubernetesVersion(), "1.31", "1.31"),
        (MinorVersion(), "1.31", "1.31"),
        (Name(), "run-1", "run-1"),
        (Labels(), "team=fleet  env=", {"team": "fleet", "env": ""}),
        (Labels(), "", {}),
        (Seconds(), "1h30m", 5400.0),
        (Seconds(), "45", 45.0),
        (Seconds(), "1.5s", 1.5),
    ],
)
def test_values(kind: click.ParamType[object], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (KubernetesVersion(), "1", "want one such as 1.31.1"),
        (MinorVersion(), "1.31.1", "is not a minor version"),
        (Name(), "Run", "lower-case letters"),
        (Name(), "x" * 51, "at most 50"),
        (Labels(), "team", "is no label"),
        (Labels(), "a=1 a=2", "is given twice"),
        (Labels(), "fleet.echelon.dev/update-group=x", "is what --update-group sets"),
        (Seconds(), "soon", "is not a duration"),
        (Seconds(), "", "is not a duration"),
    ],
)
def test_what_is_no_value(kind: click.ParamType[object], text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        kind.convert(text, None, None)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (None, []),
        ("a", ["a"]),
        (["a", True, None], ["a", "true", ""]),
        ({"a": 1, "b": [1, 2], "c": {"d": 1}}, ["1\t2\t"]),
        ([["a", "b c"], {"x": "line\nbreak"}], ["a\tb c", "line break"]),
    ],
)
def test_tab_separated_values(data: object, lines: list[str]) -> None:
    assert tab_separated(data) == lines


def test_what_an_expression_picks() -> None:
    assert select({"a": {"b": 1}}, "a.b") == 1
    assert select({"a": 1}, "") == {"a": 1}
    with pytest.raises(CannotStart, match="is no JMESPath expression"):
        select({}, "a.")
