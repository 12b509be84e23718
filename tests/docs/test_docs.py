"""The documentation knows every command, option, kind and condition that users meet."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import pytest

from echelon.api import conditions
from echelon.cli.main import main
from echelon.placement.staged import reporting

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])


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


@pytest.mark.parametrize("option", ["--member", "--data", "--port", "--kubeconfig", "--verbose"])
def test_every_option_of_up_is_documented(option: str) -> None:
    (up,) = [command for path, command in commands(main) if path == "echelon up"]
    assert option in {name for parameter in up.params for name in parameter.opts}
    assert f"`{option}" in PAGES


STAGED = [
    value
    for name, value in inspect.getmembers(conditions)
    if isinstance(value, str) and name.startswith(("RUN_", "STAGE_", "CLUSTER_"))
]


@pytest.mark.parametrize("reason", [*STAGED, reporting.RUN_PROGRESSING])
def test_every_reason_of_a_staged_run_is_documented(reason: str) -> None:
    assert reason in PAGES


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
