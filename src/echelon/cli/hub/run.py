"""``echelon hub run``: what the pods of a hub run, and what can be run anywhere else in their place."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import click
import msgspec

from echelon.cli.access import access_options
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.hub import hub_namespace_option
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.explain.access import Access
from echelon.hub.process import Address, CannotRun, Replica, ReplicaOptions
from echelon.hub.settings import BadSettings, HubSettings, read_settings
from echelon.kube.errors import ApiError, Unreachable
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import ConfigError, Connection, load
from echelon.kube.leader import LeadershipLost
from echelon.kube.probes import CannotListen
from echelon.placement.dialect import DIALECTS, DialectName

_ADDRESS = re.compile(r"(?:(?P<host>[^\s:]*|\[[^\s\]]+\]):)?(?P<port>\d{1,5})")


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
@click.option("--probes", metavar="[HOST:]PORT", help="Serve /healthz, /readyz and /metrics there, over HTTP.")
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
    probes: str | None,
    log_format: str,
    verbose: bool,
    access: Access,
) -> None:
    """Be the controllers of a hub until stopped.

    The cluster must have what echelon hub install puts there. Of several, here or in pods of the cluster, one
    works and the others stand by. Stopped, it finishes what is under way and lets the next one begin at once.
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
            listen=None if probes is None else _address(probes),
        )
        run(_run(load(access.kubeconfig, context=access.context), options))
    except (ConfigError, BadSettings, CannotListen) as error:
        raise CannotStart(str(error)) from None
    except Unreachable as error:
        raise Failed(f"cannot reach the hub: {error.message}") from None
    except (CannotRun, ApiError) as error:
        raise Failed(str(error)) from None
    except LeadershipLost as error:
        raise Failed(f"no longer the leader: {error}; started again, it stands for election again") from None


async def _run(connection: Connection, options: ReplicaOptions) -> None:
    replica = Replica(lambda: HttpTransport(connection), options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, replica.stop)
    click.echo(f"The replica {replica.name} runs against {connection.server}; Ctrl-C stops it.", err=True)
    await replica.run()


def _address(text: str) -> Address:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise CannotStart(f"--probes: {text!r} is no address; want [HOST:]PORT, for example :8080")
    return Address(int(found["port"]), (found["host"] or "").strip("[]"))
