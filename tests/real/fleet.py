"""A fleet of clusters that hold nothing of Echelon: everything is put there, run and seen by way of commands.

The hub's replica has the rights of the account that ``echelon hub install`` makes, each agent those of the token
that ``echelon member join`` makes. The folder of a fleet holds what they need and what they log.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from echelon.api.meta import Resource
from echelon.kube import kubeconfig
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Key, Unstructured
from echelon.kube.kubeconfig import Connection, load

from ..processes import echelon

T = TypeVar("T")
HUB_NAMESPACE = "fleet-system"
PATIENCE = 90.0
SECRETS = Unstructured(Resource("", "v1", "secrets", "Secret", namespaced=True))
CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))


class Fleet:
    """Clusters, by the contexts of a kubeconfig, of which ``hub`` is to be the hub."""

    def __init__(self, clusters: Path, folder: Path) -> None:
        self.clusters = clusters
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # commands

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command to its end, with the kubeconfig of all clusters."""
        return echelon(*arguments, environment={"KUBECONFIG": str(self.clusters), "PATH": "/usr/bin:/bin"})

    def done(self, *arguments: str | Path) -> str:
        """What a command prints that succeeds."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def refused(self, *arguments: str | Path) -> str:
        """What a command says that fails."""
        result = self.run(*arguments)
        assert result.returncode == 1, result.stdout + result.stderr
        return result.stderr

    def member(self, command: str, name: str, at: str, *options: str | Path) -> list[str | Path]:
        """A command about a member and the two ends of its membership."""
        ends: list[str | Path] = ["--hub-context", "hub", "--member-context", at]
        if command == "join":
            ends += ["--hub-url", self.connection("hub").server]
        return ["member", command, name, *ends, *options]

    # processes

    def install(self, settings: Mapping[str, Any] | None = None) -> None:
        """Make the hub one, and run a replica of it."""
        self.done("hub", "install", "--context", "hub", "--no-wait")
        content = {"leaderElection": {"retryPeriod": 0.4, "renewDeadline": 1.5, "leaseDuration": 3}, **(settings or {})}
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(content))
        token = self.at("hub", lambda client: client.issue_token((HUB_NAMESPACE, "echelon-hub"), 3600))
        hub = self.connection("hub")
        entry = kubeconfig.Entry("hub", hub.server, hub.authority, token=token)
        kubeconfig.write(self.folder / "hub", [entry], current="hub")
        self.start_hub()

    def start_hub(self) -> None:
        options = ["--kubeconfig", self.folder / "hub", "--settings", self.folder / "settings.yaml", "-v"]
        self._start("hub", "hub", "run", *options)

    def start_agent(self, name: str, at: str, *options: str, hub_url: str = "") -> None:
        """Run the agent of a member with what its pod would have."""
        secret = self.at(at, lambda client: client.get(SECRETS, (HUB_NAMESPACE, "fleet-agent-hub")))
        for key, file in (("token", f"{name}.token"), ("ca.crt", f"{name}.ca")):
            path = self.folder / file
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(secret["data"][key]))
        arguments: list[str | Path] = ["agent", "run", name, "--hub-url", hub_url or self.connection("hub").server]
        arguments += ["--hub-ca", self.folder / f"{name}.ca", "--token-file", self.folder / f"{name}.token"]
        arguments += ["--token-secret", f"{HUB_NAMESPACE}/fleet-agent-hub"]
        arguments += ["--member-kubeconfig", self.clusters, "--member-context", at, "-v", *options]
        self._start(name, *arguments)

    def stop(self, name: str) -> int:
        """Ask a process to end; its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(PATIENCE)

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def _start(self, name: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "echelon", *arguments]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    # objects

    def connection(self, context: str) -> Connection:
        return load(self.clusters, context=context)

    def at(self, context: str, act: Callable[[Client], Awaitable[T]]) -> T:
        """Do something at a cluster as its administrator."""
        return as_user(self.connection(context), act)

    def until(
        self, context: str, resource: Resource, key: Key, holds: Callable[[dict[str, Any] | None], bool]
    ) -> dict[str, Any] | None:
        """Wait until an object is as expected, or gone, by watching it; gives it."""

        async def watch(client: Client) -> dict[str, Any] | None:
            namespace, name = key
            async with asyncio.timeout(PATIENCE):
                while True:
                    found, listed = None, False
                    kind, fields = Unstructured(resource), f"metadata.name={name}"
                    async with client.watch(
                        kind, namespace=namespace or None, fields=fields, initial_events=True, timeout=PATIENCE
                    ) as events:
                        async for event in events:
                            listed = listed or event.initial_events_end
                            if event.type != "BOOKMARK":
                                found = None if event.type == "DELETED" else event.object
                            if (listed or found is not None) and holds(found):
                                return found

        return self.at(context, watch)


@contextmanager
def fleet_of(clusters: Path, folder: Path) -> Iterator[Fleet]:
    """A fleet whose processes end with the context."""
    fleet = Fleet(clusters, folder)
    folder.mkdir(exist_ok=True)
    try:
        yield fleet
    finally:
        fleet.close()


def as_user(connection: Connection, act: Callable[[Client], Awaitable[T]]) -> T:
    """Do something by a connection."""

    async def acting() -> T:
        client = Client(HttpTransport(connection), field_manager="test")
        try:
            return await act(client)
        finally:
            await client.close()

    return asyncio.run(acting())
