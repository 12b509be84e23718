"""``echelon rollout approve``: approve what a run waits for."""

from __future__ import annotations

import asyncio
import getpass
from typing import cast

import click
import msgspec

from echelon.api.conditions import APPROVED, find_condition, set_condition
from echelon.api.meta import Condition
from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import Failed
from echelon.cli.runs import get_run, local_now
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.kinds import Approval, Run, kinds_of
from echelon.explain.outline import outline
from echelon.kube.client import Client

APPROVED_BY_USER = "ApprovedByUser"


@click.command()
@click.argument("name", metavar="RUN")
@click.argument("stage", required=False)
@click.option("--note", metavar="TEXT", default="", help="Why, kept with the approval; without it, who approved.")
@namespace_option
@access_options
def approve(name: str, stage: str | None, note: str, namespace: str, access: Access) -> None:
    """Approve what RUN waits for, before or after STAGE.

    Without STAGE, what it waits for now. An approval cannot be taken back.
    """
    note = note or f"approved by {getpass.getuser()} on the command line"
    request, place = asyncio.run(_approve(name, stage, note, namespace, access))
    click.echo(f"Approved {request} ({place})")


async def _approve(name: str, stage: str | None, note: str, namespace: str, access: Access) -> tuple[str, str]:
    async with connected(access, brief_transport) as client:
        run = await get_run(client, name, namespace)
        place, task = open_approval(run, stage)
        kind = kinds_of(namespace).approval
        request = cast(Approval, await client.get(kind, (namespace, task.name)))
        await give_approval(client, request, note)
    return task.name, f"stage {place}"


def open_approval(run: Run, stage: str | None) -> tuple[str, Item]:
    """The approval that a run waits for, of a stage or the only one there is: the stage's name, and its part.

    Raises:
        Failed: the run waits for none, for none of that stage, or for several.
    """
    name, item = run.metadata.name, outline(run)
    if item.is_over:
        raise Failed(f"the run {name!r} waits for no approval: it is over ({item.state.value})")
    stages = [part.name for part in item.items]
    if stage is not None and stages and stage not in stages:
        raise Failed(f"the run {name!r} has no stage {stage!r}; there is {', '.join(stages)}")
    waiting = [
        (part.name, task)
        for part in item.items
        for task in part.items
        if task.part is Part.APPROVAL and task.state is State.WAITING
    ]
    found = [(place, task) for place, task in waiting if stage in (None, place)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(place for place, _ in waiting)
    if found:
        raise Failed(f"the run {name!r} waits for several approvals; name the stage: {listed}")
    if stage is None:
        raise Failed(f"the run {name!r} waits for no approval now; it is {item.state.value}")
    asked = [task for part in item.items if part.name == stage for task in part.items if task.part is Part.APPROVAL]
    if not asked:
        why = "the stage has none"
    elif all(task.state is State.DONE for task in asked):
        why = "it was given before"
    else:
        why = "it has not come to it"
    also = f"; it waits for the approval of stage {listed}" if listed else ""
    raise Failed(f"the run {name!r} waits for no approval of stage {stage!r}: {why}{also}")


async def give_approval(client: Client, request: Approval, note: str) -> None:
    """Set the condition by which a request is approved, unless it is."""
    present = find_condition(request.status.conditions, APPROVED)
    generation = request.metadata.generation
    if present is not None and present.status == "True" and present.observed_generation == generation:
        return
    condition = Condition(APPROVED, "True", APPROVED_BY_USER, note, observed_generation=generation)
    conditions = set_condition(request.status.conditions, condition, local_now())
    status = msgspec.structs.replace(request.status, conditions=conditions)
    await client.patch_status(request, msgspec.structs.replace(request, status=status))
