"""Commands in this process, against a hub in one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import yaml
from click.testing import CliRunner, Result

from echelon.api.meta import KubeObject
from echelon.cli.main import main
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load

from ..processes import HubProcess

T = TypeVar("T")
K = TypeVar("K", bound=KubeObject)


def cli(hub: HubProcess, *words: str) -> Result:
    """Run a command to its end. Wide, so that nothing is cut."""
    runner = CliRunner()
    return runner.invoke(main, [*words, "--kubeconfig", str(hub.kubeconfig)], env={"COLUMNS": "200"})


def ok(hub: HubProcess, *words: str) -> str:
    """What a command that has to succeed prints."""
    done = cli(hub, *words)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def refused(hub: HubProcess, *words: str) -> tuple[int, str]:
    """How a command that has to be refused ends: its exit code, and its one line on standard error."""
    done = cli(hub, *words)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.exit_code, line


def with_client(hub: HubProcess, use: Callable[[Client], Awaitable[T]], context: str = "hub") -> T:
    """Ask the hub, or a member, something."""

    async def ask() -> T:
        client = Client(HttpTransport(load(hub.kubeconfig, context=context)))
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(ask())


def create(hub: HubProcess, *texts: str) -> None:
    """Create the objects of YAML documents."""

    async def write(client: Client) -> None:
        for text in texts:
            for manifest in yaml.safe_load_all(text):
                await client.create(manifest)

    with_client(hub, write)


def until(hub: HubProcess, kind: type[K], name: str, is_so: Callable[[K], bool], namespace: str = "") -> K:
    """Watch an object until it is as wanted."""

    async def wait(client: Client) -> K:
        async with asyncio.timeout(30):
            while True:
                async with client.watch(
                    kind, namespace=namespace or None, fields=f"metadata.name={name}", initial_events=True
                ) as events:
                    async for event in events:
                        if event.type != "DELETED" and event.object is not None and is_so(event.object):
                            return event.object

    return with_client(hub, wait)
