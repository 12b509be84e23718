"""Which hub a command talks to: the options for it, and the client that they lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from echelon.cli.errors import CannotStart, Failed
from echelon.explain.access import Access
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Unreachable
from echelon.kube.kubeconfig import ConfigError, Connection, load
from echelon.kube.transport import Transport

Command = TypeVar("Command", bound=Callable[..., Any])


def access_options(command: Command) -> Command:
    """Give a command ``--kubeconfig`` and ``--context``, and an ``Access`` as its argument ``access``."""

    @wraps(command)
    def call(*args: Any, kubeconfig: Path | None, context: str | None, **rest: Any) -> Any:
        return command(*args, access=Access(kubeconfig, context), **rest)

    file = click.Path(path_type=Path, dir_okay=False)
    named_file = click.option(
        "--kubeconfig", type=file, help="The kubeconfig to use; without it, as kubectl: $KUBECONFIG, ~/.kube/config."
    )
    named_context = click.option("--context", metavar="NAME", help="Context of the hub; without it, the current one.")
    return cast(Command, named_file(named_context(call)))


def namespace_option(command: Command) -> Command:
    """Give a command ``-n``: the namespace of the kinds that it works with, empty for cluster-scoped ones."""
    option = click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        default="",
        help="Namespace of a StagedUpdateRun or ResourcePlacement; without it, the cluster-scoped kinds.",
    )
    return option(command)


@asynccontextmanager
async def connected(
    access: Access, transport: Callable[[Connection], Transport], *, field_manager: str = "echelon-cli"
) -> AsyncIterator[Client]:
    """A client of the hub. What goes wrong inside becomes one line for the user."""
    try:
        connection = load(access.kubeconfig, context=access.context)
    except ConfigError as error:
        raise CannotStart(f"{error}; echelon up says where the kubeconfig of its hub is") from None
    client = Client(transport(connection), field_manager=field_manager)
    try:
        yield client
    except Unreachable as error:
        raise Failed(f"cannot reach the hub: {error.message}") from None
    except ApiError as error:
        raise Failed(error.message) from None
    finally:
        await client.close()
