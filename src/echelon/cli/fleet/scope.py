"""Which fleet a command is about: the hub that it talks to, and the names that the user may call it by.

A hub is one fleet, so ``--resource-group`` and ``--fleet-name`` choose nothing. They are there because scripts
give them, and are checked so that a command that means another fleet changes nothing here. A hub that has names
says them in the ConfigMap ``fleet`` of the namespace ``fleet-system``, in the keys ``resourceGroup`` and
``fleetName``. What it does not say is not checked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import click
import msgspec

from echelon.api import names
from echelon.api.meta import Resource
from echelon.cli.access import access_options, connected
from echelon.cli.errors import CannotStart
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured

CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))

Command = TypeVar("Command", bound=Callable[..., Any])


class Scope(msgspec.Struct, frozen=True):
    """The hub, and what the user calls its fleet; None for what was not said."""

    access: Access
    resource_group: str | None = None
    fleet_name: str | None = None

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[Client]:
        """A client of the hub, once its names are known to be those that the user means.

        Raises:
            CannotStart: the hub has other names.
        """
        async with connected(self.access, brief_transport) as client:
            await self.check(client)
            yield client

    async def check(self, client: Client) -> None:
        """See that the hub is the fleet that the user means. Raises CannotStart."""
        if self.resource_group is None and self.fleet_name is None:
            return
        said = await fleet_names(client)
        for option, key, given in (
            ("--resource-group", names.FLEET_RESOURCE_GROUP, self.resource_group),
            ("--fleet-name", names.FLEET_NAME, self.fleet_name),
        ):
            known = said.get(key)
            if given is not None and known and given.lower() != known.lower():
                raise CannotStart(f"{option} {given!r} is not this hub: it is {known!r} here; nothing was changed")

    def command(self, *words: str) -> str:
        """A command line for the same hub, to be copied."""
        return self.access.command(*words)


async def fleet_names(client: Client) -> Mapping[str, str]:
    """What the hub calls itself; empty when it has no names."""
    try:
        found = await client.get(CONFIG_MAPS, (names.SYSTEM_NAMESPACE, names.FLEET_CONFIG_MAP))
    except NotFound:
        return {}
    data: Mapping[str, str] = found.get("data") or {}
    return data


def scope_options(command: Command) -> Command:
    """Give a command ``-g``, ``-f``, ``--kubeconfig`` and ``--context``, and a ``Scope`` as its argument ``scope``."""

    @access_options
    @wraps(command)
    def call(*args: Any, access: Access, resource_group: str | None, fleet_name: str | None, **rest: Any) -> Any:
        return command(*args, scope=Scope(access, resource_group, fleet_name), **rest)

    group = click.option(
        "-g", "--resource-group", metavar="NAME", help="Resource group of the fleet; checked when the hub has one."
    )
    fleet = click.option("-f", "--fleet-name", metavar="NAME", help="Name of the fleet; checked when the hub has one.")
    return cast(Command, group(fleet(call)))
