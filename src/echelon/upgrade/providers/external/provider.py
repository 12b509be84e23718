"""The provider of clusters that a program or a server of the user upgrades."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    Observation,
    Operation,
    Progress,
    ProviderError,
)
from echelon.upgrade.providers.external import protocol
from echelon.upgrade.providers.external.protocol import Question, question, read_answer
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion

T = TypeVar("T")


class Channel(Protocol):
    """A way to ask."""

    async def ask(self, name: str, question: Question) -> bytes:
        """Ask the one of that name; gives its answer, unread. Raises ProviderError when there is none."""


class ExternalProvider:
    """Satisfies ``Provider`` by asking through a channel."""

    watches = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def observe(self, member: Member) -> Observation:
        seen = (await self._ask(question("observe", member), protocol.ObservationResult)).value()
        try:
            for version in (seen.control_plane_version, *(pool.kubernetes_version for pool in seen.node_pools)):
                KubeVersion.parse(version)
            for pool in seen.node_pools:
                if pool.node_image:
                    ImageVersion.parse(pool.node_image)
        except NotAVersion as error:
            raise ProviderError(Code.UNKNOWN, f"{_who(member)}: {error}", retryable=True) from error
        return seen

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        asked = question("versions", member, region=region)
        found = await self._ask_if_known(asked, tuple[protocol.VersionPart, ...])
        return None if found is None else _readable(member, lambda: [part.value() for part in found])

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        found = await self._ask_if_known(question("nodeImages", member, region=region), tuple[str, ...])
        return None if found is None else _readable(member, lambda: [ImageVersion.parse(text) for text in found])

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        asked = question("preflight", member, operation=operation)
        found = await self._ask_if_known(asked, tuple[protocol.FindingPart, ...])
        return _readable(member, lambda: [part.value() for part in found or ()])

    async def start(self, member: Member, operation: Operation, key: str) -> str:
        asked = question("start", member, operation=operation, key=key)
        return (await self._ask(asked, protocol.StartResult)).handle

    async def poll(self, member: Member, handle: str) -> Progress:
        found = await self._ask(question("poll", member, handle=handle), protocol.ProgressResult)
        return _readable(member, found.value)

    async def watch(self, member: Member, handle: str) -> AsyncIterator[Progress]:
        yield await self.poll(member, handle)
        raise ProviderError(Code.UNSUPPORTED, "this platform cannot be watched")

    async def abort(self, member: Member, handle: str) -> bool:
        found = await self._ask_if_known(question("abort", member, handle=handle), protocol.AbortResult)
        return found is not None and found.called_off

    async def _ask(self, asked: Question, result: type[T]) -> T:
        resource_id = asked.member.cluster_resource_id
        answer = await self._channel.ask(urlsplit(resource_id).netloc, asked)
        return read_answer(answer, result, resource_id)

    async def _ask_if_known(self, asked: Question, result: type[T]) -> T | None:
        """None from those who do not know the method."""
        try:
            return await self._ask(asked, result)
        except ProviderError as error:
            if error.code is Code.UNSUPPORTED and not error.retryable:
                return None
            raise


def _readable(member: Member, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:  # of a version, an image or a time
        raise ProviderError(Code.UNKNOWN, f"{_who(member)}: {error}", retryable=True) from error


def _who(member: Member) -> str:
    return member.cluster_resource_id
