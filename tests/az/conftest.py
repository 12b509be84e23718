"""``az`` itself against a hub of its own. ``make test-az`` installs it and runs this; elsewhere it is skipped.

``az`` is set up by the very lines that ``echelon up`` prints, in a home of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..processes import HubProcess

FLEET_FILE = Path(__file__).parents[2] / "examples" / "update-run-fleet.yaml"
PATIENCE = 120.0  # seconds for one command: az takes one on a quiet machine


class Az:
    """Runs ``az``; ``environment`` is all that it knows."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.environment = dict(environment)

    def __call__(self, *words: str | Path) -> Any:
        """What a command prints as JSON; None when it prints none."""
        ended = self.run(*words)
        assert ended.returncode == 0, f"az {shlex.join(map(str, words))}\n{ended.stdout}{ended.stderr}"
        assert "Traceback" not in ended.stderr
        lines = ended.stdout.splitlines()
        start = next((n for n, line in enumerate(lines) if line[:1] in ("{", "[", '"') or line in _WORDS), None)
        return None if start is None else json.loads("\n".join(lines[start:]))

    def refused(self, *words: str | Path) -> str:
        """What a command that has to fail says."""
        ended = self.run(*words)
        assert ended.returncode != 0, ended.stdout
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.stderr

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [self.program, *map(str, words)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )


_WORDS = ("true", "false")


@pytest.fixture(scope="session")
def program() -> str:
    found = os.environ.get("ECHELON_AZ", "")
    if not found:
        pytest.skip("az is tried by: make test-az")
    return found


@pytest.fixture(scope="session")
def hub(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub of the update run tutorial; its own fleet is ``fleet`` in the group ``demo``."""
    hub = HubProcess(tmp_path_factory.mktemp("az") / "data", "--fleet", str(FLEET_FILE))
    hub.start()
    try:
        yield hub
    finally:
        hub.close()


def printed(hub: HubProcess) -> tuple[dict[str, str], list[list[str]]]:
    """What the greeting of a hub says to type for az: variables, and commands."""
    lines = [line.strip() for line in hub.output.splitlines()]
    [export] = [line for line in lines if line.startswith("export AZURE_CONFIG_DIR=")]
    variables = dict(word.split("=", 1) for word in shlex.split(export)[1:])
    return variables, [shlex.split(line) for line in lines if line.startswith("az ")]


def set_up(program: str, hub: HubProcess, home: Path) -> tuple[Az, list[list[str]]]:
    """An az in a home of its own that has typed the first line of those printed; the commands that are left."""
    variables, commands = printed(hub)
    kept = {name: os.environ[name] for name in ("PATH", "AZURE_EXTENSION_DIR") if name in os.environ}
    quiet = {"HOME": str(home), "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off"}
    return Az(program, kept | quiet | variables | {"AZURE_CONFIG_DIR": str(home / "azure")}), commands


@pytest.fixture(scope="session")
def az(program: str, hub: HubProcess, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """The administrator's az: all lines typed that the hub printed."""
    az, commands = set_up(program, hub, tmp_path_factory.mktemp("home"))
    for _, *words in commands:
        az(*words)
    return az


@pytest.fixture(scope="session")
def fleet(az: Az) -> Az:
    """az, with its fleet extension."""
    if not any(extension["name"] == "fleet" for extension in az("extension", "list")):
        pytest.skip("az has no fleet extension: FLEET_EXTENSION=/path/to/wheel make test-az")
    return az
