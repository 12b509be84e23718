"""Reading the kinds of staged rollouts from a hub, in the two scopes.

A command that takes ``-n`` works with the namespaced kinds when it is given, else with the
cluster-scoped ones; everything else about it is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from echelon.api import names
from echelon.api.meta import KubeObject
from echelon.cli.errors import Failed
from echelon.explain.kinds import Binding, Placement, Snapshot, index_of, kinds_of
from echelon.kube.client import Client
from echelon.kube.errors import NotFound

_NAMED = 20


async def find(client: Client, kind: type[KubeObject], name: str, namespace: str = "") -> KubeObject:
    """An object by its name. Raises Failed, naming those there are."""
    try:
        return await client.get(kind, (namespace, name))
    except NotFound:
        there = await listed_names(client, kind, namespace)
        where = f" in namespace {namespace!r}" if namespace else ""
        raise Failed(f"no {kind.resource.kind} {name!r}{where}; there is {there}") from None


async def listed_names(client: Client, kind: type[KubeObject], namespace: str) -> str:
    """The names of all objects of a kind, as words."""
    objects = (await client.list(kind, namespace=namespace or None)).items
    found = sorted(obj.metadata.name for obj in objects)
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more or "none"


async def find_placement(client: Client, name: str, namespace: str) -> Placement:
    """A placement by its name. Raises Failed, naming those there are."""
    return cast(Placement, await find(client, kinds_of(namespace).placement, name, namespace))


async def bindings_of_placement(client: Client, name: str, namespace: str) -> Sequence[Binding]:
    """The bindings of a placement, by member."""
    labels = {names.PARENT_PLACEMENT: name}
    listed = await client.list(kinds_of(namespace).binding, namespace=namespace or None, labels=labels)
    found = cast(Sequence[Binding], listed.items)
    return sorted(found, key=lambda binding: binding.spec.target_cluster)


async def snapshots_of(client: Client, placement: str, namespace: str) -> Sequence[Snapshot]:
    """All parts of all resource snapshots of a placement, by index."""
    labels = {names.PARENT_PLACEMENT: placement}
    listed = await client.list(kinds_of(namespace).snapshot, namespace=namespace or None, labels=labels)
    return sorted(cast(Sequence[Snapshot], listed.items), key=lambda part: (index_of(part), part.metadata.name))
