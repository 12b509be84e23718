"""Members: MemberClusters of the hub."""

from __future__ import annotations

from typing import Any

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.meta import ObjectMeta
from echelon.arm.call import Call, Reply, found, object_of
from echelon.arm.clusters import stored_cluster
from echelon.arm.envelope import enveloped
from echelon.arm.errors import invalid
from echelon.arm.filters import matches_member, parse_filter
from echelon.arm.handlers.operations import accepted
from echelon.arm.ids import is_name
from echelon.arm.translation.members import (
    CLUSTER_ID,
    LOCATION,
    MEMBERS,
    cluster_id,
    given_id,
    labels_from,
    member_to,
    provisioning_state,
)
from echelon.arm.waiting import gone, settled
from echelon.kube.patches import JsonPatch

LONGEST = 50


def shown(call: Call, member: MemberCluster) -> dict[str, Any]:
    """A member as it is on the wire."""
    id_ = call.fleet.of(MEMBERS, member.metadata.name)
    return enveloped(member.metadata, id_, MEMBERS, member_to(member, call.fleet))


async def get(call: Call) -> Reply:
    return Reply(body=shown(call, await call.client.get(MemberCluster, call.name)))


async def list_(call: Call) -> Reply:
    terms = parse_filter(call.query.get("$filter"))
    members = (await call.client.list(MemberCluster)).items
    chosen = [member for member in members if matches_member(terms, member)]
    return call.page(
        chosen, lambda member: member.metadata.name, f"{call.fleet}/{MEMBERS}", lambda member: shown(call, member)
    )


async def put(call: Call) -> Reply:
    """Create a member, or make the one there as given; its cluster is what it is."""
    properties = call.properties
    id_ = given_id(properties)
    present: MemberCluster | None = await found(call.client.get(MemberCluster, call.name))
    call.check_preconditions(present)
    if present is not None:
        if cluster_id(present.metadata, call.fleet).lower() != id_.lower():
            message = (
                f"the member is {cluster_id(present.metadata, call.fleet)!r}; a member's cluster cannot be changed"
            )
            raise invalid(message, "properties.clusterResourceId")
        return Reply(body=shown(call, await _change(call, present, whole=True)))
    if not is_name(call.name, LONGEST):
        raise invalid(f"{call.names['name']!r} is no name; want 1 to 50 lower-case letters, digits and dashes", "name")
    member = await call.client.create(await _new(call, id_))
    member = await settled(call.client, member, lambda seen: provisioning_state(seen) == "Succeeded") or member
    return Reply(status=201, body=shown(call, member), headers={"Retry-After": "1"})


async def _new(call: Call, id_: str) -> MemberCluster:
    stored = await stored_cluster(call.directory, call.token, id_)
    annotations = {**call.directory.annotations_of(call.name, id_, {} if stored is None else stored.cluster)}
    if annotations[names.CLUSTER_RESOURCE_ID] != id_:
        annotations[CLUSTER_ID] = id_
    labels = labels_from(call.properties, None, whole=True)
    if stored is not None and "region" in stored.cluster:
        labels[LOCATION] = stored.cluster["region"]
    return MemberCluster(
        metadata=ObjectMeta(name=call.name, labels=labels, annotations=annotations | await call.notes(created=True)),
        spec=MemberClusterSpec(identity=call.directory.identity_of(call.name)),
    )


async def patch(call: Call) -> Reply:
    """Change group and labels."""
    member = await call.client.get(MemberCluster, call.name)
    call.check_preconditions(member)
    return Reply(body=shown(call, await _change(call, member, whole=False)))


async def _change(call: Call, member: MemberCluster, *, whole: bool) -> MemberCluster:
    properties = object_of(object_of(call.body, "").get("properties") or {}, "properties")
    labels = labels_from(properties, member.metadata.labels, whole=whole)
    if labels == member.metadata.labels:
        return member
    notes = {**member.metadata.annotations, **await call.notes(created=False)}
    return await call.client.patch(
        MemberCluster,
        call.name,
        JsonPatch(
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": member.metadata.resource_version},
                {"op": "add", "path": "/metadata/labels", "value": labels},
                {"op": "add", "path": "/metadata/annotations", "value": notes},
            ]
        ),
    )


async def delete(call: Call) -> Reply:
    """Have a member leave; it may take a while until its agent has cleaned up."""
    member: MemberCluster | None = await found(call.client.get(MemberCluster, call.name))
    if member is None:
        return Reply(status=204)
    call.check_preconditions(member)
    await call.client.delete(MemberCluster, call.name, uid=member.metadata.uid, missing_ok=True)
    if await gone(call.client, member):
        return Reply(status=204)
    leaving: MemberCluster | None = await found(call.client.get(MemberCluster, call.name))
    if leaving is None:
        return Reply(status=204)
    return accepted(call, call.fleet.of(MEMBERS, call.name), shown(call, leaving))


async def cluster_ids(call: Call) -> dict[str, str]:
    """The ARM ids of the clusters of all members."""
    members = (await call.client.list(MemberCluster)).items
    return {member.metadata.name: cluster_id(member.metadata, call.fleet) for member in members}
