"""Reading staged runs from a hub: cluster-scoped ones, or those of a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from echelon.cli.errors import Failed
from echelon.cli.kinds import bindings_of_placement
from echelon.explain.kinds import Binding, Run, kinds_of
from echelon.kube.client import Client
from echelon.kube.errors import NotFound


async def list_runs(client: Client, namespace: str) -> Sequence[Run]:
    """All runs, oldest first."""
    listed = await client.list(kinds_of(namespace).run, namespace=namespace or None)
    found = cast(Sequence[Run], listed.items)
    return sorted(found, key=lambda run: (run.metadata.creation_timestamp or "", run.metadata.name))


async def get_run(client: Client, name: str, namespace: str) -> Run:
    """A run by its name. Raises Failed, naming the runs there are."""
    kind = kinds_of(namespace).run
    try:
        run: Run = await client.get(kind, (namespace, name))
    except NotFound:
        there = ", ".join(other.metadata.name for other in await list_runs(client, namespace)) or "none"
        where = f" in namespace {namespace!r}" if namespace else ""
        raise Failed(f"no {kind.resource.kind} {name!r}{where}; there is {there}") from None
    return run


async def runs_of(client: Client, placement: str, namespace: str) -> Sequence[Run]:
    """The runs of a placement, oldest first."""
    return [run for run in await list_runs(client, namespace) if run.spec.placement_name == placement]


async def bindings_of(client: Client, run: Run) -> Sequence[Binding]:
    """The bindings of a run's placement."""
    return await bindings_of_placement(client, run.spec.placement_name, run.metadata.namespace)


def local_now() -> datetime:
    """The moment, in the time zone of this machine."""
    return datetime.now().astimezone()


def utc_now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)
