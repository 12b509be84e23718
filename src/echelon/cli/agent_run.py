"""``echelon agent run``: what the pod of an agent runs, and what can be run anywhere else in its place."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import click

from echelon.agent.process import AgentProcess, HubByToken
from echelon.agent.token import DEFAULT_LIFE, SHORTEST_LIFE
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.values import Seconds
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.kube.credentials import CredentialsError
from echelon.kube.kinds import Key
from echelon.kube.kubeconfig import ConfigError, Connection, load
from echelon.kube.probes import CannotListen, probes

_FILE = click.Path(path_type=Path, dir_okay=False)
_ADDRESS = re.compile(r"(?:(?P<host>[^\s:]*|\[[^\s\]]+\]):)?(?P<port>\d{1,5})")
_SECRET = re.compile(r"([a-z0-9][-a-z0-9]*)/([a-z0-9][-a-z0-9.]*)")


class TokenLife(Seconds):
    """A duration that is long enough for a token."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = super().convert(value, param, ctx)
        if seconds < SHORTEST_LIFE.total_seconds():
            self.fail(f"{value!r} is too short; Kubernetes issues no token for less than 10 minutes", param, ctx)
        return seconds


token_life_option = click.option(
    "--token-life",
    type=TokenLife(),
    default=f"{DEFAULT_LIFE.total_seconds() / 3600:g}h",
    show_default=True,
    metavar="DURATION",
    help="For how long a token is asked for; it is renewed when a fifth has passed.",
)


@click.command("run")
@click.argument("name")
@click.option("--hub-url", metavar="URL", help="Where the hub is; with --token-file.")
@click.option("--hub-ca", type=_FILE, help="Certificates (PEM) that the hub's is checked by; else the system's.")
@click.option("--token-file", type=_FILE, help="File with the token for the hub; renewed there.")
@click.option(
    "--token-secret",
    metavar="NAMESPACE/NAME",
    help="The Secret of the member that --token-file is mounted from; the token is renewed there.",
)
@token_life_option
@click.option("--hub-kubeconfig", type=_FILE, help="Instead of a token: the kubeconfig for the hub.")
@click.option("--hub-context", metavar="NAME", help="Instead of a token: the context of the hub.")
@click.option("--member-kubeconfig", type=_FILE, help="The kubeconfig for the member; in a pod, its own cluster.")
@click.option("--member-context", metavar="NAME", help="The context of the member.")
@click.option(
    "--collect-namespaces",
    is_flag=True,
    help="Tell the hub the member's namespaces: what a namespace places then comes only where it is.",
)
@click.option("--probes", metavar="[HOST:]PORT", help="Serve /healthz, /readyz and /metrics there, over HTTP.")
@click.option("-v", "--verbose", is_flag=True, help="Log what the agent does.")
def run_agent(
    name: str,
    hub_url: str | None,
    hub_ca: Path | None,
    token_file: Path | None,
    token_secret: str | None,
    token_life: float,
    hub_kubeconfig: Path | None,
    hub_context: str | None,
    member_kubeconfig: Path | None,
    member_context: str | None,
    collect_namespaces: bool,
    probes: str | None,
    verbose: bool,
) -> None:
    """Be the agent of the member NAME until stopped.

    In the member's pod, where echelon member join puts it, or on any machine that reaches both clusters.
    Hub and member may be out of reach at times; it catches up when they are back.
    """
    by_token = hub_url is not None or token_file is not None
    if by_token and (hub_kubeconfig or hub_context):
        raise CannotStart("want --hub-url with --token-file, or --hub-context with --hub-kubeconfig, not both")
    log_to_stderr(verbose=verbose)
    try:
        if by_token:
            hub: HubByToken | Connection = _by_token(hub_url, hub_ca, token_file, token_secret, token_life)
        else:
            hub = load(hub_kubeconfig, context=hub_context)
        member = load(member_kubeconfig, context=member_context)
        address = None if probes is None else _address(probes)
        run(_run(lambda: AgentProcess(name, hub, member, collect_namespaces=collect_namespaces), name, address))
    except (ConfigError, CredentialsError, CannotListen) as error:
        raise CannotStart(str(error)) from None


async def _run(make: Callable[[], AgentProcess], name: str, address: tuple[str, int] | None) -> None:
    agent = make()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, agent.stop)
    async with AsyncExitStack() as serving:
        if address is not None:
            await serving.enter_async_context(probes(agent.not_ready, host=address[0], port=address[1]))
        click.echo(f"The agent of {name} runs; Ctrl-C stops it.")
        await agent.run()


def _by_token(
    url: str | None, authority: Path | None, token_file: Path | None, secret: str | None, life: float
) -> HubByToken:
    if url is None or token_file is None:
        raise CannotStart("want both --hub-url and --token-file")
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise CannotStart(f"--hub-url: {url!r} is no URL with https; a token goes over nothing else")
    try:
        certificates = None if authority is None else authority.read_bytes()
    except OSError as error:
        raise CannotStart(f"--hub-ca: cannot read {authority}: {error.strerror}") from None
    return HubByToken(
        url=url,
        token_file=token_file,
        authority=certificates,
        secret=None if secret is None else _secret(secret),
        life=timedelta(seconds=life),
    )


def _secret(text: str) -> Key:
    found = _SECRET.fullmatch(text)
    if found is None:
        raise CannotStart(f"--token-secret: {text!r} names no Secret; want NAMESPACE/NAME")
    return found[1], found[2]


def _address(text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise CannotStart(f"--probes: {text!r} is no address; want [HOST:]PORT, for example :8080")
    return (found["host"] or "").strip("[]"), int(found["port"])
