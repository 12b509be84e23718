"""kubectl takes the server for Kubernetes: transcripts of its daily use, with each kubectl that is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .runner import Kubectl
from .transcript import commands

HERE = Path(__file__).parent
TRANSCRIPTS = sorted((HERE / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(kubectl: Kubectl, path: Path) -> None:
    shutil.copytree(HERE / "manifests", kubectl.folder, dirs_exist_ok=True)
    for command in commands(path):
        status, output = await kubectl.run(*command.arguments, settings=command.settings)
        place = f"{path.name}:{command.line}: kubectl {' '.join(command.arguments)}"
        assert status == command.status, f"{place}\n{output}"
        missing = command.missing(output)
        assert missing is None, f"{place}\nlacks {missing!r}\n{output}"


def test_many_kinds_of_commands_are_tried() -> None:
    assert len({command.kind for path in TRANSCRIPTS for command in commands(path)}) >= 100
