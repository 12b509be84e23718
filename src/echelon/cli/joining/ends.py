"""The two ends of a membership, hub and member, as a command reaches them."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import click
import msgspec

from echelon.api.core import Namespace
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Unreachable
from echelon.kube.kubeconfig import ConfigError, Connection, load

Side = Literal["hub", "member"]
Command = TypeVar("Command", bound=Callable[..., Any])
FIELD_MANAGER = "echelon-cli"


class End(msgspec.Struct, frozen=True):
    """One of the two clusters. ``id`` is the uid of its kube-system, by which clusters are told apart."""

    side: Side
    context: str
    connection: Connection
    client: Client
    id: str

    @property
    def title(self) -> str:
        return f"{self.side} {self.context!r}" if self.context else self.side


class Ends(msgspec.Struct, frozen=True):
    """How the user reaches both clusters; ``member`` is None where none was named."""

    hub: Access
    member: Access | None

    def options(self) -> str:
        """The options of a command line for the same two clusters."""
        words = _words("hub", self.hub)
        words += _words("member", self.member) if self.member is not None else []
        return " ".join(words)


@asynccontextmanager
async def reached(side: Side, access: Access) -> AsyncIterator[End]:
    """A cluster, found to be there. What goes wrong with it inside becomes one line that says which it is.

    Raises:
        CannotStart: the kubeconfig does not lead to it.
        Failed: it cannot be reached, or refuses something.
    """
    try:
        connection = load(access.kubeconfig, context=access.context)
    except ConfigError as error:
        raise CannotStart(f"{side}: {error}") from None
    client = Client(brief_transport(connection), field_manager=FIELD_MANAGER)
    title = f"{side} {access.context!r}" if access.context else side
    try:
        system = await client.get(Namespace, "kube-system")
        yield End(side, access.context or "", connection, client, system.metadata.uid)
    except Unreachable as error:
        raise Failed(f"cannot reach the {title}: {error.message}") from None
    except ApiError as error:
        raise Failed(f"the {title} refuses: {error.message}") from None
    finally:
        await client.close()


def ends_options(*, member_required: bool) -> Callable[[Command], Command]:
    """Give a command ``--hub-context``, ``--member-context`` and their kubeconfigs, and ``Ends`` as ``ends``."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(*args: Any, **options: Any) -> Any:
            hub, member = (
                Access(options.pop(f"{side}_kubeconfig"), options.pop(f"{side}_context")) for side in ("hub", "member")
            )
            named = member.kubeconfig is not None or member.context is not None
            if member_required and not named:
                raise click.UsageError("want --member-context or --member-kubeconfig: which cluster is it about?")
            return command(*args, ends=Ends(hub, member if named else None), **options)

        file = click.Path(path_type=Path, dir_okay=False)
        for side in ("member", "hub"):
            call = click.option(f"--{side}-context", metavar="NAME", help=f"Context of the {side}.")(call)
            text = f"The kubeconfig for the {side}; without it, as kubectl: $KUBECONFIG, ~/.kube/config."
            call = click.option(f"--{side}-kubeconfig", type=file, help=text)(call)
        return cast(Command, call)

    return decorate


def address_for(other: Side, end: End, given: str | None) -> str:
    """The URL at which the other side reaches a cluster: what was given, else what the kubeconfig says.

    Raises:
        CannotStart: that is an address which means another machine there, or no https, or nobody could tell
            there whether it is the right server.
    """
    url = given or end.connection.server
    option = f"--{end.side}-url"
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise CannotStart(f"{url!r} is no URL with https, and a token goes over nothing else; give {option}")
    if given is None and _is_loopback(urlsplit(url).hostname or ""):
        raise CannotStart(
            f"the address of the {end.title} is {url}, which for the {other} is the {other} itself; "
            f"say with {option} where the {other} reaches the {end.side}"
        )
    if end.connection.insecure:
        raise CannotStart(
            f"the kubeconfig for the {end.title} says insecure-skip-tls-verify; a token is sent only to a server whose "
            "certificate can be checked: put certificate-authority-data there instead"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _words(side: Side, access: Access) -> list[str]:
    words = [f"--{side}-kubeconfig {access.kubeconfig}"] if access.kubeconfig else []
    return words + ([f"--{side}-context {access.context}"] if access.context else [])
