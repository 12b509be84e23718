"""``echelon member create`` and ``update``: a MemberCluster, what it is, its update group and its labels."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import click
from msgspec.structs import replace
from rich.text import Text

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import Subject
from echelon.api.meta import ObjectMeta
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.changing import change, create_or_change
from echelon.cli.fleet.nouns import MEMBER, Plain
from echelon.cli.fleet.reading import read, table
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import NAME, Labels, name_option
from echelon.cli.output import Output, output_options

RESOURCE_ID = re.compile(r"/subscriptions/[^/\s]+/\S+|[a-z][a-z0-9+.-]*://\S*", re.IGNORECASE)
_SERVICE_ACCOUNT = re.compile(r"(?:([a-z0-9][-a-z0-9]*):)?([a-z0-9][-a-z0-9.]*)")

_group = click.option("--update-group", type=NAME, metavar="NAME", help="The update group that it belongs to.")
_labels = click.option(
    "--member-labels",
    "--labels",
    "labels",
    type=Labels(),
    metavar='"K=V …"',
    help="Its labels, in one text with spaces.",
)


@click.command()
@name_option()
@click.option(
    "--member-cluster-id",
    required=True,
    metavar="ID",
    help="What the cluster is on its platform: /subscriptions/…/managedClusters/x, eks://region/name, "
    "gke://project/location/name, capi://namespace/name, simulated://name.",
)
@_group
@_labels
@click.option(
    "--service-account",
    metavar="[NAMESPACE:]NAME",
    help="The service account of the hub by which the agent of the member signs in. "
    "Default: fleet-agent-NAME in fleet-system.",
)
@click.option("--no-wait", is_flag=True, help="Taken for the sake of scripts: a member joins once its agent runs.")
@output_options
@scope_options
def create(
    scope: Scope,
    name: str,
    member_cluster_id: str,
    update_group: str | None,
    labels: Mapping[str, str] | None,
    service_account: str | None,
    no_wait: bool,
    output: Output,
) -> None:
    """Let a cluster join the fleet as the member NAME. A member of that name is changed.

    It has joined once its agent has reported. The embedded hub runs simulated:// members itself.
    """
    if not RESOURCE_ID.fullmatch(member_cluster_id):
        raise CannotStart(
            f"--member-cluster-id: {member_cluster_id!r} is no cluster resource id; want one such as "
            "/subscriptions/…/managedClusters/x, eks://region/name or simulated://name"
        )
    annotations = {names.CLUSTER_RESOURCE_ID: member_cluster_id}
    member = MemberCluster(
        metadata=ObjectMeta(name=name, labels=_labelled({}, update_group, labels), annotations=annotations),
        spec=MemberClusterSpec(identity=_identity(name, service_account)),
    )

    async def write() -> Plain:
        async with scope.hub() as client:
            await create_or_change(
                client, MemberCluster, member, lambda present: _changed(present, update_group, labels, annotations)
            )
            return await read(client, MEMBER, name)

    _show(asyncio.run(write()), output, scope)


@click.command()
@name_option()
@_group
@_labels
@click.option("--no-wait", is_flag=True, help="Taken for the sake of scripts: there is nothing to wait for.")
@output_options
@scope_options
def update(
    scope: Scope, name: str, update_group: str | None, labels: Mapping[str, str] | None, no_wait: bool, output: Output
) -> None:
    """Change the update group or the labels of the member NAME.

    Labels that are given take the place of all that users have put on it. Runs that are planned already keep
    the members they have.
    """
    if update_group is None and labels is None:
        raise CannotStart("nothing to change: want --update-group or --member-labels")

    async def write() -> Plain:
        async with scope.hub() as client:
            await change(
                client, MEMBER, MemberCluster, name, lambda present: _changed(present, update_group, labels, {})
            )
            return await read(client, MEMBER, name)

    _show(asyncio.run(write()), output, scope)


def _changed(
    present: MemberCluster, group: str | None, labels: Mapping[str, str] | None, annotations: Mapping[str, str]
) -> MemberCluster:
    metadata = replace(
        present.metadata,
        labels=_labelled(present.metadata.labels, group, labels),
        annotations={**present.metadata.annotations, **annotations},
    )
    return replace(present, metadata=metadata)


def _labelled(present: Mapping[str, str], group: str | None, labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Labels with the group and those of the user; labels with a prefix are the fleet's or the platform's and stay."""
    kept = present if labels is None else {key: value for key, value in present.items() if "/" in key}
    return {**kept, **(labels or {}), **({} if group is None else {names.UPDATE_GROUP: group})}


def _identity(member: str, service_account: str | None) -> Subject:
    text = service_account or f"fleet-agent-{member}"
    found = _SERVICE_ACCOUNT.fullmatch(text)
    if found is None:
        raise CannotStart(f"--service-account: {text!r} is no service account; want [NAMESPACE:]NAME")
    return Subject(kind="ServiceAccount", name=found[2], namespace=found[1] or names.SYSTEM_NAMESPACE)


def _show(found: Plain, output: Output, scope: Scope) -> None:
    view = MEMBER.view(found)

    def people() -> object:
        from rich.console import Group

        if view["provisioningState"] == "Succeeded":
            return table(MEMBER, [view])
        name = view["name"]
        line = Text("Until it has joined:  ", style="dim")
        line.append(scope.command("member", "wait", "-n", name, "--created"), style="cyan")
        return Group(table(MEMBER, [view]), line)  # type: ignore[arg-type]  # a renderable

    output.show(view, people)
