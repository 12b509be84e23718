"""The page for beginners, typed from top to bottom into a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..processes import HubProcess

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "getting-started.md"

# What the page leaves to its reader: the hub runs already, and what is looked for in the tree is waited for.
PRELUDE = """\
set -e
echelon() {
  case "$1 $2" in
    "rollout watch") kubectl wait --for=create clusterapprovalrequest/"$3-canary" --timeout=180s ;;
    "rollout status") command "$ECHELON" "$@" ;;
  esac; }
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "share" / "echelon")
    hub.start()
    yield hub
    hub.close()


def commands(page: str) -> list[str]:
    """The lines of all shell blocks."""
    blocks = page.split("```sh\n")[1:]
    return [line for block in blocks for line in block.split("```")[0].splitlines()]


@pytest.mark.soak  # the wait of the page's strategy is a minute
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")
def test_every_command_of_the_page_works(hub: HubProcess) -> None:
    lines = [line for line in commands(PAGE.read_text()) if not line.startswith(("scripts/setup", "export "))]
    environment = os.environ | {"KUBECONFIG": str(hub.kubeconfig), "ECHELON": str(ROOT / ".venv" / "bin" / "echelon")}
    done = subprocess.run(
        ["bash", "-x", "-c", "\n".join([PRELUDE, *lines])],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "value1" in done.stdout
