"""The cluster update tutorial, undisturbed and with the hub killed at random moments.

``update-run.sh`` is kept as administrators run it. To kill the hub at some moment of a step, bash is given a DEBUG trap
that tells this process of each step before it is taken, and waits for an answer. The next step waits until the hub is
back, since a command that finds no hub fails, as it should.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..processes import HubProcess

SCRIPT = Path(__file__).parent / "update-run.sh"
FLEET = Path(__file__).parents[2] / "examples" / "update-run-fleet.yaml"
TIMEOUT = 300.0
SEEDS = (1, 2)
KILLS = 3
LONGEST = 3.0  # seconds into a step that the hub is killed

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")

HOOK = """\
unset BASH_ENV
before_step() {
  case $BASH_COMMAND in
    e\\ *|check\\ *)
      printf '%s\\n' "${BASH_COMMAND%%$'\\n'*}" >&$STEPS
      read -r -u $STEPS _ ;;
  esac; }
trap before_step DEBUG
"""

# The steps that look again until something is so: of these, a hub that is away for a moment makes no difference.
PATIENT = (
    'check "completed"',
    'check "staged run completed"',
    'check "image run completed"',
    'check "goes on to the end"',
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "data", "--fleet", str(FLEET))
    hub.start()
    try:
        yield hub
    finally:
        hub.close()


def environment(hub: HubProcess) -> dict[str, str]:
    return os.environ | {"KUBECONFIG": str(hub.kubeconfig), "ECHELON": f"{sys.executable} -m echelon"}


def test_tutorial(hub: HubProcess) -> None:
    done = subprocess.run(
        ["bash", SCRIPT], env=environment(hub), capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.stdout.endswith("\n0 failed\n"), done.stdout + done.stderr
    assert done.returncode == 0
    assert hub.interrupt() == (0, "\nstopping…\n", "")


@pytest.mark.parametrize("seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.soak) for seed in SEEDS[1:])])
def test_tutorial_with_the_hub_killed_at_random_moments(hub: HubProcess, tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    moments = {step: choice.uniform(0, LONGEST) for step in choice.sample(PATIENT, KILLS)}
    output = Disturbed(hub, moments).play(tmp_path)
    assert output.endswith("\n0 failed\n"), output
    assert not moments


class Disturbed:
    """The tutorial with a hub that is killed, and started again, so many seconds after steps that begin so."""

    def __init__(self, hub: HubProcess, moments: dict[str, float]) -> None:
        self._hub = hub
        self._moments = moments
        self._killing: threading.Timer | None = None

    def play(self, folder: Path) -> str:
        """Run the tutorial to its end; its output."""
        hook = folder / "hook.sh"
        hook.write_text(HOOK)
        steps, theirs = socket.socketpair()
        with (
            (folder / "output").open("w+") as output,
            steps,
            subprocess.Popen(
                ["bash", SCRIPT],
                env=environment(self._hub) | {"BASH_ENV": str(hook), "STEPS": str(theirs.fileno())},
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
            ) as script,
        ):
            theirs.close()
            steps.settimeout(TIMEOUT)
            with steps.makefile() as lines:
                for line in lines:
                    self._before(line)
                    steps.sendall(b"\n")
            script.wait(TIMEOUT)
            self._settle()
            output.seek(0)
            return output.read()

    def _before(self, step: str) -> None:
        self._settle()
        found = next((known for known in self._moments if step.startswith(known)), None)
        if found is not None:
            self._killing = threading.Timer(self._moments.pop(found), self._hub.restart)
            self._killing.start()

    def _settle(self) -> None:
        """Wait until the hub is back, if it is being killed."""
        if self._killing is not None:
            self._killing.join()
            self._killing = None
