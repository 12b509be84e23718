"""What ``echelon agent run`` does not take, and that it ends in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ...processes import echelon


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--hub-url", "https://x"], "want both --hub-url and --token-file"),
        (["--token-file", "t"], "want both --hub-url and --token-file"),
        (["--hub-url", "https://x", "--token-file", "t", "--hub-context", "h"], "not both"),
        (["--hub-url", "http://x", "--token-file", "t"], "'http://x' is no URL with https; a token goes over nothing"),
        (["--hub-url", "https://x", "--token-file", "t", "--token-secret", "s"], "'s' names no Secret; want NAMESPACE"),
        (["--hub-url", "https://x", "--token-file", "t", "--hub-ca", "/nowhere"], "--hub-ca: cannot read /nowhere"),
        (["--hub-url", "https://x", "--token-file", "t", "--token-life", "1m"], "Kubernetes issues no token for less"),
        (["--hub-context", "h", "--probes", "x"], "--probes: 'x' is no address; want [HOST:]PORT"),
        (["--hub-context", "h", "--member-context", "nowhere"], "no context 'nowhere'"),
        (["--hub-url", "https://x", "--token-file", "/nowhere"], "cannot read the token file /nowhere"),
    ],
)
def test_what_is_not_taken(tmp_path: Path, arguments: list[str], why: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == 2, result.stderr
    assert why in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_it_ends_in_order_though_neither_cluster_can_be_reached(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path)
    command = [sys.executable, "-W", "error", "-m", "echelon", "agent", "run", "one", "--hub-kubeconfig", config]
    command += ["--hub-context", "h", "--member-kubeconfig", config, "--probes", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The agent of one runs")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return echelon("agent", "run", "one", *arguments, environment={"KUBECONFIG": str(kubeconfig(folder))})


def kubeconfig(folder: Path) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        "current-context: h\n"
        "contexts: [{name: h, context: {cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\n"
    )
    return path
