"""``echelon up``: a hub with members on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from pathlib import Path

import click

from echelon import __version__
from echelon.cli.az import az_lines
from echelon.cli.errors import CannotStart
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.hub.settings import BadSettings, HubSettings, read_settings
from echelon.local.fleet_file import BadDocument, read_fleet_file
from echelon.local.hub import CannotServe, EmbeddedHub, HubOptions
from echelon.local.members import BadMember, parse_members

_DEFAULT_PORT = 7443


def default_data() -> Path:
    """Where a hub keeps its data unless it is told otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "echelon"


@click.command()
@click.option(
    "--member",
    "members",
    multiple=True,
    metavar="NAME[:key=value,…]",
    help="A member with the labels of its MemberCluster; repeatable. Without it: those in the data, or, "
    "the first time, the three of the staged rollout tutorial.",
)
@click.option(
    "--fleet",
    "fleet_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A YAML file that describes members, their nodes and versions, and what there is to upgrade to "
    "(see examples/update-run-fleet.yaml).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data,
    show_default="~/.local/share/echelon",
    help="Folder that keeps everything.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULT_PORT,
    show_default=True,
    help="TLS port on the loopback address; 0 takes a free one.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="kubeconfig in the data folder",
    help="File to write the contexts hub, member1, … to.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A YAML file with settings of the hub, those of its upgrade providers among them.",
)
@click.option("--open", "open_", is_flag=True, help="Open the portal in a browser, signed in.")
@click.option("-v", "--verbose", is_flag=True, help="Log what the controllers do.")
def up(
    members: tuple[str, ...],
    fleet_file: Path | None,
    data: Path,
    port: int,
    kubeconfig: Path | None,
    settings_file: Path | None,
    open_: bool,
    verbose: bool,
) -> None:
    """Start a hub with members on this machine.

    One process serves the hub and every member, each as an API server of its own that kubectl takes
    for a cluster. Started again on the same data, it goes on where it was.
    """
    log_to_stderr(verbose=verbose)
    try:
        specs = parse_members(members)
        fleet = read_fleet_file(fleet_file) if fleet_file is not None else None
        if fleet is not None:
            parse_members([member.name for member in (*specs, *fleet.members)])  # each once
        options = HubOptions(
            data=data.absolute(),
            members=(*specs, *(fleet.members if fleet is not None else ())),
            releases=None if fleet is None else fleet.releases,
            port=port,
            kubeconfig=kubeconfig,
            settings=HubSettings() if settings_file is None else read_settings(settings_file),
        )
        run(_serve(options, open_portal=open_))
    except (BadMember, BadDocument, BadSettings, CannotServe) as error:
        raise CannotStart(str(error)) from None


async def _serve(options: HubOptions, *, open_portal: bool) -> None:
    """Serve until Ctrl-C or termination, which may come before the hub is ready too."""
    began = time.monotonic()
    _cancel_once_on_signals()
    try:
        hub = await EmbeddedHub.start(options)
        try:
            click.echo(_greeting(hub, options, time.monotonic() - began))
            if open_portal:
                click.launch(hub.portal_link())
            await hub.wait()
        except asyncio.CancelledError:
            click.echo("\nstopping…")
        finally:
            await hub.close()
    except asyncio.CancelledError:
        click.echo("stopped before it was ready")


def _cancel_once_on_signals() -> None:
    """Have the first SIGINT or SIGTERM cancel this task; others are ignored, since it is ending then."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    begun: list[int] = []

    def stop(number: int) -> None:
        if not begun:
            task.cancel()
        begun.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


def _greeting(hub: EmbeddedHub, options: HubOptions, seconds: float) -> str:
    members = sorted(name for name in hub.fleet.clusters if name != "hub")
    width = max(len(name) for name in ["hub", *members])
    lines = [
        f"Echelon {__version__}: a hub and {len(members)} member{'s' * (len(members) != 1)}, ready in {seconds:.1f} s",
        "",
    ]
    lines += [f"  {name:<{width}}  {hub.url(name)}" for name in ["hub", *members]]
    lines += [
        "",
        f"The portal, by a link that signs you in once: {hub.portal_link()}",
        "",
        "Type next, in another terminal:",
        f"  export KUBECONFIG={shlex.quote(str(hub.kubeconfig))}",
        "  kubectl --context hub get memberclusters",
        "",
        "For az, once (docs/az.md):",
        *(f"  {line}" for line in az_lines(hub.address, options.data)),
        "",
        f"Ctrl-C stops it. The data stays in {options.data}; the same command goes on from there.",
    ]
    return "\n".join(lines)
