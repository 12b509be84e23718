"""Starting a run: what has to be so before one is created, and how it is called.

What the hub would only say in the status of a run that can never begin is told before one is made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from echelon.api import names
from echelon.api.meta import ObjectMeta
from echelon.api.staged import UpdateRunSpec
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.kinds import find, snapshots_of
from echelon.cli.runs import list_runs
from echelon.explain.kinds import Placement, Run, Snapshot, index_of, is_master, kinds_of
from echelon.explain.next_run import NAME_LENGTH, next_name
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, NotFound

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def check_run_name(name: str) -> None:
    """See that a run may have this name. Raises CannotStart."""
    if len(name) > NAME_LENGTH:
        raise CannotStart(f"--name {name!r} has {len(name)} characters; a run's name has at most {NAME_LENGTH}")
    if not _NAME.fullmatch(name):
        raise CannotStart(
            f"--name {name!r} is no name; want lower-case letters, digits, '-' and '.', a letter or digit at both ends"
        )


def check_external(placement: Placement) -> None:
    """See that runs decide about a placement. Raises Failed."""
    kind = placement.spec.strategy.type
    if kind != "External":
        raise Failed(
            f"the placement {placement.metadata.name!r} rolls out by itself: its spec.strategy.type is {kind!r}; "
            "runs want 'External'"
        )


async def find_strategy(client: Client, name: str | None, runs: Sequence[Run], namespace: str) -> str:
    """The strategy to follow: the named one, or that of the last run, or the only one there is.

    Raises:
        Failed: there is none of that name, or it is not clear which to take.
    """
    kind = kinds_of(namespace).strategy
    if name is not None:
        return (await find(client, kind, name, namespace)).metadata.name
    listed = await client.list(kind, namespace=namespace or None)
    there = sorted(strategy.metadata.name for strategy in listed.items)
    last = runs[-1].spec.staged_rollout_strategy_name if runs else None
    if last in there:
        return last
    if len(there) == 1:
        return there[0]
    where = f" in namespace {namespace!r}" if namespace else ""
    if not there:
        raise Failed(f"there is no {kind.resource.kind}{where}; a run follows one, create it first")
    raise Failed(f"several strategies could be followed{where}; choose one with --strategy: {', '.join(there)}")


async def find_snapshot(client: Client, placement: Placement, index: int) -> Snapshot:
    """A resource snapshot of a placement. Raises Failed, naming those there are."""
    name, namespace = placement.metadata.name, placement.metadata.namespace
    kind = kinds_of(namespace).snapshot
    try:
        return cast(Snapshot, await client.get(kind, (namespace, names.resource_snapshot(name, index))))
    except NotFound:
        masters = [part for part in await snapshots_of(client, name, namespace) if is_master(part)]
        there = ", ".join(str(index_of(part)) for part in masters) or "none"
        raise Failed(f"the placement {name!r} has no snapshot {index}; there is {there}") from None


async def start_run(
    client: Client, placement: Placement, strategy: str, index: str, name: str | None, *, back_to: str | None = None
) -> Run:
    """Create a run that goes at once.

    Args:
        client: of the hub.
        placement: what is rolled out.
        strategy: the stages to follow.
        index: of the resource snapshot; empty for what is selected when the run begins.
        name: of the run; None takes the placement's name with the next number.
        back_to: for a rollback, the run that rolled out that snapshot before.

    Raises:
        Failed: there is a run of that name.
    """
    namespace = placement.metadata.namespace
    spec = UpdateRunSpec(
        placement_name=placement.metadata.name,
        resource_snapshot_index=index,
        staged_rollout_strategy_name=strategy,
        state="Run",
    )
    kind = kinds_of(namespace).run
    chosen = name or next_name(placement.metadata.name, await list_runs(client, namespace))
    annotations = {} if back_to is None else {names.ROLLED_BACK_TO: back_to}
    metadata = ObjectMeta(name=chosen, namespace=namespace, annotations=annotations)
    try:
        return cast(Run, await client.create(kind(metadata=metadata, spec=spec)))
    except AlreadyExists:
        raise Failed(f"there is a {kind.resource.kind} {chosen!r} already; choose another --name") from None
