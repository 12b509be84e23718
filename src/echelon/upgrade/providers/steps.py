"""Upgrades on platforms that only know single operations: the control plane, then one node pool after the other.

The upgrade is made of steps, of which one runs at a time. Where it stands is in its handle, and so on the
hub: what was asked for, the step that runs, and the platform's name for it. Whoever polls finds the step
ended, looks what is left to do and begins the next; nobody who polls no more begins any. What is left
follows from what the cluster is, so a step that was begun by somebody who crashed before they could say so
is found under way, or done.

``Platform`` is what there is to be written for a platform. Its ``begin`` gets a token that is the same
whenever the same step of the same upgrade is begun, for platforms that know such tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    NodePool,
    Observation,
    Operation,
    Progress,
    ProviderError,
)
from echelon.upgrade.versions import ImageVersion, KubeVersion

CONTROL_PLANE = ""
"""Stands for the control plane where node pools are named."""

PATIENCE = 4
"""When a step has ended without effect and was seen so as often, it is begun once more: what had ended may have
been somebody else's operation."""


class Step(Struct, frozen=True, kw_only=True):
    """One operation of a platform: a pool, or the control plane, goes to a version, or only to an image."""

    pool: str = CONTROL_PLANE
    version: str = ""
    image: str = ""

    @property
    def title(self) -> str:
        """What is upgraded, for people."""
        return f"node pool {self.pool}" if self.pool else "the control plane"


class Platform(Protocol):
    """A platform that does one step at a time. Each method may raise ``ProviderError``."""

    async def observe(self, member: Member) -> Observation:
        """As ``Provider.observe``."""

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        """As ``Provider.versions``."""

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        """As ``Provider.node_images``."""

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """As ``Provider.preflight``."""

    async def begin(self, member: Member, step: Step, token: str) -> str:
        """Begin a step, unless it is under way; gives the platform's name for it, which may be empty."""

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        """How far a step is; nodes count within the step."""


