"""The commands as a user runs them, against a hub in a process of its own."""

from __future__ import annotations

import asyncio
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from echelon.api.meta import ObjectMeta
from echelon.api.staged import ClusterStagedUpdateRun, UpdateRunSpec
from echelon.cli.story import HOW, PLACEMENT, STRATEGY, WHAT, WHERE
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load

from ..processes import PATIENCE, HubProcess, echelon


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with the demo's placement and strategy on it."""
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data")
    hub.start()
    asyncio.run(_prepare(hub))
    try:
        yield hub
    finally:
        hub.close()


async def _prepare(hub: HubProcess) -> None:
    client = Client(HttpTransport(load(hub.kubeconfig)))
    for text in (WHAT, WHERE, HOW.format(wait="1s")):
        for manifest in yaml.safe_load_all(text):
            await client.create(manifest)
    await client.close()


async def start_run(hub: HubProcess, name: str, *, placement: str = PLACEMENT) -> None:
    client = Client(HttpTransport(load(hub.kubeconfig)))
    spec = UpdateRunSpec(placement_name=placement, staged_rollout_strategy_name=STRATEGY)
    await client.create(ClusterStagedUpdateRun(metadata=ObjectMeta(name=name), spec=spec))
    await client.close()


def on(hub: HubProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    return echelon(*arguments, "--kubeconfig", hub.kubeconfig)


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process that is ending still prints; one that does not end is killed."""
    try:
        return process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


# -- rollout ------------------------------------------------------------------------------------


def test_a_run_is_followed_explained_and_unblocked(hub: HubProcess) -> None:
    assert on(hub, "rollout", "status").stdout == "No staged runs on this hub.\n"
    asyncio.run(start_run(hub, "first"))
    with subprocess.Popen(
        [sys.executable, "-m", "echelon", "rollout", "watch", "first", "--kubeconfig", str(hub.kubeconfig)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        lines = []
        for line in watching.stdout:
            lines.append(line)
            if "first/canary/approval  waiting" in line:
                break
        status = on(hub, "rollout", "status", "first").stdout
        assert "Waits for the approval of first-canary (stage canary)" in status
        (command,) = [line.strip() for line in status.splitlines() if line.startswith("  echelon ")]
        assert "the approval of first-canary" in on(hub, "rollout", "status").stdout
        assert echelon(*shlex.split(command)[1:]).returncode == 0
        rest, errors = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0
    assert errors == ""
    assert rest.splitlines()[-1].endswith("  first  done  (" + rest.splitlines()[-1].rpartition("(")[2])
    assert [line.split()[1] for line in lines if " updated" in line] == ["first/staging/member2"] + [
        f"first/canary/{name}" for name in ("member3", "member1")
    ]
    done = on(hub, "rollout", "status", "first").stdout.splitlines()
    assert done[0].split()[:3] == ["✓", "first", "done"]


def test_a_run_that_fails_is_followed_to_its_end(hub: HubProcess) -> None:
    asyncio.run(start_run(hub, "doomed", placement="nothing"))
    done = on(hub, "rollout", "watch", "doomed")
    assert done.returncode == 1
    assert "parent placement not found" in done.stdout
    assert done.stderr == "echelon: the run 'doomed' failed\n"
    assert "parent placement not found" in on(hub, "rollout", "status", "doomed").stdout


def test_ctrl_c_stops_watching(hub: HubProcess) -> None:
    asyncio.run(start_run(hub, "endless"))
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "echelon", "rollout", "watch", "endless"],
        env=os.environ | {"KUBECONFIG": str(hub.kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        errors = rest_of(watching)[1]
    assert (watching.returncode, errors) == (130, "")


@pytest.mark.parametrize("command", ["status", "watch"])
def test_a_run_that_is_not_there(hub: HubProcess, command: str) -> None:
    done = on(hub, "rollout", command, "absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("echelon: no ClusterStagedUpdateRun 'absent'; there is ")


def test_runs_of_a_namespace(hub: HubProcess) -> None:
    assert on(hub, "rollout", "status", "-n", "default").stdout == "No staged runs on the namespace 'default'.\n"
    done = on(hub, "rollout", "status", "absent", "-n", "default")
    assert done.stderr == "echelon: no StagedUpdateRun 'absent' in namespace 'default'; there is none\n"


@pytest.mark.parametrize("command", ["status", "watch"])
def test_a_hub_that_cannot_be_found(hub: HubProcess, tmp_path: Path, command: str) -> None:
    done = echelon("rollout", command, "one", "--kubeconfig", tmp_path / "absent")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"echelon: the kubeconfig {tmp_path}/absent does not exist")
    done = echelon("rollout", command, "one", "--kubeconfig", hub.kubeconfig, "--context", "absent")
    assert done.returncode == 2
    assert "there is hub, member1, member2, member3" in done.stderr


@pytest.mark.parametrize("command", ["status", "watch"])
def test_a_hub_that_does_not_answer(hub: HubProcess, tmp_path: Path, command: str) -> None:
    config = tmp_path / "config"
    config.write_text(hub.kubeconfig.read_text().replace(f":{hub.port}/", ":1/"))
    done = echelon("rollout", command, "one", "--kubeconfig", config)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("echelon: cannot reach the hub: https://127.0.0.1:1/clusters/hub: ")


# -- demo ---------------------------------------------------------------------------------------


def test_the_demo_ends_well_without_a_terminal() -> None:
    done = echelon("demo", "--wait", "1s", "--speed", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert [line.strip() for line in done.stdout.splitlines() if "on the members" in line] == [
        f"on the members:  member1 {value}  member2 {value}  member3 {value}" for value in ("v1", "v2", "v1")
    ]
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("example-run")][:3] == [
        "example-run",
        "example-run-2",
        "example-run-3",
    ]


def test_the_demo_draws_a_tree_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-m", "echelon", "demo", "--wait", "1s", "--speed", "20"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as playing:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
        assert playing.stderr is not None
        assert playing.stderr.read() == b""
    os.close(ours)
    assert playing.returncode == 0
    assert "├─ ".encode() in shown
    assert b"Waits for" in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h")  # the cursor is back


def test_ctrl_c_ends_the_demo_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "echelon", "demo"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as playing:
        assert playing.stdout is not None
        for line in playing.stdout:
            if "/wait  waiting" in line:
                break
        playing.send_signal(signal.SIGINT)
        rest, errors = rest_of(playing)
    assert (playing.returncode, errors) == (130, "")
    assert rest.endswith("interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [("--wait", "soon"), ("--wait", "0s"), ("--speed", "0")])
def test_options_that_make_no_sense(options: tuple[str, str]) -> None:
    done = echelon("demo", *options)
    assert done.returncode == 2
    assert options[0] in done.stderr


# -- speed --------------------------------------------------------------------------------------

HEAVY = ("aiohttp", "cryptography", "echelon.apiserver", "echelon.local", "echelon.placement", "structlog", "uvicorn")


def loaded(*arguments: str) -> list[str]:
    """The heavy packages that a command loads."""
    program = (
        "import sys; from echelon.cli.main import main; main(standalone_mode=False); "
        f"print('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [["--help"], ["rollout", "--help"], ["rollout", "status", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(*arguments) == []


@pytest.mark.parametrize(
    "words",
    ["rollout status", f"rollout history {PLACEMENT}", f"placement status {PLACEMENT}", "explain member member1"],
)
def test_a_command_that_reads_loads_nothing_heavy(hub: HubProcess, words: str) -> None:
    assert loaded(*words.split(), "--kubeconfig", str(hub.kubeconfig)) == []


def test_a_command_that_reads_answers_at_once(hub: HubProcess) -> None:
    """The budget is 300 ms on an idle machine, so what is measured here is the work, not the wait for a processor."""
    assert min(_processor_seconds(hub) for _ in range(5)) < 0.6


def _processor_seconds(hub: HubProcess) -> float:
    before = os.times()
    assert on(hub, "rollout", "status").returncode == 0
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
