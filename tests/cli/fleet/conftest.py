"""A hub in a process of its own with four members that are upgraded in a moment, and its commands in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from echelon.cli.main import main

from ...processes import HubProcess

FLEET = """\
defaults:
  kubernetesVersion: 1.30.0
  controlPlaneSeconds: 0.1
  secondsPerNode: 0.02
  nodePools:
  - {name: system, nodes: 2, nodeImage: AKSUbuntu-2204gen2containerd-202410.01.0}
members:
- {name: member1, region: eastus, updateGroup: canary, labels: {team: fleet}}
- {name: member2, region: eastus, updateGroup: canary}
- {name: member3, region: westeurope, updateGroup: prod}
- {name: member4, region: westeurope, updateGroup: prod}
releases:
  kubernetesVersions: [1.30.0, 1.30.4, 1.31.1, 1.32.0]
  nodeImages:
  - {family: AKSUbuntu-2204gen2containerd, version: 202410.01.0}
  - {family: AKSUbuntu-2204gen2containerd, version: 202410.15.0}
  - {family: AKSUbuntu-2204gen2containerd, version: 202411.03.0, regions: [eastus]}
"""


class Commands:
    """The commands, for one hub."""

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub

    def __call__(self, *words: str, code: int = 0) -> Result:
        """Run a command and see that it ends with this exit code."""
        result = CliRunner().invoke(main, [*words, "--kubeconfig", str(self.hub.kubeconfig)], prog_name="echelon")
        assert result.exit_code == code, result.output
        return result

    def data(self, *words: str) -> Any:
        """What a command gives as data."""
        return json.loads(self(*words, "-o", "json").stdout)

    def state(self, run: str) -> str:
        return str(self.data("updaterun", "show", "-n", run)["status"]["state"])

    def wait(self, run: str, state: str) -> None:
        """Wait until a run is in a state."""
        self("updaterun", "wait", "-n", run, "--custom", f"status.state=='{state}'", "--timeout", "60")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    (folder / "fleet.yaml").write_text(FLEET)
    hub = HubProcess(folder / "data", "--fleet", str(folder / "fleet.yaml"))
    hub.start()
    try:
        yield Commands(hub)
    finally:
        hub.close()
