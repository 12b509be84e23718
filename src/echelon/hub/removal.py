"""Taking a hub off a cluster.

First its rights go, so that its controllers can write nothing more, however long their pods take to end. What
is placed on members stays there. Kinds, and with them all objects of the fleet, stay unless they are to go too:
then finalizers are taken off first, since nobody is left who would wait for what they stand for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from echelon.api import crds, names
from echelon.api.cluster import MemberCluster
from echelon.api.core import Lease, Namespace
from echelon.api.fleet import UpdateRun
from echelon.api.meta import KubeObject, Resource
from echelon.api.staged import ClusterStagedUpdateRun, StagedUpdateRun
from echelon.explain.outline import is_over
from echelon.hub.install import key_of_object, kind_of_object
from echelon.hub.manifests import LEASE, manifests
from echelon.hub.others import is_ours
from echelon.hub.values import Values
from echelon.kube.client import Client
from echelon.kube.crds import DEFINITIONS
from echelon.kube.errors import Expired, NotFound
from echelon.kube.kinds import Key, KindLike, Unstructured
from echelon.kube.patches import MergePatch

_FIRST: Final = ("ClusterRoleBinding", "RoleBinding", "Deployment")
_STAY: Final = ("CustomResourceDefinition", "Namespace")
_UNDER_WAY: Final = ("Running", "Pending", "Stopping")

Tell = Callable[[str, str], None]
"""Is told of the kind and name of each object that goes."""


class Usage(msgspec.Struct, frozen=True):
    """What of a fleet is on a hub: its members, and the runs that are not over, as ``kind/name``."""

    members: Sequence[str]
    runs: Sequence[str]


async def usage(client: Client) -> Usage:
    """What a hub is used for. Kinds that are not served have no objects."""
    staged = [
        (kind.resource.kind, run)
        for kind in (ClusterStagedUpdateRun, StagedUpdateRun)
        for run in await _all(client, kind)
        if not is_over(run)
    ]
    updates = [("UpdateRun", run) for run in await _all(client, UpdateRun) if run.status.state in _UNDER_WAY]
    return Usage(
        members=[member.metadata.name for member in await _all(client, MemberCluster)],
        runs=[f"{kind}/{run.metadata.name}" for kind, run in (*staged, *updates)],
    )


async def _all(client: Client, kind: type[Any]) -> Sequence[Any]:
    assert issubclass(kind, KubeObject)
    try:
        return (await client.list(kind)).items
    except NotFound:
        return ()


async def uninstall(client: Client, namespace: str, tell: Tell) -> None:
    """Take everything away that an install made, but for kinds and the namespace."""
    wanted = [
        obj for obj in manifests(Values(), namespace) if obj["kind"] not in ("CustomResourceDefinition", "Namespace")
    ]
    for obj in sorted(wanted, key=lambda obj: _rank(obj["kind"])):
        await _delete(client, kind_of_object(obj["kind"]), key_of_object(obj), tell)
    await _delete(client, Lease, (namespace, LEASE), tell)


def _rank(kind: str) -> int:
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


async def objects(client: Client) -> int:
    """How many objects there are of our kinds."""
    return sum([len((await client.list(kind)).items) for kind in await _kinds(client)])


async def remove_kinds(client: Client, tell: Tell) -> None:
    """Take our kinds away, with all objects of them; those of another fleet manager stay. After ``uninstall``."""
    kinds = await _kinds(client)
    for kind in kinds:
        for found in (await client.list(kind)).items:
            if found["metadata"].get("finalizers"):
                with contextlib.suppress(NotFound):
                    await client.patch(kind, kind.key(found), MergePatch({"metadata": {"finalizers": None}}))
    gone = {f"{kind.resource.plural}.{kind.resource.group}" for kind in kinds}
    for name in sorted(gone):
        await _delete(client, DEFINITIONS, ("", name), tell)
    await _wait_until_gone(client, gone)


async def remove_namespaces(client: Client, namespace: str, tell: Tell) -> None:
    """Take the namespaces of members away, and that of the hub if an install made it."""
    for found in (await client.list(Namespace)).items:
        name = found.metadata.name
        ours = all(found.metadata.labels.get(label) == value for label, value in crds.OURS.items())
        if names.member_of_namespace(name) is not None or (name == namespace and ours):
            await _delete(client, Namespace, found.key, tell)


async def _kinds(client: Client) -> Sequence[Unstructured]:
    """Our kinds that are on the cluster, each at the version that it is stored at."""
    wanted = {manifest["metadata"]["name"] for manifest in crds.manifests()}
    listed = await client.list(DEFINITIONS)
    return [_kind(found) for found in listed.items if found["metadata"]["name"] in wanted and is_ours(found)]


def _kind(definition: dict[str, Any]) -> Unstructured:
    spec = definition["spec"]
    (stored,) = [version["name"] for version in spec["versions"] if version["storage"]]
    called = spec["names"]
    return Unstructured(
        Resource(spec["group"], stored, called["plural"], called["kind"], spec["scope"] == "Namespaced")
    )


async def _delete(client: Client, kind: KindLike[Any], key: Key, tell: Tell) -> None:
    try:
        await client.delete(kind, key, propagation="Background")
    except NotFound:
        return
    resource = kind.resource
    tell(resource.kind, "/".join(part for part in key if part))


async def _wait_until_gone(client: Client, names: set[str]) -> None:
    while True:
        listed = await client.list(DEFINITIONS)
        left = names & {found["metadata"]["name"] for found in listed.items}
        if not left:
            break
        with contextlib.suppress(Expired):  # then they are listed again
            async with client.watch(DEFINITIONS, resource_version=listed.resource_version) as watch:
                async for event in watch:
                    if event.type == "DELETED" and event.object is not None:
                        left.discard(event.object["metadata"]["name"])
                    if not left:
                        break
    client.mapper.forget()
