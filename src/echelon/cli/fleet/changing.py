"""Changing an object on the hub: what was judged is what is written.

An object is read, judged and changed, and the change holds only if the object is still the one that was judged;
otherwise all of it is done once more. So of two users who do something at once, neither undoes the other's, and what is
refused has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from echelon.api.meta import KubeObject
from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import Noun
from echelon.cli.fleet.reading import not_there
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, Conflict, NotFound

K = TypeVar("K", bound=KubeObject)
_TRIES = 20


class Problem(Protocol):
    """Why something is refused; ``str`` is a sentence."""

    def __str__(self) -> str: ...


def refuse(problems: Sequence[Problem], what: str) -> None:
    """Raise Failed if there are problems; ``what`` was asked for."""
    if not problems:
        return
    if len(problems) == 1:
        raise Failed(f"{what} is refused, nothing was changed: {problems[0]}")
    raise Failed(f"{what} is refused, nothing was changed:" + "".join(f"\n  {problem}" for problem in problems))


async def change(client: Client, noun: Noun, kind: type[K], name: str, changed: Callable[[K], K]) -> K:
    """Change an object; gives it as it is then.

    Args:
        client: of the hub.
        noun: what it is.
        kind: of the noun.
        name: of the object.
        changed: the object as it is to be, from the object as it is; raises what is to be said when it refuses.

    Raises:
        Failed: there is no such object, or others change it all the time.
    """
    for _ in range(_TRIES):
        try:
            present = await client.get(kind, name)
        except NotFound:
            raise await not_there(client, noun, name) from None
        try:
            return await client.patch_object(present, changed(present), lock=True)
        except Conflict:
            continue
    raise Failed(f"the {noun.word} {name!r} changes faster than this command can; try again")


async def create_or_change(client: Client, kind: type[K], wanted: K, changed: Callable[[K], K]) -> tuple[K, bool]:
    """Create an object, or change the one of its name; gives it, and whether it was created."""
    for _ in range(_TRIES):
        try:
            return await client.create(wanted), True
        except AlreadyExists:
            pass
        try:
            present = await client.get(kind, wanted.metadata.name)
            return await client.patch_object(present, changed(present), lock=True), False
        except (NotFound, Conflict):
            continue
    raise Failed(f"{kind.resource.kind} {wanted.metadata.name!r} changes faster than this command can; try again")
