"""Members: all of them, and one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.api.upgrade import ClusterUpgrade
from echelon.portal.page import Action, Done, Form, Outcome, Page, Refused, Region, Shown, Visit
from echelon.portal.rights import to
from echelon.portal.views.member import Binding, member_page
from echelon.portal.views.members import NONE, UNKNOWN, Health, Row, image_version, rows
from echelon.portal.views.paging import Slice, page_of

_GROUP = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")


class List(Struct, frozen=True, kw_only=True):
    """The members that a filter lets through; ``choices`` are what can be filtered by."""

    page: Slice[Row]
    total: int
    query: Mapping[str, str]
    choices: Mapping[str, Sequence[str]]


_VALUES: Mapping[str, Callable[[Row], str]] = {
    "health": lambda row: row.health.value,
    "version": lambda row: row.version or UNKNOWN,
    "image": lambda row: ", ".join(sorted({image_version(image) for image in row.images})) or UNKNOWN,
    "group": lambda row: row.group or NONE,
    "region": lambda row: row.region or UNKNOWN,
}


def show_all(visit: Visit) -> Shown:
    """The members that a query asks for."""
    found = rows(visit.list(MemberCluster), visit.now)
    query = {name: visit.query[name] for name in ("name", *_VALUES) if visit.query.get(name)}
    left = [row for row in found if _matches(row, query)]
    choices = {name: sorted({value(row) for row in found}) for name, value in _VALUES.items()}
    choices["health"] = [health.value for health in Health]
    model = List(page=page_of(left, visit.query), total=len(found), query=query, choices=choices)
    return Shown(
        title="Members",
        template="members/page.html",
        regions=(Region("members", "members/list.html", model),),
        model=model,
    )


def _matches(row: Row, query: Mapping[str, str]) -> bool:
    if query.get("name", "").lower() not in row.name:
        return False
    return all(value(row) == query[name] for name, value in _VALUES.items() if name in query)


def show_one(visit: Visit) -> Shown:
    """A member."""
    member = visit.get(MemberCluster, visit.names["name"])
    bindings: list[Binding] = [*visit.list(ClusterResourceBinding), *visit.list(ResourceBinding)]
    model = member_page(member, bindings, visit.list(ClusterUpgrade), visit.list(UpdateRun), visit.now)
    groups = sorted({one.metadata.labels.get(names.UPDATE_GROUP, "") for one in visit.list(MemberCluster)} - {""})
    return Shown(
        title=member.metadata.name,
        template="members/one.html",
        regions=(
            Region("head", "members/head.html", model),
            Region("facts", "members/facts.html", model),
            Region("placed", "members/placed.html", model),
            Region("upgrades", "members/upgrades.html", model),
            Region("conditions", "members/conditions.html", model),
        ),
        model={"may": visit.may("patch", MemberCluster), "groups": groups, "row": model.row},
    )


async def set_group(visit: Visit, form: Form) -> Outcome:
    """Put a member into an update group, or take it out of the one that it is in."""
    group, name = form.one("group"), visit.names["name"]
    if group and not _GROUP.fullmatch(group):
        raise Refused([f"{group!r} is no update group: lower-case letters, digits and hyphens, at most 50."])
    member = await visit.client.get(MemberCluster, name)
    others = {key: value for key, value in member.metadata.labels.items() if key != names.UPDATE_GROUP}
    labels = others | ({names.UPDATE_GROUP: group} if group else {})
    await visit.client.patch_object(member, replace(member, metadata=replace(member.metadata, labels=labels)))
    return Done(f"{name} is in the update group {group}." if group else f"{name} is in no update group.")


PAGES = (
    Page(path="/members", section="Members", show=show_all, shows=(MemberCluster,)),
    Page(
        path="/members/{name}",
        section="Members",
        show=show_one,
        shows=(MemberCluster, ClusterResourceBinding, ResourceBinding, ClusterUpgrade, UpdateRun),
        asks=(to("patch", MemberCluster),),
    ),
)
ACTIONS = (Action(path="/members/{name}/group", act=set_group),)
