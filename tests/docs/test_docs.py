"""The documentation knows every command, option, kind and condition that users meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from echelon.api import conditions
from echelon.api.crds import manifests
from echelon.cli.main import main
from echelon.cli.story import HOW, WHERE
from echelon.placement.dialect import DIALECTS, Dialect

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
KINDS = (ROOT / "docs" / "kinds.md").read_text()


def commands(group: click.Group, path: str = "echelon") -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
        else:
            found.append((f"{path} {name}", command))
    return found


@pytest.mark.parametrize("path", [path for path, _ in commands(main)])
def test_every_command_is_documented(path: str) -> None:
    assert path in PAGES


OPTIONS = [
    pytest.param(name, id=f"{path} {name}")
    for path, command in commands(main)
    for parameter in command.params
    for name in parameter.opts
    if name.startswith("-")
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(option: str) -> None:
    assert f"`{option}" in PAGES


@pytest.mark.parametrize("crd", [pytest.param(crd, id=crd["spec"]["names"]["kind"]) for crd in manifests()])
def test_every_kind_is_documented(crd: dict[str, Any]) -> None:
    names = crd["spec"]["names"]
    scope = "cluster" if crd["spec"]["scope"] == "Cluster" else "namespace"
    (row,) = [line for line in KINDS.splitlines() if line.startswith(f"| {names['kind']} |")]
    _, _, short, where, writer, what, _ = [cell.strip() for cell in row.split("|")]
    assert where.split(",")[0] == scope
    assert writer
    assert what
    assert {name for name in names.get("shortNames", []) if name != "rs"} == set(short.strip("`").split()), row


CONDITIONS = {name: value for name, value in vars(conditions).items() if isinstance(value, str) and name.isupper()}


@pytest.mark.parametrize("word", sorted({*CONDITIONS.values()}))
def test_every_type_and_reason_of_a_condition_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGES


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_every_reason_that_depends_on_the_dialect_is_documented(dialect: Dialect) -> None:
    assert f"`{dialect.name}`" in PAGES
    for reason, _ in (dialect.approval_created, dialect.approval_given):
        assert f"`{reason}`" in PAGES


def test_the_demo_plays_the_examples() -> None:
    """What the demo writes is what the examples hold, waits and values aside."""
    examples = ROOT / "examples"
    assert yaml.safe_load(WHERE) == yaml.safe_load((examples / "placement.yaml").read_text())
    ours, theirs = yaml.safe_load(HOW.format(wait="1m")), yaml.safe_load((examples / "strategy.yaml").read_text())
    assert ours == theirs


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
