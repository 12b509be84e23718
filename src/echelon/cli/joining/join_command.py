"""``echelon member join``: a cluster becomes a member, with everything that takes on hub and member."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import click

from echelon import __version__
from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.meta import from_dict
from echelon.cli.agent_run import token_life_option
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.fleet.member_write import RESOURCE_ID
from echelon.cli.fleet.nouns import MEMBER, Plain
from echelon.cli.fleet.values import NAME
from echelon.cli.fleet.waiting import Deadline, TimedOut, until
from echelon.cli.joining import joining
from echelon.cli.joining.ends import End, Ends, address_for, ends_options, reached
from echelon.cli.joining.joining import Membership
from echelon.explain.access import Access
from echelon.local.members import label_problem


class Label(click.ParamType[tuple[str, str]]):
    """A label: ``key=value``."""

    name = "label"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        key, equals, content = value.partition("=")
        problem = label_problem(key, content) if equals else f"{value!r} is no label; want key=value"
        if problem:
            self.fail(problem, param, ctx)
        return key, content


@click.command()
@click.argument("name", type=NAME)
@ends_options(member_required=True)
@click.option("--label", "labels", type=Label(), multiple=True, metavar="K=V", help="A label of it; repeatable.")
@click.option("--update-group", type=NAME, metavar="NAME", help="The update group that it belongs to.")
@click.option(
    "--cluster-resource-id",
    metavar="ID",
    help="What the cluster is on its platform, for upgrades: /subscriptions/…/managedClusters/x, eks://region/name, "
    "gke://project/location/name, capi://namespace/name.",
)
@click.option("--hub-url", metavar="URL", help="Where the member reaches the hub; else as the kubeconfig says.")
@click.option("--member-url", metavar="URL", help="With --push: where the hub reaches the member.")
@click.option("--image", default=f"{names.IMAGE}:{__version__}", show_default=True, help="The image of the agent.")
@click.option(
    "--agent-role",
    default="cluster-admin",
    show_default=True,
    metavar="CLUSTERROLE",
    help="What the agent may do on the member when it places objects.",
)
@token_life_option
@click.option("--push", is_flag=True, help="No agent in the member: the hub applies, with a kubeconfig that it keeps.")
@click.option("--renew", is_flag=True, help="Only give the agent a new token, when its own has ended.")
@click.option("--adopt", is_flag=True, help="Take over from another fleet manager, whose agent is gone.")
@click.option("--dry-run", is_flag=True, help="Check everything, print what would be made, change nothing.")
@click.option("-o", "--output", type=click.Choice(["yaml"]), default="yaml", help="With --dry-run: how to print it.")
@click.option("--wait", is_flag=True, help="Wait until the member has joined.")
@click.option(
    "--timeout", type=click.FloatRange(0), default=300, show_default=True, metavar="SECONDS", help="For how long."
)
def join(
    name: str,
    ends: Ends,
    labels: tuple[tuple[str, str], ...],
    update_group: str | None,
    cluster_resource_id: str | None,
    hub_url: str | None,
    member_url: str | None,
    image: str,
    agent_role: str,
    token_life: float,
    push: bool,
    renew: bool,
    adopt: bool,
    dry_run: bool,
    output: Literal["yaml"],
    wait: bool,
    timeout: float,
) -> None:
    """Make a cluster the member NAME of the hub.

    On the hub: a MemberCluster, and an account for its agent that has rights in the member's own namespace only.
    On the member: an agent in fleet-system, which pulls, so the hub does not have to reach the member. Done again,
    it changes what is different now.
    """
    if member_url and not (push or renew):
        raise CannotStart("--member-url goes with --push: without it the hub does not reach the member")
    if cluster_resource_id is not None and not RESOURCE_ID.fullmatch(cluster_resource_id):
        raise CannotStart(
            f"--cluster-resource-id: {cluster_resource_id!r} is no id; want one such as eks://region/name"
        )
    annotations = {} if cluster_resource_id is None else {names.CLUSTER_RESOURCE_ID: cluster_resource_id}

    def wanted(hub: End, member: End) -> Membership:
        return Membership(
            name=name,
            hub_url=hub.connection.server if push else address_for("member", hub, hub_url),
            member_url=address_for("hub", member, member_url) if push else "",
            labels=_labels(labels, update_group),
            annotations=annotations,
            image=image,
            placing_role=agent_role,
            token_life=timedelta(seconds=token_life),
            push=push,
            adopt=adopt,
        )

    async def act() -> None:
        async with reached("hub", ends.hub) as hub, reached("member", _member(ends)) as member:
            if renew:
                await _renew(hub, member, name, hub_url, member_url, timedelta(seconds=token_life))
                return
            membership = wanted(hub, member)
            await joining.check(hub, member, membership)
            if dry_run:
                _print(*joining.manifests_of(hub, member, membership))
                return
            await joining.join(hub, member, membership, click.echo)
            if wait:
                await _wait(hub, name, timeout)
            else:
                click.echo(f"It has joined once its agent has reported: echelon member wait -n {name} --created")

    asyncio.run(act())


async def _renew(
    hub: End, member: End, name: str, hub_url: str | None, member_url: str | None, life: timedelta
) -> None:
    membership = Membership(name=name, hub_url=hub_url or hub.connection.server, token_life=life)
    present = await joining.check(hub, member, membership)
    if present is None:
        raise Failed(f"the hub has no member {name!r}, so there is nothing to renew; join without --renew")
    if present.metadata.annotations.get(names.CONNECTION) == names.PUSH:
        address = address_for("hub", member, member_url)
        membership = Membership(name=name, hub_url=membership.hub_url, member_url=address, token_life=life, push=True)
    await joining.renew(hub, member, present, membership, click.echo)


async def _wait(hub: End, name: str, timeout: float) -> None:
    said = ""

    def joined(found: Plain | None) -> bool:
        nonlocal said
        if found is None:
            raise Failed(f"the member {name!r} was deleted meanwhile")
        conditions = from_dict(MemberCluster, found).status.conditions
        has_joined, healthy = find_condition(conditions, JOINED), find_condition(conditions, HEALTHY)
        bad = healthy if healthy is not None and healthy.status != "True" else has_joined
        said = "" if bad is None else bad.message
        return all(each is not None and each.status == "True" for each in (has_joined, healthy))

    try:
        await until(hub.client, MEMBER, name, joined, Deadline.after(timeout))
    except TimedOut:
        why = said or "the hub says nothing of it"
        raise TimedOut(f"the member {name!r} has not joined within {timeout:g} s: {why}") from None
    click.echo(f"{name} has joined")


def _member(ends: Ends) -> Access:
    assert ends.member is not None
    return ends.member


def _labels(labels: tuple[tuple[str, str], ...], update_group: str | None) -> Mapping[str, str]:
    return dict(labels) | ({} if update_group is None else {names.UPDATE_GROUP: update_group})


def _print(on_hub: list[joining.Object], on_member: list[joining.Object]) -> None:
    import yaml  # here, for what it takes to load

    class Repeating(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    for where, objects in (("hub", on_hub), ("member", on_member)):
        for obj in objects:
            text = yaml.dump(obj, Dumper=Repeating, sort_keys=False, allow_unicode=True)
            click.echo(f"---  # on the {where}\n{text}", nl=False)
