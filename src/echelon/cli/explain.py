"""``echelon explain KIND NAME``: what an object waits for, since when, and what would unblock it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping

import click
import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import CannotStart
from echelon.cli.output import Output, output_options
from echelon.cli.runs import local_now
from echelon.cli.transport import brief_transport
from echelon.cli.tree import explanation
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation
from echelon.kube.client import Client

Explain = Callable[[Client, str, str, Access], Awaitable[Explanation]]


class Topic(msgspec.Struct, frozen=True):
    """A kind that can be explained: other words for it, and where it is done. ``scope`` is how it takes ``-n``."""

    words: tuple[str, ...]
    where: str
    scope: str = "both"


_HERE = "echelon.cli.explained"
TOPICS: Mapping[str, Topic] = {
    "placement": Topic(("clusterresourceplacement", "crp", "resourceplacement", "rp"), f"{_HERE}:placement_by_name"),
    "binding": Topic(("clusterresourcebinding", "crb", "resourcebinding", "rb"), f"{_HERE}:binding_by_name"),
    "work": Topic((), f"{_HERE}:work_by_name", "namespaced"),
    "rollout": Topic(("clusterstagedupdaterun", "csur", "stagedupdaterun", "sur", "run"), f"{_HERE}:run_by_name"),
    "approval": Topic(("clusterapprovalrequest", "careq", "approvalrequest", "areq"), f"{_HERE}:approval_by_name"),
    "eviction": Topic(("clusterresourceplacementeviction", "crpe"), f"{_HERE}:eviction_by_name", "cluster"),
    "member": Topic(("membercluster", "cluster"), f"{_HERE}:member_by_name", "cluster"),
    "updaterun": Topic(("ur",), f"{_HERE}:update_run_by_name", "cluster"),
    "gate": Topic((), f"{_HERE}:gate_by_name", "cluster"),
    "clusterupgrade": Topic(("cu", "upgrade"), f"{_HERE}:upgrade_by_name", "member"),
}


@click.command()
@click.argument("kind")
@click.argument("name")
@namespace_option
@output_options
@access_options
def explain(kind: str, name: str, namespace: str, output: Output, access: Access) -> None:
    """Explain the object NAME of a KIND.

    KIND is one of placement, binding, work, rollout, approval, eviction, member, updaterun, gate and
    clusterupgrade, or the kind itself or its short name, such as crp.
    """
    topic = topic_of(kind)
    _check_scope(kind, topic, namespace)
    found = asyncio.run(_explain(topic, name, namespace, access))
    output.show(found.plain(), lambda: shown(found))


def topic_of(kind: str) -> Topic:
    """The topic of a word. Raises CannotStart."""
    word = kind.lower()
    for name, topic in TOPICS.items():
        known = (name, *topic.words)
        if word in known or word.removesuffix("s") in known:
            return topic
    raise CannotStart(f"{kind!r} is no kind that can be explained; want one of {', '.join(TOPICS)}")


def _check_scope(kind: str, topic: Topic, namespace: str) -> None:
    if topic.scope == "namespaced" and not namespace:
        raise CannotStart(f"a {kind} is in the namespace of its member; name it with -n, as in -n fleet-member-NAME")
    if topic.scope == "cluster" and namespace:
        raise CannotStart(f"a {kind} is in no namespace; leave out -n {namespace}")
    of_namespace = {word for word in topic.words if not word.startswith("c")}
    if topic.scope == "both" and not namespace and kind.lower().removesuffix("s") in of_namespace - {"run"}:
        raise CannotStart(f"a {kind} is in a namespace; name it with -n")


async def _explain(topic: Topic, name: str, namespace: str, access: Access) -> Explanation:
    module, _, function = topic.where.partition(":")
    by_name: Explain = getattr(importlib.import_module(module), function)
    async with connected(access, brief_transport) as client:
        return await by_name(client, name, namespace, access)


def shown(found: Explanation) -> RenderableType:
    """An explanation for people; commands whole, to be copied."""
    now = local_now()
    parts: list[RenderableType] = [Text(found.what, style="bold").append(f"  {found.state}", style="not bold")]
    parts += [Text(f"  {fact}") for fact in found.facts]
    for wait in found.waits:
        parts.append(explanation([wait], now))
        if wait.command:
            parts.append(Text(f"  {wait.command}", style="cyan", no_wrap=True, overflow="ignore"))
    if not found.waits:
        parts.append(Text("Waits for nothing.", style="dim"))
    return Group(*parts)
