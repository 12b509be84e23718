"""The staged rollout tutorial with kubectl, undisturbed and with the hub killed between its steps.

``staged-rollout.sh`` is kept as administrators run it, ``staged-rollout-namespaced.sh`` is the same for
an application team in its namespace. To stop it between two steps, bash is given a
DEBUG trap that tells this process of every step before it is taken, and waits for an answer.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..processes import HubProcess

SCRIPT = Path(__file__).parent / "staged-rollout.sh"
NAMESPACED = Path(__file__).parent / "staged-rollout-namespaced.sh"
TIMEOUT = 300.0

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")

HOOK = """\
unset BASH_ENV
before_step() {
  case $BASH_COMMAND in
    check\\ *|hub\\ *|start_run\\ *|approve\\ *)
      printf '%s\\n' "${BASH_COMMAND%%$'\\n'*}" >&$STEPS
      read -r -u $STEPS _ ;;
  esac; }
trap before_step DEBUG
"""

# Steps before which the hub is killed, by how they begin: everything that a hub may be at.
KILLS = (
    "hub apply",  # nothing is there but members
    'check "placement scheduled"',
    'check "second snapshot is the latest"',
    "start_run example-run 1",
    'check "staging member updated first"',
    'check "canary members updated after the wait"',
    "approve example-run-canary",
    'check "run succeeded"',
    'check "rollback asks for approval"',
    'check "rollback succeeded"',
    "hub delete crp",
    'check "clean-up: members emptied"',
)


@pytest.mark.parametrize("script", [SCRIPT, NAMESPACED], ids=["cluster", "namespaced"])
def test_tutorial(hub: HubProcess, script: Path) -> None:
    environment = os.environ | {"KUBECONFIG": str(hub.kubeconfig)}
    done = subprocess.run(
        ["bash", script, "2s"], env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.stdout.endswith("\n0 failed\n"), done.stdout
    assert done.returncode == 0
    assert done.stderr == ""
    assert hub.interrupt() == (0, "\nstopping…\n", "")


def test_tutorial_with_the_hub_killed_at_decisive_moments(hub: HubProcess, tmp_path: Path) -> None:
    to_come = list(KILLS)

    def kill(step: str) -> None:
        if to_come and step.startswith(to_come[0]):
            to_come.pop(0)
            hub.restart()

    output = play(hub, tmp_path, kill)
    assert output.endswith("\n0 failed\n"), output
    assert not to_come


@pytest.mark.soak
def test_tutorial_with_the_hub_killed_before_every_step(hub: HubProcess, tmp_path: Path) -> None:
    output = play(hub, tmp_path, lambda _: hub.restart())
    assert output.endswith("\n0 failed\n"), output


def play(hub: HubProcess, folder: Path, before_step: Callable[[str], None]) -> str:
    """Run the tutorial with ``before_step`` called with each step before it is taken; its output."""
    hook = folder / "hook.sh"
    hook.write_text(HOOK)
    steps, theirs = socket.socketpair()
    environment = os.environ | {
        "KUBECONFIG": str(hub.kubeconfig),
        "BASH_ENV": str(hook),
        "STEPS": str(theirs.fileno()),
    }
    with (
        (folder / "output").open("w+") as output,
        steps,
        subprocess.Popen(
            ["bash", SCRIPT], env=environment, stdout=output, stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()]
        ) as script,
    ):
        theirs.close()
        steps.settimeout(TIMEOUT)
        with steps.makefile() as lines:
            for line in lines:
                before_step(line)
                steps.sendall(b"\n")
        script.wait(TIMEOUT)
        output.seek(0)
        return output.read()
