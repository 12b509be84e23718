"""The commands of docs/az.md, as a newcomer types them, one after the other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..processes import HubProcess
from .conftest import FLEET_FILE, Az, printed, set_up

PAGE = (Path(__file__).parents[2] / "docs" / "az.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def fresh(program: str, tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "data", "--fleet", str(FLEET_FILE))
    hub.start()
    try:
        yield hub
    finally:
        hub.close()


def test_the_page(fleet: Az, program: str, fresh: HubProcess, tmp_path: Path) -> None:
    az, commands = set_up(program, fresh, tmp_path)
    for _, *words in commands:
        az(*words)
    environment = az.environment | {"KUBECONFIG": str(fresh.kubeconfig)}
    environment["PATH"] = f"{Path(program).parent}:{environment['PATH']}"
    script = "set -euo pipefail\n" + "".join(BLOCKS)
    ended = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    shown = az("fleet", "updaterun", "show", "-g", "demo", "-f", "fleet", "-n", "second")
    assert shown["status"]["status"]["state"] == "Completed"
    third = ("-g", "demo", "-f", "fleet", "-n", "third", "--upgrade-type", "NodeImageOnly")
    assert "AuthorizationFailed" in az.refused("fleet", "updaterun", "create", *third)


def test_the_lines_on_the_page_are_those_that_the_hub_prints(hub: HubProcess) -> None:
    variables, commands = printed(hub)
    assert all(f"{name}=" in PAGE for name in variables)
    for words in commands:
        told = [word for word in words if str(hub.data) not in word and str(hub.port) not in word]
        assert " ".join(told[:4]) in PAGE
