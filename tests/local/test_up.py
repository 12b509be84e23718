"""``echelon up`` from outside: start, stop, start again, members that come and go, and what cannot be started."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import Subject
from echelon.api.meta import KubeObject, ObjectMeta, Resource
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import contexts, load

from ..processes import HubProcess, echelon

READY_SECONDS = 15.0  # the budget is 3 s; this machine may be busy with other tests
NAMESPACES = Unstructured(Resource("", "v1", "namespaces", "Namespace", namespaced=False))
K = TypeVar("K", bound=KubeObject)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "data")
    yield hub
    hub.close()


def client(hub: HubProcess, context: str = "hub") -> Client:
    return Client(HttpTransport(load(hub.kubeconfig, context=context)))


async def until(client: Client, kind: type[K], name: str, is_so: Callable[[K], bool]) -> K:
    """Watch an object until it is as wanted."""
    async with asyncio.timeout(30), client.watch(kind, fields=f"metadata.name={name}", initial_events=True) as events:
        async for event in events:
            if event.type != "DELETED" and event.object is not None and is_so(event.object):
                return event.object
    raise AssertionError(f"{name}: the watch ended")


def has_joined(member: MemberCluster) -> bool:
    return any(c.type == "Joined" and c.status == "True" for c in member.status.conditions)


async def labels(hub: HubProcess) -> dict[str, dict[str, str]]:
    """The labels of each member, without those that the fleet gives."""
    with_hub = client(hub)
    members = (await with_hub.list(MemberCluster)).items
    await with_hub.close()
    return {
        member.metadata.name: {
            key: value for key, value in member.metadata.labels.items() if not key.startswith(names.PREFIX)
        }
        for member in members
    }


# -- start and stop -----------------------------------------------------------------------------


async def test_a_new_hub_has_the_members_of_the_tutorial(hub: HubProcess) -> None:
    began = time.monotonic()
    hub.start()
    assert time.monotonic() - began < READY_SECONDS
    assert "a hub and 3 members, ready in" in hub.output
    assert f"export KUBECONFIG={hub.kubeconfig}" in hub.output
    assert list(contexts(hub.kubeconfig)) == ["hub", "member1", "member2", "member3"]
    assert await labels(hub) == {
        "member1": {"environment": "canary", "order": "2"},
        "member2": {"environment": "staging"},
        "member3": {"environment": "canary", "order": "1"},
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_termination_end_it_cleanly(hub: HubProcess, number: signal.Signals) -> None:
    hub.start()
    assert hub.interrupt(number) == (0, "\nstopping…\n", "")


async def test_it_goes_on_where_it_was(hub: HubProcess) -> None:
    hub.start()
    before = hub.kubeconfig.read_text()
    with_hub = client(hub)
    await with_hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    await with_hub.close()
    assert hub.interrupt()[0] == 0
    hub.start()
    hub.restart()  # kill -9
    assert hub.kubeconfig.read_text() == before  # authority, token and port: a kubeconfig stays good
    with_hub = client(hub)
    await with_hub.get(NAMESPACES, "kept")
    for member in ("member1", "member2", "member3"):
        assert has_joined(await with_hub.get(MemberCluster, member))
    await with_hub.close()


def test_a_kill_during_the_first_start_loses_no_member(hub: HubProcess) -> None:
    hub.data.mkdir()
    hub.start()
    hub.kill()
    (hub.data / "started").unlink()  # as if it had been killed before its greeting
    hub.start("--member", "other")
    assert set(asyncio.run(labels(hub))) == {"member1", "member2", "member3", "other"}


def test_secrets_are_for_their_owner_only(hub: HubProcess) -> None:
    hub.start()
    assert stat.S_IMODE(hub.data.stat().st_mode) == 0o700
    public = {"ca.crt", "server.crt", "started"}
    files = [path for path in hub.data.rglob("*") if path.is_file() and path.name not in public]
    assert {"kubeconfig", "admin-token", "ca.key", "server.key", "echelon.db"} <= {path.name for path in files}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in files} == {path.name: 0o600 for path in files}


def test_the_kubeconfig_is_written_where_it_is_wanted(hub: HubProcess, tmp_path: Path) -> None:
    wanted = tmp_path / "elsewhere" / "config"
    hub.start("--kubeconfig", str(wanted))
    assert list(contexts(wanted)) == ["hub", "member1", "member2", "member3"]
    assert not hub.kubeconfig.exists()


# -- members ------------------------------------------------------------------------------------


async def test_labels_of_a_member_change_with_a_restart(hub: HubProcess) -> None:
    hub.start("--member", "one:environment=canary,order=1", "--member", "two")
    assert await labels(hub) == {"one": {"environment": "canary", "order": "1"}, "two": {}}
    hub.kill()
    hub.start("--member", "one:order=2", "--member", "three")
    assert await labels(hub) == {"one": {"environment": "canary", "order": "2"}, "two": {}, "three": {}}
    hub.restart()
    assert set(await labels(hub)) == {"one", "two", "three"}


async def test_members_come_and_go(hub: HubProcess) -> None:
    hub.start()
    with_hub = client(hub)
    await with_hub.create(
        MemberCluster(
            metadata=ObjectMeta(name="extra", annotations={names.CLUSTER_RESOURCE_ID: "simulated://extra"}),
            spec=MemberClusterSpec(identity=Subject(kind="User", name="system:fleet-agent:extra")),
        )
    )
    await until(with_hub, MemberCluster, "extra", has_joined)
    with_extra = client(hub, "extra")  # its context is in the kubeconfig now
    await with_extra.get(NAMESPACES, "default")
    await with_extra.close()

    await with_hub.delete(MemberCluster, "extra")
    async with asyncio.timeout(30), with_hub.watch(MemberCluster, initial_events=True) as events:
        remaining: set[str] = set()
        async for event in events:
            if event.object is not None:
                change = remaining.discard if event.type == "DELETED" else remaining.add
                change(event.object.metadata.name)
            if (event.initial_events_end or event.type == "DELETED") and "extra" not in remaining:
                break
    await with_hub.close()


# -- what cannot be started ---------------------------------------------------------------------


def refusal(*arguments: str | Path) -> str:
    """What ``echelon up`` says when it does not start: one line on standard error, exit code 2."""
    done = echelon("up", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("echelon: ")
    return line


def test_a_port_in_use(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        line = refusal("--data", tmp_path / "data", "--port", str(port))
    assert line == f"echelon: cannot listen on 127.0.0.1:{port}: it is in use; choose another with --port"


def test_data_that_another_hub_uses(hub: HubProcess) -> None:
    hub.start()
    line = refusal("--data", hub.data, "--port", "0")
    assert line == f"echelon: the data in {hub.data} is in use by another hub; stop it, or choose another --data"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refusal("--data", tmp_path / "file" / "data", "--port", "0")
    assert line == f"echelon: cannot use the data folder {tmp_path}/file/data: Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        line = refusal("--data", tmp_path / "data", "--port", "0")
    finally:
        tmp_path.chmod(0o700)
    assert line == f"echelon: cannot use the data folder {tmp_path}/data: Permission denied"


def test_a_kubeconfig_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refusal("--data", tmp_path / "data", "--port", "0", "--kubeconfig", tmp_path / "file" / "config")
    assert line.startswith(f"echelon: cannot write the kubeconfig {tmp_path}/file/config: ")


def test_data_of_a_newer_version(hub: HubProcess) -> None:
    hub.start()
    hub.interrupt()
    with closing(sqlite3.connect(hub.data / "echelon.db")) as database:
        database.execute("UPDATE meta SET value = value + 1 WHERE key = 'format'")
        database.commit()
    line = refusal("--data", hub.data, "--port", "0")
    assert line.endswith("use a newer release")
    assert str(hub.data) in line


def test_data_that_is_damaged(hub: HubProcess) -> None:
    hub.data.mkdir()
    (hub.data / "echelon.db").write_bytes(b"not a database at all" * 400)
    line = refusal("--data", hub.data, "--port", "0")
    assert line.startswith(f"echelon: cannot open the data in {hub.data}: ")


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ("One", "the name 'One' is not one of at most 50 lower-case letters, digits and inner hyphens"),
        ("hub", "the name 'hub' is taken by the hub itself"),
        ("one:environment", "the label 'environment' has no value"),
        ("one:", "no label follows the colon"),
    ],
)
def test_a_bad_member(tmp_path: Path, member: str, problem: str) -> None:
    line = refusal("--data", tmp_path / "data", "--member", member)
    assert line.startswith(f"echelon: member {member!r}: {problem}")
    assert not (tmp_path / "data").exists()


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("providers: {stoppedClusters: Later}")
    line = refusal("--data", tmp_path / "data", "--port", "0", "--settings", tmp_path / "settings.yaml")
    assert line.startswith(f"echelon: {tmp_path}/settings.yaml: Invalid enum value 'Later'")


async def test_settings_are_those_of_the_hub(hub: HubProcess, tmp_path: Path) -> None:
    """The provider of EKS clusters is left to others, and says nothing of a member's upgrade."""
    (tmp_path / "settings.yaml").write_text("providers: {disabled: [eks, gke]}")
    hub.start("--member", "one", "--settings", str(tmp_path / "settings.yaml"))
    hub_client = client(hub)
    upgrade = {
        "apiVersion": "fleet.echelon.dev/v1alpha1",
        "kind": "ClusterUpgrade",
        "metadata": {"name": "by-hand", "namespace": "fleet-member-one"},
        "spec": {"upgrade": {"type": "NodeImageOnly"}, "clusterResourceId": "eks://eu-west-1/one"},
    }
    await hub_client.create(upgrade)
    found = await until(hub_client, ClusterUpgrade, "by-hand", lambda upgrade: bool(upgrade.status.message))
    assert found.status.message == (
        "Waiting for a provider for eks://eu-west-1/one; built into this hub: aks, capi, exec, plan, simulated, webhook"
    )
    await hub_client.close()
