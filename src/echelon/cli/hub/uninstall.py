"""``echelon hub uninstall``: take the hub off a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from echelon.cli.access import access_options, connected
from echelon.cli.errors import Failed
from echelon.cli.hub import hub_namespace_option
from echelon.explain.access import Access
from echelon.hub import removal
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport

_NAMED = 10


@click.command()
@hub_namespace_option
@click.option("--force", is_flag=True, help="Also while there are members or runs that are not over.")
@click.option("--crds", is_flag=True, help="Take the kinds away, too, if there are no objects of them.")
@click.option("--purge", is_flag=True, help="Take kinds, objects and namespaces of members away, too: the whole fleet.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@access_options
def uninstall(namespace: str, force: bool, crds: bool, purge: bool, yes: bool, access: Access) -> None:
    """Take the hub off a cluster.

    Without --crds and --purge, kinds and objects stay, and another install goes on with them. What is placed on
    members stays there in any case.
    """
    asyncio.run(_uninstall(access, namespace, force=force, crds=crds, purge=purge, yes=yes))


async def _uninstall(access: Access, namespace: str, *, force: bool, crds: bool, purge: bool, yes: bool) -> None:
    def tell(kind: str, name: str) -> None:
        click.echo(f"{kind.lower()} {name} deleted")

    async with connected(access, HttpTransport) as client:
        if not (force or purge):
            await _refuse_while_in_use(client)
        if crds and not purge and (count := await removal.objects(client)):
            raise Failed(
                f"--crds would take {count} object{'s' * (count != 1)} of the fleet away, too; nothing was touched. "
                "Delete them first, or say --purge"
            )
        if not yes:
            click.confirm(_question(namespace, crds=crds, purge=purge), abort=True)
        await removal.uninstall(client, namespace, tell)
        if crds or purge:
            await removal.remove_kinds(client, tell)
        if purge:
            await removal.remove_namespaces(client, namespace, tell)


async def _refuse_while_in_use(client: Client) -> None:
    used = await removal.usage(client)
    parts = [f"{what} ({_listed(found)})" for what, found in (("members", used.members), ("runs", used.runs)) if found]
    if parts:
        raise Failed(
            f"the hub still has {' and '.join(parts)}; nothing was touched. Let members leave and runs end, or say "
            "--force: they stay as they are, and nothing is done for them until a hub is installed again"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _question(namespace: str, *, crds: bool, purge: bool) -> str:
    if purge:
        return f"Take the hub in {namespace} away, with its kinds, all their objects and the namespaces of members?"
    return f"Take the hub in {namespace} away{', with its kinds' if crds else ''}?"
