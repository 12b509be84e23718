"""The finalizer by which the agent holds a Work until what it placed is gone from the member."""

from __future__ import annotations

import msgspec

from echelon.api import names
from echelon.api.work import Work
from echelon.kube.client import Client
from echelon.kube.errors import NotFound


async def hold(hub: Client, work: Work) -> Work:
    """Works come with the finalizer on; this is for one that somebody made by hand."""
    if names.WORK_CLEANUP in work.metadata.finalizers:
        return work
    return await _with_finalizers(hub, work, (*work.metadata.finalizers, names.WORK_CLEANUP))


async def release(hub: Client, work: Work) -> None:
    """Let a Work go."""
    if names.WORK_CLEANUP in work.metadata.finalizers:
        try:
            await _with_finalizers(hub, work, tuple(f for f in work.metadata.finalizers if f != names.WORK_CLEANUP))
        except NotFound:
            return  # it has gone already


async def _with_finalizers(hub: Client, work: Work, finalizers: tuple[str, ...]) -> Work:
    metadata = msgspec.structs.replace(work.metadata, finalizers=finalizers)
    return await hub.patch_object(work, msgspec.structs.replace(work, metadata=metadata), lock=True)
