"""How a cluster leaves: the hub lets the member go, with or without what was placed there; then its agent goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from echelon.agent import installation
from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import READY_TO_JOIN, find_condition
from echelon.api.meta import from_dict
from echelon.api.work import AppliedWork, Work
from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import MEMBER
from echelon.cli.fleet.waiting import Deadline, TimedOut, until
from echelon.cli.joining import checks
from echelon.cli.joining.ends import End
from echelon.cli.joining.joining import applied_works, delete
from echelon.kube.errors import NotFound
from echelon.kube.patches import MergePatch

Tell = Callable[[str], None]


async def find(hub: End, name: str) -> MemberCluster | None:
    """The member that is to leave; None when the hub has none of that name."""
    await checks.check_is_hub(hub)
    try:
        return await hub.client.get(MemberCluster, name)
    except NotFound:
        return None


async def placed(hub: End, name: str) -> Sequence[str]:
    """What is placed on a member by what the hub knows: kind, namespace and name of each object."""
    works = await hub.client.list(Work, namespace=names.member_namespace(name))
    found: list[str] = []
    for work in works.items:
        for condition in work.status.manifest_conditions:
            place = condition.identifier
            found.append(" ".join([place.kind, "/".join(part for part in (place.namespace, place.name) if part)]))
    return sorted(set(found))


async def leave(hub: End, member: MemberCluster, mode: str, timeout: timedelta, tell: Tell) -> None:
    """Have the hub let a member go, and wait for that. ``mode`` is a value of the annotation, or empty to keep.

    Raises:
        TimedOut: it has not gone in time; it still leaves.
    """
    name = member.metadata.name
    patch = MergePatch({"metadata": {"annotations": {names.ON_LEAVE: mode or None}}})
    await hub.client.patch(MemberCluster, name, patch)
    await hub.client.delete(MemberCluster, name, uid=member.metadata.uid, missing_ok=True)
    said = ""

    def gone(found: dict[str, Any] | None) -> bool:
        nonlocal said
        if found is None or found["metadata"]["uid"] != member.metadata.uid:
            return True
        condition = find_condition(from_dict(MemberCluster, found).status.conditions, READY_TO_JOIN)
        if condition is not None and condition.status == "False" and condition.message != said:
            said = condition.message
            tell(f"{said} …")
        return False

    try:
        await until(hub.client, MEMBER, name, gone, Deadline.after(timeout.total_seconds()))
    except TimedOut:
        why = said or "the hub's controllers have not taken it up"
        raise TimedOut(
            f"{name!r} has not left within {timeout.total_seconds():g} s: {why}. It goes on leaving; "
            "with --force the hub does not wait for its agent"
        ) from None


async def remove_agent(hub: End, member: End, name: str, *, emptied: bool) -> bool:
    """Take the agent off a member that has left; whether there was one of this hub.

    Raises:
        Failed: the cluster is another member, or another hub's.
    """
    belongs = await checks.belonging(member)
    if belongs is None:
        return False
    if (belongs.hub_id, belongs.member) != (hub.id, name):
        raise Failed(
            f"the {member.title} is not {name!r} but the member {belongs.member!r} of {belongs.hub_url}; "
            "its agent stays"
        )
    for obj in installation.removal():
        await delete(member, obj)
    if emptied:
        await _remove_kind(member)
    return True


async def _remove_kind(member: End) -> None:
    """Take the kind by which agents remember what they placed, when nothing is remembered any more."""
    try:
        left = await member.client.list(AppliedWork)
    except NotFound:
        return
    if not left.items:
        for definition in applied_works():
            await delete(member, definition)


def brief(objects: Sequence[str], limit: int = 10) -> str:
    """Objects, a line each, and how many more."""
    lines = [f"  {each}" for each in objects[:limit]]
    if len(objects) > limit:
        lines.append(f"  and {len(objects) - limit} more")
    return "\n".join(lines)
