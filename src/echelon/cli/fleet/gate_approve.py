"""``echelon gate approve`` and ``update``: the run that waits at a gate goes on.

Who approved is what the hub calls the user of this command, whatever the user calls themselves.
"""

from __future__ import annotations

import asyncio

import click
from msgspec.structs import replace
from rich.text import Text

from echelon.api.fleet import Gate, GateStatus
from echelon.api.meta import Resource, format_time
from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import GATE, Plain, gate_place
from echelon.cli.fleet.reading import not_there, read
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.output import Output, output_options
from echelon.cli.runs import utc_now
from echelon.kube.client import Client
from echelon.kube.errors import Conflict, Forbidden, NotFound
from echelon.kube.kinds import Unstructured

_REVIEWS = Unstructured(Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False))
_message = click.option("--message", default="", metavar="TEXT", help="Why, for those who look later.")
_no_wait = click.option("--no-wait", is_flag=True, help="Taken for the sake of scripts: there is nothing to wait for.")


@click.command()
@name_option(*GATE.other_names)
@_message
@_no_wait
@output_options
@scope_options
def approve(scope: Scope, name: str, message: str, no_wait: bool, output: Output) -> None:
    """Let the run that waits at the gate NAME pass. Also one that would open by itself at a time opens now."""
    _show(asyncio.run(_approve(scope, name, message)), scope, output)


@click.command()
@name_option(*GATE.other_names)
@click.option(
    "--gate-state", "--gs", "--state", "state", required=True, type=click.Choice(("Completed",)), help="The state."
)
@_message
@_no_wait
@output_options
@scope_options
def update(scope: Scope, name: str, state: str, message: str, no_wait: bool, output: Output) -> None:
    """Set the state of the gate NAME: Completed, which approves it. A gate is skipped with its stage or group only."""
    _show(asyncio.run(_approve(scope, name, message)), scope, output)


async def _approve(scope: Scope, name: str, message: str) -> Plain:
    async with scope.hub() as client:
        user = await _user(client)
        while True:
            try:
                present = await client.get(Gate, name)
            except NotFound:
                raise await not_there(client, GATE, name) from None
            state = present.status.state
            if state != "Pending":
                raise Failed(f"gate {name!r} is {state} already; only a Pending one can be approved")
            status: GateStatus = replace(
                present.status,
                state="Completed",
                completed_by=user,
                completed_time=format_time(utc_now()),
                message=message,
            )
            try:
                await client.patch_status(present, replace(present, status=status), lock=True)
            except Conflict:
                continue
            return await read(client, GATE, name)


async def _user(client: Client) -> str:
    """What the hub calls the user; empty where it does not say."""
    try:
        review = await client.create({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}, _REVIEWS)
    except (NotFound, Forbidden):
        return ""
    name: str = review.get("status", {}).get("userInfo", {}).get("username", "")
    return name


def _show(found: Plain, scope: Scope, output: Output) -> None:
    view = GATE.view(found)
    target = view["target"]
    run = target["updateRun"]

    def people() -> Text:
        words = Text(f"Approved: update run {run} passes the gate {gate_place(target)}\n")
        words.append("To follow it:  ", style="dim")
        return words.append(scope.command("updaterun", "watch", "-n", run), style="cyan")

    output.show(view, people)