class Handle(Struct, frozen=True, kw_only=True):
    """Where an upgrade stands. ``step`` is None when all steps are done; nodes count over the whole upgrade.

    ``unseen`` is how often a step that has ended well was not seen in what the cluster is.
    """

    key: str
    operation: Operation
    step: Step | None = None
    operation_id: str = ""
    nodes_done: int = 0
    nodes_total: int = 0
    unseen: int = 0

    def __str__(self) -> str:
        fields = [("controlPlane", self.operation.control_plane_version), ("nodes", self.operation.node_version)]
        fields += [("image", image) for image in self.operation.node_images]
        if self.step is not None:
            fields += [("step", self.step.pool or "/"), ("to", self.step.version), ("toImage", self.step.image)]
        fields += [("id", self.operation_id)]
        numbers = {"done": self.nodes_done, "of": self.nodes_total, "unseen": self.unseen}
        fields += [(name, str(number)) for name, number in numbers.items() if number]
        return f"{self.key}?{urlencode([(name, value) for name, value in fields if value], safe='/:')}"

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Read the text of a handle.

        Raises:
            ProviderError: it is none.
        """
        key, mark, query = text.partition("?")
        try:
            pairs = parse_qsl(query, strict_parsing=bool(query))
            fields = dict(pairs)
            done, total, unseen = (int(fields.get(name, "0")) for name in ("done", "of", "unseen"))
        except ValueError:
            mark = ""
        if not key or not mark:
            raise ProviderError(Code.NOT_FOUND, f"{text!r} is no operation that was started here")
        step = None
        if "step" in fields:
            pool = fields["step"].removeprefix("/")
            step = Step(pool=pool, version=fields.get("to", ""), image=fields.get("toImage", ""))
        return cls(
            key=key,
            operation=Operation(
                control_plane_version=fields.get("controlPlane"),
                node_version=fields.get("nodes"),
                node_images=tuple(value for name, value in pairs if name == "image"),
            ),
            step=step,
            operation_id=fields.get("id", ""),
            nodes_done=done,
            nodes_total=total,
            unseen=unseen,
        )


def steps_left(operation: Operation, seen: Observation) -> Sequence[Step]:
    """What an operation still has to do at a cluster, in order. Nodes that go to another version get its image."""
    return list(_steps_left(operation, seen))


def _steps_left(operation: Operation, seen: Observation) -> Iterator[Step]:
    version = operation.control_plane_version
    if version is not None and KubeVersion.parse(seen.control_plane_version) < KubeVersion.parse(version):
        yield Step(version=version)
    images = {image.family: image for image in map(ImageVersion.parse, operation.node_images)}
    for pool in seen.node_pools:
        node_version = operation.node_version
        if node_version is not None and KubeVersion.parse(pool.kubernetes_version) < KubeVersion.parse(node_version):
            yield Step(pool=pool.name, version=node_version)
        elif (image := _newer_image(pool, images)) is not None:
            yield Step(pool=pool.name, image=str(image))


def _newer_image(pool: NodePool, images: dict[str, ImageVersion]) -> ImageVersion | None:
    if not pool.node_image:
        return None
    present = ImageVersion.parse(pool.node_image)
    wanted = images.get(present.family)
    return wanted if wanted is not None and present < wanted else None


def waiting_for(step: Step) -> str:
    """The handle of a step that somebody else has begun, by which its end can be awaited."""
    return str(Handle(key="other", operation=Operation(), step=step))


Changes = Callable[[Member], AsyncGenerator[None]]
"""Something at once and whenever a member may have changed."""


class SteppedProvider:
    """Satisfies ``Provider`` for a ``Platform``; with ``changes``, it can be watched."""

    def __init__(self, platform: Platform, changes: Changes | None = None) -> None:
        self._platform = platform
        self._changes = changes

    @property
    def watches(self) -> bool:
        return self._changes is not None

    async def observe(self, member: Member) -> Observation:
        return await self._platform.observe(member)

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        return await self._platform.versions(member, region)

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        return await self._platform.node_images(member, region)

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        return await self._platform.preflight(member, operation)

    async def start(self, member: Member, operation: Operation, key: str) -> str:
        seen = await self._platform.observe(member)
        total = _nodes(steps_left(operation, seen), seen)
        return str(await self._next(member, Handle(key=key, operation=operation, nodes_total=total), seen))

    async def poll(self, member: Member, handle: str) -> Progress:
        at = Handle.parse(handle)
        if at.step is None:
            return _counted(Progress(state="Succeeded"), at)
        progress = await self._platform.look(member, at.step, at.operation_id)
        if progress.state == "Succeeded":
            return await self._go_on(member, at, at.step)
        if not progress.ended and not progress.message:
            progress = replace(progress, message=f"Upgrading {at.step.title}")
        return _counted(progress, at)

    async def _go_on(self, member: Member, at: Handle, done: Step) -> Progress:
        """A step is done: begin the next."""
        seen = await self._platform.observe(member)
        left = steps_left(at.operation, seen)
        unseen = at.unseen + 1 if left and left[0].pool == done.pool else 0
        if unseen and unseen != PATIENCE:
            return _counted(_unseen(at, done, unseen), at)
        following = await self._next(member, replace(at, unseen=unseen), seen)
        if following.step is None:
            return _counted(Progress(state="Succeeded"), following)
        message = f"Upgrading {following.step.title}"
        return _counted(Progress(state="Running", message=message, handle=str(following)), following)

    async def _next(self, member: Member, at: Handle, seen: Observation) -> Handle:
        left = steps_left(at.operation, seen)
        done = max(0, at.nodes_total - _nodes(left, seen))
        if not left:
            return replace(at, step=None, operation_id="", nodes_done=done)
        operation_id = await self._platform.begin(member, left[0], _token(at.key, left[0], at.unseen))
        return replace(at, step=left[0], operation_id=operation_id, nodes_done=done)

    async def watch(self, member: Member, handle: str) -> AsyncIterator[Progress]:
        if self._changes is None:
            raise ProviderError(Code.UNSUPPORTED, "this platform cannot be watched")
        seen: Progress | None = None
        async with aclosing(self._changes(member)) as changes:
            async for _ in changes:
                progress = await self.poll(member, handle)
                if progress != seen:
                    yield progress
                if progress.ended:
                    return
                seen, handle = progress, progress.handle or handle

    async def abort(self, member: Member, handle: str) -> bool:
        """Platforms of this kind begin at once; steps that were not begun are never begun if nobody polls."""
        Handle.parse(handle)
        return False


def _unseen(at: Handle, step: Step, unseen: int) -> Progress:
    """A step has ended well, but the cluster is not as it should be then."""
    wanted = step.version or step.image
    if unseen > PATIENCE:
        message = f"The platform says twice that {step.title} was upgraded, and does not show it at {wanted}"
        return Progress(state="Failed", code=Code.UNKNOWN, message=message)
    message = f"Waiting for the platform to show {step.title} at {wanted}"
    return Progress(state="Running", message=message, handle=str(replace(at, unseen=unseen)))


def _token(key: str, step: Step, again: int) -> str:
    return hashlib.sha256(msgspec.json.encode([key, step, again])).hexdigest()[:48]


def _nodes(steps: Sequence[Step], seen: Observation) -> int:
    pools = {step.pool for step in steps}
    return sum(pool.count for pool in seen.node_pools if pool.name in pools)


def _counted(progress: Progress, at: Handle) -> Progress:
    within = progress.nodes_done if at.step is not None and at.step.pool else 0
    done = at.nodes_total if progress.state == "Succeeded" else min(at.nodes_done + within, at.nodes_total)
    return replace(progress, nodes_done=done, nodes_total=at.nodes_total)
