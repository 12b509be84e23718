"""What speaks against a cluster's joining a fleet, found before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from echelon.agent.installation import NAMESPACE, Belonging, belonging_of
from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import JOINED, find_condition
from echelon.api.core import RBAC
from echelon.api.meta import Resource
from echelon.api.work import AppliedWork
from echelon.cli.errors import Failed
from echelon.cli.joining.ends import End
from echelon.hub.others import is_ours
from echelon.kube.crds import DEFINITIONS
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured

OLDEST = (1, 28)
_CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))
_SIMULATED = "simulated://"


class Right(msgspec.Struct, frozen=True):
    """Something that the user has to be allowed to do."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}{where}"


def hub_rights(member: str, *, push: bool) -> Sequence[Right]:
    """What a join takes on the hub."""
    namespace = names.member_namespace(member)
    rights = [
        Right("create", "memberclusters", MemberCluster.resource.group),
        Right("patch", "serviceaccounts", namespace=namespace),
    ]
    kept = Right("patch", "secrets", namespace=namespace)
    return [*rights, kept if push else Right("create", "serviceaccounts/token", namespace=namespace)]


def member_rights() -> Sequence[Right]:
    """What a join takes on the member."""
    inside = [("serviceaccounts", ""), ("configmaps", ""), ("secrets", ""), ("deployments", "apps")]
    everywhere = [
        ("namespaces", ""),
        ("clusterroles", RBAC),
        ("clusterrolebindings", RBAC),
        ("customresourcedefinitions", "apiextensions.k8s.io"),
    ]
    return [
        *(Right("create", resource, group) for resource, group in everywhere),
        *(Right("patch", resource, group, NAMESPACE) for resource, group in inside),
    ]


async def check_rights(end: End, rights: Sequence[Right]) -> None:
    """See that the user may do all of it. Raises Failed, naming what is missing."""
    missing = [right for right in rights if not await _may(end, right)]
    if missing:
        raise Failed(f"your user on the {end.title} may not {', '.join(map(str, missing))}; nothing was changed")


async def check_version(end: End) -> None:
    """See that a cluster is of a version that Echelon works with. Raises Failed."""
    found = await end.client.version()
    numbers = [re.match(r"\d+", part) for part in (found.major, found.minor)]
    version = tuple(int(number[0]) for number in numbers if number is not None)
    if len(version) == 2 and version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Failed(f"the {end.title} is Kubernetes {found.git_version}; want {oldest} or newer. Nothing was changed")


async def check_is_hub(hub: End) -> None:
    """See that the hub is one. Raises Failed."""
    try:
        await hub.client.get_raw(f"/apis/{MemberCluster.resource.api_version}")
    except NotFound:
        raise Failed(
            f"the {hub.title} has no kinds of a fleet: it is no hub yet; make it one with: echelon hub install"
        ) from None


async def check_no_other_agent(member: End) -> None:
    """See that no other fleet manager keeps its books there in the kind that ours would use. Raises Failed."""
    name = f"{AppliedWork.resource.plural}.{AppliedWork.resource.group}"
    try:
        definition = await member.client.get(DEFINITIONS, name)
    except NotFound:
        return
    if not is_ours(definition):
        raise Failed(
            f"the {member.title} has the kind {name} of another fleet manager, whose agent would work against ours. "
            "Nothing was changed. When that agent is gone, --adopt takes the kind over, with what was placed by it"
        )


async def belonging(member: End) -> Belonging | None:
    """Which member of which hub a cluster says it is; None when it says nothing."""
    try:
        found = await member.client.get(_CONFIG_MAPS, (NAMESPACE, names.AGENT_CONFIG_MAP))
    except NotFound:
        return None
    return belonging_of(found)


def objection(name: str, hub: End, member: End, belongs: Belonging | None, present: MemberCluster | None) -> str | None:
    """Why a cluster cannot be the member of this name of this hub, None when it can. Pure.

    Args:
        name: that it is to have.
        hub: and ``member``, the two clusters.
        belongs: what the cluster says it is.
        present: the member of this name that the hub has.
    """
    if belongs is not None and belongs.hub_id != hub.id:
        return (
            f"the {member.title} is the member {belongs.member!r} of another hub, {belongs.hub_url}; "
            f"let it leave there first: echelon member leave {belongs.member}"
        )
    if belongs is not None and belongs.member != name:
        return f"the {member.title} is the member {belongs.member!r} of this hub already"
    if present is None:
        return None
    annotations = present.metadata.annotations
    if present.metadata.deletion_timestamp is not None:
        return f"the member {name!r} is leaving; wait for that with: echelon member wait -n {name} --deleted"
    if annotations.get(names.CLUSTER_RESOURCE_ID, "").startswith(_SIMULATED):
        return f"the hub has a member {name!r} already, which it simulates itself; choose another name"
    known = annotations.get(names.MEMBER_UID, "")
    if known and known != member.id:
        return f"the hub has a member {name!r} already, and it is another cluster; choose another name"
    joined = find_condition(present.status.conditions, JOINED)
    if not known and joined is not None and joined.status == "True":
        identity = present.spec.identity
        return (
            f"the hub has a member {name!r} already, whose agent signs in as {identity.kind} {identity.name}; "
            "choose another name, or let that member leave first"
        )
    return None


async def _may(end: End, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
    }
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = await end.client.create(review)
    return bool(answer["status"]["allowed"])
