"""Reading staged runs from a hub: cluster-scoped ones, or those of a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.staged import ClusterStagedUpdateRun, StagedUpdateRun
from echelon.cli.errors import Failed
from echelon.cli.outline import Binding, Run
from echelon.kube.client import Client
from echelon.kube.errors import NotFound


def run_kind(namespace: str) -> type[ClusterStagedUpdateRun] | type[StagedUpdateRun]:
    """The kind of the runs of a namespace, or of cluster-scoped runs when there is none."""
    return StagedUpdateRun if namespace else ClusterStagedUpdateRun


def binding_kind(namespace: str) -> type[ClusterResourceBinding] | type[ResourceBinding]:
    """The kind of the bindings that such runs change."""
    return ResourceBinding if namespace else ClusterResourceBinding


async def list_runs(client: Client, namespace: str) -> Sequence[Run]:
    """All runs, oldest first."""
    listed = await client.list(run_kind(namespace), namespace=namespace or None)
    found = cast(Sequence[Run], listed.items)
    return sorted(found, key=lambda run: (run.metadata.creation_timestamp or "", run.metadata.name))


async def get_run(client: Client, name: str, namespace: str) -> Run:
    """A run by its name. Raises Failed, naming the runs there are."""
    kind = run_kind(namespace)
    try:
        run: Run = await client.get(kind, (namespace, name))
    except NotFound:
        there = ", ".join(other.metadata.name for other in await list_runs(client, namespace)) or "none"
        where = f" in namespace {namespace!r}" if namespace else ""
        raise Failed(f"no {kind.resource.kind} {name!r}{where}; there is {there}") from None
    return run


async def bindings_of(client: Client, run: Run) -> Sequence[Binding]:
    """The bindings of a run's placement."""
    namespace = run.metadata.namespace
    labels = {names.PARENT_PLACEMENT: run.spec.placement_name}
    listed = await client.list(binding_kind(namespace), namespace=namespace or None, labels=labels)
    return cast(Sequence[Binding], listed.items)


def local_now() -> datetime:
    """The moment, in the time zone of this machine."""
    return datetime.now().astimezone()
