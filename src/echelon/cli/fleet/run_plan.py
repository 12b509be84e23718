"""``echelon updaterun plan``: the schedule and the expected end of a run, before anything is started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import click
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.api.meta import from_dict, to_dict
from echelon.api.upgrade import ClusterUpgrade
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.fleet.changing import refuse
from echelon.cli.fleet.nouns import RUN, upgrade_words
from echelon.cli.fleet.reading import read
from echelon.cli.fleet.run_request import RunRequest, run_options
from echelon.cli.fleet.schedule import gate_words, schedule_data, schedule_tree
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import NAME, Seconds
from echelon.cli.output import Output, output_options
from echelon.cli.runs import local_now
from echelon.cli.tree import clock, duration, tree
from echelon.kube.client import Client
from echelon.upgrade.asking import surroundings
from echelon.upgrade.outlook import Assumed, outlook
from echelon.upgrade.preview import UPGRADE_TIME, Preview

_DRY = "plan"


class Planned(Struct, frozen=True):
    """A run and its schedule, on which assumptions, what was found besides, and whether the run is on the hub."""

    run: UpdateRun
    preview: Preview
    assumed: Assumed
    findings: tuple[str, ...]
    exists: bool


@click.command()
@click.option("-n", "--name", *RUN.other_names, "name", type=NAME, help="A run that is there, or is to be made.")
@run_options
@click.option(
    "--upgrade-time",
    type=Seconds(),
    default=UPGRADE_TIME.total_seconds(),
    show_default="30m",
    metavar="DURATION",
    help="How long the upgrade of a member takes, if it is not known from its last one.",
)
@click.option(
    "--approval-time",
    type=Seconds(),
    default=0,
    show_default="0s",
    metavar="DURATION",
    help="How long after a gate is reached somebody approves it.",
)
@output_options
@scope_options
def plan(
    scope: Scope,
    name: str | None,
    request: RunRequest,
    upgrade_time: float,
    approval_time: float,
    output: Output,
) -> None:
    """Show the schedule and the expected end of a run, before anything is started.

    Of the run NAME, started now; or, with the options of create, of a run that is not made by this. Shows the order,
    maintenance windows, waits, gates, which members are skipped and why, and what may go otherwise than planned.
    """
    if name is None and request.says_nothing:
        raise CannotStart("want --name for a run that is there, or the options of a run, beginning with --upgrade-type")
    wanted = None if request.says_nothing else request.run(name or _DRY)
    assumed = Assumed(timedelta(seconds=upgrade_time), timedelta(seconds=approval_time))
    planned = asyncio.run(_plan(scope, name or _DRY, wanted, assumed))
    data = schedule_data(planned.run.metadata.name, planned.preview, planned.findings)
    output.show(data, lambda: _people(scope, planned))


async def _plan(scope: Scope, name: str, wanted: UpdateRun | None, assumed: Assumed) -> Planned:
    async with scope.hub() as client:
        run = wanted or from_dict(UpdateRun, await read(client, RUN, name))
        if wanted is None and run.status.state in ("Completed", "Skipped"):
            raise Failed(f"update run {name!r} is {run.status.state}; there is nothing left to plan")
        return await preview_of(client, run, assumed, exists=wanted is None)


async def preview_of(client: Client, run: UpdateRun, assumed: Assumed, *, exists: bool) -> Planned:
    """The schedule of a run that is on the hub, or is to be. Raises Failed when the run would be refused."""
    now = datetime.now(UTC)
    around = await surroundings(client, now)
    upgrades, clusters, runs = await asyncio.gather(
        client.list(ClusterUpgrade), client.list(MemberCluster), client.list(UpdateRun)
    )
    found = outlook(
        run,
        around,
        clusters.items,
        upgrades.items,
        runs.items,
        now,
        upgrade_time=assumed.upgrade,
        approval=assumed.approval,
    )
    refuse(found.preview.problems, f"update run {run.metadata.name!r}")
    return Planned(run, found.preview, found.assumed, found.findings, exists)


def _people(scope: Scope, planned: Planned) -> RenderableType:
    run, preview, now = planned.run, planned.preview, local_now()
    name = run.metadata.name
    parts: list[RenderableType] = [
        tree(schedule_tree(name, preview, now), now, title=upgrade_words(to_dict(run.spec.managed_cluster_update))),
        _end(preview, now),
        Text(f"Assumed: {planned.assumed}", style="dim"),
    ]
    images = preview.status.node_image_selection
    if images is not None:
        listed = ", ".join(image.version for image in images.selected_node_image_versions) or "none"
        parts.append(Text("Node images: ").append(listed, style="bold"))
    if preview.approvals:
        parts.append(Text(f"Needs approvals: {', '.join(map(gate_words, preview.approvals))}", style="yellow"))
    parts += [Text(f"! {finding}", style="yellow") for finding in planned.findings]
    if planned.exists:
        parts.append(_next("To start it:  ", scope.command("updaterun", "start", "-n", name)))
    else:
        parts.append(Text("Nothing was made or changed. To make it: the same with create.", style="dim"))
    return Group(*parts)


def _end(preview: Preview, now: datetime) -> Text:
    starts = clock(preview.starts_at, now)
    if preview.ends_at is not None:
        took = duration(preview.ends_at - preview.starts_at)
        ends = clock(preview.ends_at, now)
        return (
            Text("Started now, at ")
            .append(starts)
            .append(", it ends at ")
            .append(ends, style="bold green")
            .append(f" ({took})")
        )
    why = "; ".join(preview.blocked_on) or "something has to be done by somebody"
    return Text("Started now, at ").append(starts).append(", it does not come to its end: ").append(why, style="red")


def _next(words: str, command: str) -> Text:
    return Text(words, style="dim").append(command, style="cyan")
