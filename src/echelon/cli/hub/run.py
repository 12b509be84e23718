"""``echelon hub run``: what the pods of a hub run, and what can be run anywhere else in their place."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import click
import msgspec
import structlog

from echelon.api.meta import SystemClock
from echelon.cli.access import access_options
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.hub import hub_namespace_option
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.explain.access import Access
from echelon.hub.azure import FIELD_MANAGER, OneFleet, face_of, fleet_of
from echelon.hub.portal import by_token, portal_of
from echelon.hub.process import Address, CannotRun, Replica, ReplicaOptions
from echelon.hub.serving import certificate, serving
from echelon.hub.settings import BadSettings, HubSettings, read_settings
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Unreachable
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import ConfigError, Connection, load
from echelon.kube.leader import LeadershipLost
from echelon.kube.probes import CannotListen
from echelon.placement.dialect import DIALECTS, DialectName

_PEM = click.Path(exists=True, dir_okay=False)
_TOKEN_HINT = "kubectl create token ACCOUNT makes one."
_ADDRESS = re.compile(r"(?:(?P<host>[^\s:]*|\[[^\s\]]+\]):)?(?P<port>\d{1,5})")


Say = Callable[[str], object]
"""Tells whoever started this a sentence: on the terminal, or in the log of programs."""


@click.command("run")
@hub_namespace_option
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings of the controllers (YAML); without it, as they are by default.",
)
@click.option(
    "--dialect",
    type=click.Choice(list(DIALECTS)),
    help="Whose reading of the API to follow where sources differ.",
)
@click.option("--replica-name", default="", metavar="NAME", help="Name of this replica; without it, the machine's.")
@click.option(
    "--arm", metavar="[HOST:]PORT", help="Serve the fleet for az, the Azure SDKs and Terraform there, over TLS."
)
@click.option(
    "--arm-certificate", nargs=2, type=_PEM, metavar="CHAIN KEY", help="Certificate and key (PEM files) of --arm."
)
@click.option(
    "--public-address",
    default="",
    metavar="URL",
    help="Where users reach the cluster, for kubeconfigs that az gets; without it, as this process does.",
)
@click.option("--probes", metavar="[HOST:]PORT", help="Serve /healthz, /readyz and /metrics there, over HTTP.")
@click.option("--portal", metavar="[HOST:]PORT", help="Serve the portal there; over HTTPS with --portal-certificate.")
@click.option(
    "--portal-certificate",
    nargs=2,
    type=_PEM,
    metavar="CHAIN KEY",
    help="Certificate and key (PEM files) of the portal; without them, put TLS before it.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log."
)
@click.option("-v", "--verbose", is_flag=True, help="Log what the controllers do, too; with json always.")
@access_options
def run_hub(
    namespace: str,
    settings_file: Path | None,
    dialect: DialectName | None,
    replica_name: str,
    arm: str | None,
    arm_certificate: tuple[str, str] | None,
    public_address: str,
    probes: str | None,
    portal: str | None,
    portal_certificate: tuple[str, str] | None,
    log_format: str,
    verbose: bool,
    access: Access,
) -> None:
    """Be the controllers of a hub until stopped.

    The cluster must have what echelon hub install puts there. Of several, here or in pods of the cluster, one
    works and the others stand by. Stopped, it finishes what is under way and lets the next one begin at once.
    With --arm, each of them serves the fleet, whether it works or stands by.
    """
    log_to_stderr(verbose=verbose or log_format == "json", json=log_format == "json")
    try:
        settings = HubSettings() if settings_file is None else read_settings(settings_file)
        if dialect is not None:
            settings = msgspec.structs.replace(settings, dialect=dialect)
        options = ReplicaOptions(
            namespace=namespace,
            name=replica_name,
            settings=settings,
            listen=None if probes is None else _address(probes, "--probes"),
        )
        pages = None if portal is None else Pages(_address(portal, "--portal"), _tls(portal_certificate))
        fleet = None if arm is None else Arm(_address(arm, "--arm"), _needed(arm_certificate), public_address)
        say = structlog.get_logger(__name__).info if log_format == "json" else partial(click.echo, err=True)
        run(_run(load(access.kubeconfig, context=access.context), options, pages, fleet, say))
    except (ConfigError, BadSettings, CannotListen) as error:
        raise CannotStart(str(error)) from None
    except Unreachable as error:
        raise Failed(f"cannot reach the hub: {error.message}") from None
    except (CannotRun, ApiError) as error:
        raise Failed(str(error)) from None
    except LeadershipLost as error:
        raise Failed(f"no longer the leader: {error}; started again, it stands for election again") from None


class Pages(msgspec.Struct, frozen=True):
    """Where the portal is served."""

    address: Address
    tls: ssl.SSLContext | None


class Arm(msgspec.Struct, frozen=True):
    """Where the fleet is served in the form of ARM."""

    address: Address
    tls: ssl.SSLContext | None
    public_address: str


async def _run(connection: Connection, options: ReplicaOptions, pages: Pages | None, arm: Arm | None, say: Say) -> None:
    replica = Replica(lambda: HttpTransport(connection), options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, replica.stop)
    async with contextlib.AsyncExitStack() as open_:
        if pages is not None:
            await open_.enter_async_context(_portal(connection, pages, say))
        if arm is not None:
            await open_.enter_async_context(_arm(connection, arm, say))
        say(f"The replica {replica.name} runs against {connection.server}; Ctrl-C stops it.")
        await replica.run()


@contextlib.asynccontextmanager
async def _portal(connection: Connection, pages: Pages, say: Say) -> AsyncIterator[None]:
    """The portal of the hub, while the context lasts."""
    portal = portal_of(by_token(connection), SystemClock(), fleet=connection.server, token_hint=_TOKEN_HINT)
    host, port = pages.address.host, pages.address.port
    try:
        async with serving(portal, host=host, port=port, tls=pages.tls, before_stop=portal.end_streams) as found:
            say(f"The portal is served on port {found}.")
            yield
    finally:
        await portal.close()


@contextlib.asynccontextmanager
async def _arm(connection: Connection, arm: Arm, say: Say) -> AsyncIterator[None]:
    """The ARM face of the hub, while the context lasts."""
    client = Client(HttpTransport(connection), field_manager=FIELD_MANAGER)
    try:
        fleet = await fleet_of(client)
    finally:
        await client.close()
    face = face_of(OneFleet(fleet, connection, address=arm.public_address), SystemClock())
    async with serving(face, host=arm.address.host, port=arm.address.port, tls=arm.tls) as port:
        say(f"The fleet {fleet.name} of {fleet.group} is served for az on port {port}.")
        yield


def _needed(files: tuple[str, str] | None) -> ssl.SSLContext | None:
    if files is None:
        raise CannotStart("--arm is served over TLS only; name a certificate and its key by --arm-certificate")
    return _tls(files)


def _tls(files: tuple[str, str] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    try:
        return certificate(*files)
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"{files[0]} and {files[1]} are no certificate and its key: {error}") from None


def _address(text: str, option: str) -> Address:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise CannotStart(f"{option}: {text!r} is no address; want [HOST:]PORT, for example :8080")
    return Address(int(found["port"]), (found["host"] or "").strip("[]"))
