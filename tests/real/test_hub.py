"""A hub on clusters that hold nothing of Echelon: put there, run by replicas that die, and taken away.

Everything goes through the command line. The replicas have no rights but those that the install gives to their
service account.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from echelon.api.core import Lease, ServiceAccount
from echelon.api.crds import manifests
from echelon.kube import kubeconfig
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load
from echelon.kube.rest import Rest

from ..processes import echelon

SCRIPT = Path(__file__).parents[1] / "tutorials" / "staged-rollout.sh"
AGENTS = Path(__file__).parent / "agents.py"
MEMBERS = ("member1:environment=canary,order=2", "member2:environment=staging", "member3:environment=canary,order=1")
SETTINGS = {"leaderElection": {"retryPeriod": 0.4, "renewDeadline": 1.5, "leaseDuration": 3}}
NAMESPACE = "fleet-system"
TIMEOUT = 180.0


def hub(clusters: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return echelon("hub", *arguments, "--kubeconfig", clusters, "--context", "hub")


def done(clusters: Path, *arguments: str | Path) -> list[str]:
    """The lines of a command that succeeds."""
    result = hub(clusters, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def outcomes(lines: list[str]) -> set[str]:
    """What became of the objects of an install."""
    return {line.split()[2] for line in lines if len(line.split()) >= 3 and not line.startswith("How")}


needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")


def test_install_status_and_uninstall(clusters: Path) -> None:
    assert "the cluster is no hub" in hub(clusters, "status").stdout
    planned = done(clusters, "install", "--dry-run")
    assert outcomes(planned) == {"created"}
    assert "the cluster is no hub" in hub(clusters, "status").stdout

    lines = done(clusters, "install", "--no-wait")
    assert outcomes(lines) == {"created"}
    assert {line.removesuffix(" (dry run)") for line in planned} == set(lines[:-1])
    assert outcomes(done(clusters, "install", "--no-wait")) == {"unchanged"}

    changed = done(clusters, "install", "--no-wait", "--dialect", "kubefleet", "--image", "localhost:5000/echelon:7")
    assert [line for line in changed if line.endswith("configured")] == [
        f"configmap {NAMESPACE}/echelon-hub configured",
        f"deployment {NAMESPACE}/echelon-hub configured",
    ]
    done(clusters, "install", "--no-wait", "--image", "localhost:5000/echelon:8")
    status = hub(clusters, "status", "-o", "json")
    found = json.loads(status.stdout)
    assert status.returncode == 1
    assert found["kinds"] == {"current": len(manifests()), "missing": [], "outdated": [], "foreign": []}
    assert found["settings"] == "dialect: kubefleet\n"  # kept
    assert found["replicas"] == {"image": "localhost:5000/echelon:8", "wanted": 2, "available": 0}
    assert [problem["what"] for problem in found["problems"]] == [
        "0 of 2 replicas are available",
        "no replica leads, so nothing is done",
    ]

    waited = hub(clusters, "install", "--timeout", "1s")
    assert waited.returncode == 3
    assert "the replicas are not all available after 1 s" in waited.stderr

    gone = done(clusters, "uninstall", "--yes")
    assert f"deployment {NAMESPACE}/echelon-hub deleted" in gone
    assert not any("customresourcedefinition" in line for line in gone)
    assert outcomes(done(clusters, "install", "--no-wait")) == {"created", "unchanged"}
    assert len(done(clusters, "uninstall", "--yes", "--crds")) > len(manifests())
    assert "the cluster is no hub" in hub(clusters, "status").stdout


def test_kinds_of_another_fleet_manager_are_left_alone(clusters: Path) -> None:
    foreign = [
        {**crd, "metadata": {"name": crd["metadata"]["name"]}}
        for crd in manifests()
        if crd["spec"]["names"]["kind"] in ("MemberCluster", "Work")
    ]
    agent = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hub-agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "hub-agent"}},
            "template": {
                "metadata": {"labels": {"app": "hub-agent"}},
                "spec": {"containers": [{"name": "hub-agent", "image": "hub-agent"}]},
            },
        },
    }

    async def put_there() -> None:
        client = Client(HttpTransport(load(clusters, context="hub")), field_manager="helm")
        for obj in (*foreign, agent):
            await client.create(obj)
        await client.close()

    asyncio.run(put_there())
    refused = hub(clusters, "install", "--no-wait")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert (
        "has kinds of another fleet manager: memberclusters.cluster.kubernetes-fleet.io, "
        "works.placement.kubernetes-fleet.io (written by helm). Nothing was touched. With --adopt"
    ) in refused.stderr
    assert "kubectl scale deployment hub-agent --replicas=0 -n default" in refused.stderr
    status = hub(clusters, "status")
    assert "2 kinds are another fleet manager's, such as memberclusters.cluster.kubernetes-fleet.io" in status.stdout
    assert "the cluster is no hub" in status.stdout

    adopted = done(clusters, "install", "--no-wait", "--adopt")
    assert "customresourcedefinition works.placement.kubernetes-fleet.io configured" in adopted
    assert outcomes(done(clusters, "install", "--no-wait")) == {"unchanged"}


def test_a_cluster_that_is_no_hub_is_not_run(clusters: Path) -> None:
    result = hub(clusters, "run")
    assert result.returncode == 1
    assert "the cluster lacks the kinds appliedworks.placement.kubernetes-fleet.io and 32 more" in result.stderr
    assert "echelon hub install" in result.stderr


@needs_kubectl
def test_a_rollout_survives_its_leaders_with_no_more_rights_than_installed(clusters: Path, tmp_path: Path) -> None:
    """The tutorial from beginning to end; whoever leads is killed while the run waits between stages."""
    done(clusters, "install", "--no-wait")
    account = _account(clusters, tmp_path / "account")
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS))
    with _replicas(account, settings, "first", "second") as replicas, _agents(clusters):
        killed = []
        environment = os.environ | {"KUBECONFIG": str(clusters)}
        command = ["bash", "-c", _tutorial(clusters), "tutorial", "3s"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as script:
            assert script.stdout is not None
            output = ""
            for line in script.stdout:
                output += line
                if "staging member updated first" in line:
                    leader = _leader(clusters)
                    replicas[leader].kill()
                    killed.append(leader)
        assert output.endswith("\n0 failed\n"), output
        assert len(killed) == 1
        (survivor,) = set(replicas) - set(killed)
        assert _leader(clusters) == survivor
        refused = hub(clusters, "uninstall", "--yes")
        assert refused.returncode == 1
        assert "the hub still has members (member1, member2, member3)" in refused.stderr
        refused = hub(clusters, "uninstall", "--yes", "--crds", "--force")
        assert "--crds would take" in refused.stderr
        assert f"leader    {survivor}" in hub(clusters, "status").stdout

        replicas[survivor].send_signal(signal.SIGTERM)
        assert replicas[survivor].wait(TIMEOUT) == 0
        assert _leader(clusters) == ""  # given back
    for log in account.parent.glob("*.log"):
        assert "Forbidden" not in log.read_text(), log.read_text()
        assert all(json.loads(line)["event"] for line in log.read_text().splitlines())
    done(clusters, "uninstall", "--yes", "--purge")
    assert "the cluster is no hub" in hub(clusters, "status").stdout


def _tutorial(clusters: Path) -> str:
    """The tutorial; without its end where nothing collects garbage: the servers of Kubernetes have no controllers."""
    script = SCRIPT.read_text()
    has_controllers = not (clusters.parent / "etcd").exists()
    return script if has_controllers else script.partition("hub delete csur")[0] + 'echo "$failed failed"'


def _account(clusters: Path, folder: Path) -> Path:
    """A kubeconfig for the hub as the service account of the hub."""
    connection = load(clusters, context="hub")

    class Issued(msgspec.Struct):
        status: dict[str, Any]

    async def token() -> str:
        transport = HttpTransport(connection)
        path = ServiceAccount.resource.path(NAMESPACE, "echelon-hub", "token")
        content = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await Rest(transport).request("create", "POST", path, content=content)
        await transport.close()
        found: str = msgspec.json.decode(answer.body, type=Issued).status["token"]
        return found

    issued = asyncio.run(token())
    entry = kubeconfig.Entry("hub", connection.server, connection.authority, token=issued)
    kubeconfig.write(folder / "kubeconfig", [entry], current="hub")
    return folder / "kubeconfig"


@contextmanager
def _replicas(account: Path, settings: Path, *names: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Replicas of the hub, each a process, by name."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            command = [sys.executable, "-W", "error", "-m", "echelon", "hub", "run", "--kubeconfig", account]
            command += ["--settings", settings, "--replica-name", name, "--log-format", "json"]
            with (account.parent / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(command, stdout=log, stderr=log)
        yield running
    finally:
        for process in running.values():
            process.kill()
            process.wait()


@contextmanager
def _agents(clusters: Path) -> Iterator[None]:
    command = [sys.executable, AGENTS, clusters, *MEMBERS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agents:
        try:
            assert agents.stdout is not None
            assert agents.stdout.readline() == "joined\n"
            yield
        finally:
            agents.kill()
            agents.wait()


def _leader(clusters: Path) -> str:
    """The name of the replica that holds the lease."""

    async def read() -> str:
        client = Client(HttpTransport(load(clusters, context="hub")))
        lease = await client.get(Lease, (NAMESPACE, "echelon-hub"))
        await client.close()
        return (lease.spec.holder_identity or "").rpartition("_")[0]

    return asyncio.run(read())
