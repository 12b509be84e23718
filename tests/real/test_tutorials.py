"""Both tutorials on clusters that hold nothing of Echelon: a hub that was installed, run with the rights of its
account; members that joined, each with an agent that has its own token and nothing else.

Everything is by commands, as an administrator types them. Where a tutorial counts on what the embedded hub
simulates, the test says what stands in for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from echelon.kube.client import Client

from . import platform_of_a_member as platform
from .fleet import Fleet, fleet_of

TUTORIALS = Path(__file__).parents[1] / "tutorials"
CLUSTERS = ("hub", "member1", "member2", "member3", "member4")
ENVIRONMENTS = {
    "member1": ("--label", "environment=canary", "--label", "order=2"),
    "member2": ("--label", "environment=staging"),
    "member3": ("--label", "environment=canary", "--label", "order=1"),
}
REGIONS = {"member1": "eastus", "member2": "eastus", "member3": "westeurope", "member4": "westeurope"}
ASKS_THE_CONTROL_PLANE = re.compile(r"kubectl --context member\$m get --raw /version \|.*?(?=; done)")
TIMEOUT = 300.0

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")


@pytest.fixture
def fleet(clusters: Path, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(clusters, tmp_path / "fleet") as fleet:
        yield fleet


def join(fleet: Fleet, members: Mapping[str, tuple[str, ...]]) -> None:
    """Have clusters join under the names of their contexts, and run their agents."""
    for name, options in members.items():
        fleet.done(*fleet.member("join", name, name, *options))
        fleet.start_agent(name, name)
    for name in members:
        fleet.done("member", "wait", "-n", name, "--created", "--timeout", "60", "--context", "hub")


def play(fleet: Fleet, script: Path, *arguments: str) -> None:
    environment = os.environ | {"KUBECONFIG": str(fleet.clusters), "ECHELON": f"{sys.executable} -m echelon"}
    command = ["bash", script, *arguments]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert played.stdout.endswith("\n0 failed\n"), played.stdout + played.stderr + fleet.log("hub")[-3000:]
    for name in ("hub", *ENVIRONMENTS):
        assert "Forbidden" not in fleet.log(name)
        assert "Traceback" not in fleet.log(name)


@pytest.mark.parametrize(
    "name", ["staged-rollout.sh", pytest.param("staged-rollout-namespaced.sh", marks=pytest.mark.soak)]
)
def test_staged_rollout(fleet: Fleet, name: str) -> None:
    """The tutorial; without its end where nothing collects garbage: servers of Kubernetes alone have no controllers."""
    fleet.install()
    join(fleet, ENVIRONMENTS)
    script = (TUTORIALS / name).read_text()
    if (fleet.clusters.parent / "etcd").exists():
        before, found, _ = script.partition("hub delete ")
        assert found
        script = f'{before}echo "$failed failed"\n'
    (fleet.folder / name).write_text(script)
    play(fleet, fleet.folder / name, "2s")


def test_update_run(fleet: Fleet) -> None:
    """A server of the user upgrades the members. It cannot change what an API server is: where the tutorial asks a
    control plane for its version, the platform is asked; and versions go on from what these servers are."""
    version = fleet.at("hub", lambda client: client.version()).git_version.removeprefix("v").partition("+")[0]
    major, minor, _ = version.split(".")
    patched, next_minor = f"{major}.{minor}.90", f"{major}.{int(minor) + 1}.1"
    secret = fleet.folder / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    with platform.serving(fleet.clusters) as url:
        webhook = {"url": url, "secretFile": str(secret), "timeout": 30}
        fleet.install({"providers": {"webhooks": {"rows": webhook}, "polling": {"first": 0.3, "cap": 0.5}}})
        for name, region in REGIONS.items():
            fleet.at(name, lambda client, region=region: _build(client, version, region))
        join(fleet, {name: _upgradable(name) for name in REGIONS})
        fleet.at("hub", lambda client: _publish(client, [version, patched, next_minor]))
        script = (TUTORIALS / "update-run.sh").read_text()
        asked = "kubectl --context member$m get configmap platform -o jsonpath='v{.data.version}{\"\\n\"}'"
        script, found = ASKS_THE_CONTROL_PLANE.subn(lambda _: asked, script)
        assert found == 1
        for told, is_here in (("1.30.0", version), ("1.30.4", patched), ("1.31.1", next_minor)):
            script = script.replace(told, is_here)
        (fleet.folder / "update-run.sh").write_text(script)
        play(fleet, fleet.folder / "update-run.sh")


def _upgradable(name: str) -> tuple[str, ...]:
    """The options of a member that the server upgrades."""
    labels = ("--label", f"topology.kubernetes.io/region={REGIONS[name]}")
    return (*labels, "--cluster-resource-id", f"webhook://rows/{name}")


async def _build(client: Client, version: str, region: str) -> None:
    await platform.build(client, version, region, f"{platform.FAMILY}-202410.01.0")


async def _publish(client: Client, versions: list[str]) -> None:
    """What there is to upgrade to: as the tutorial has it, but for the versions."""
    described = yaml.safe_load((TUTORIALS.parents[1] / "examples" / "update-run-fleet.yaml").read_text())
    spec = {**described["releases"], "kubernetesVersions": [{"version": version} for version in versions]}
    version = "fleet.echelon.dev/v1alpha1"
    await client.create(
        {"apiVersion": version, "kind": "ReleaseCatalog", "metadata": {"name": "default"}, "spec": spec}
    )
