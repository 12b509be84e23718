"""``echelon demo``: a staged rollout and an update run, played on a hub of their own.

The hub lives in this process and in a temporary folder. What is done to it goes through its TLS port
with the kubeconfig it wrote, as a user's commands would: version 1 of a ConfigMap goes out to three
members, then version 2, then version 1 again. Then the members themselves are upgraded by an update run.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

import click
from rich.console import Console

from echelon import __version__
from echelon.cli.errors import INTERRUPTED, CannotStart, Failed
from echelon.cli.follow import Gone
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.cli.story import READING, Story, StoryFailed, curtain
from echelon.cli.upgrade_story import MEMBERS, RELEASES, UpgradeFailed, play_upgrade
from echelon.explain.outline import parse_wait
from echelon.kube.client import Client
from echelon.kube.errors import ApiError
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load
from echelon.local.hub import CannotServe, EmbeddedHub, HubOptions

_PATIENCE = 60.0  # seconds beyond its waits and pauses that the demo may take on a slow machine
_RUNS = 4


class _WaitTime(click.ParamType[str]):
    """A duration in the notation of the API."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not parse_wait(value):
            self.fail(f"{value!r} is not a duration; want hours, minutes and seconds such as 2s or 1m30s", param, ctx)
        return value


@click.command()
@click.option(
    "--wait", type=_WaitTime(), default="2s", show_default=True, help="Timed wait after the first stage of each run."
)
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 100.0),
    default=1.0,
    show_default=True,
    help="How fast the demo itself goes: 2 halves its pauses for reading.",
)
def demo(wait: str, speed: float) -> None:
    """Play a staged rollout and an update run on a hub of their own.

    Starts a hub with three members in a temporary folder, rolls a ConfigMap out to them in two
    stages with a wait and an approval, then a new version of it, then rolls back. Then it upgrades the
    members to the next version of Kubernetes. It leaves nothing behind. On a terminal it shows a live
    tree, elsewhere a line for each event.
    """
    log_to_stderr(verbose=False)
    try:
        run(_interruptible(Console(highlight=False), wait, speed))
    except CannotServe as error:
        raise CannotStart(str(error)) from None
    except (StoryFailed, UpgradeFailed, ApiError) as error:
        raise Failed(str(error)) from None
    except Gone:
        raise Failed("a run of the demo was deleted") from None
    except asyncio.CancelledError:
        click.echo("\ninterrupted")
        raise SystemExit(INTERRUPTED) from None


async def _interruptible(console: Console, wait: str, speed: float) -> None:
    """Play; Ctrl-C cancels, and the hub is closed and its folder removed all the same."""
    playing = asyncio.ensure_future(_play(console, wait, speed))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    await playing


async def _play(console: Console, wait: str, speed: float) -> None:
    began = asyncio.get_running_loop().time()
    limit = _PATIENCE + _RUNS * (parse_wait(wait).total_seconds() + 10 / speed)
    with tempfile.TemporaryDirectory(prefix="echelon-demo-") as folder:
        hub = await EmbeddedHub.start(HubOptions(data=Path(folder), members=MEMBERS, releases=RELEASES))
        seconds = asyncio.get_running_loop().time() - began
        try:
            what = "a hub and three members, all in this process"
            console.print(f"[bold]Echelon {__version__}[/]: {what}, ready in {seconds:.1f} s")
            async with asyncio.timeout(limit):
                await _tell(hub, console, wait, speed)
        except TimeoutError:
            raise StoryFailed(f"the demo has not come to its end within {limit:.0f} s") from None
        finally:
            await hub.close()


async def _tell(hub: EmbeddedHub, console: Console, wait: str, speed: float) -> None:
    names = sorted(name for name in hub.fleet.clusters if name != "hub")
    client, *members = (Client(HttpTransport(load(hub.kubeconfig, context=name))) for name in ("hub", *names))
    try:
        by_name = dict(zip(names, members, strict=True))
        await Story(client, by_name, console, wait=wait, speed=speed).play()
        await play_upgrade(client, by_name, console, READING / speed)
        curtain(console)
    finally:
        for each in (client, *members):
            await each.close()
