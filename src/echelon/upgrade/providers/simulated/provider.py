"""The provider of simulated clusters: reads and writes what ``platform`` describes, at the member."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from echelon.api.core import ConfigMap, Node
from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, NotFound, Unauthorized, Unreachable
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import kind_of
from echelon.kube.tasks import cancel
from echelon.upgrade.catalogue import Catalogue, Release
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    Observation,
    Operation,
    Progress,
    ProviderError,
)
from echelon.upgrade.providers.simulated import platform
from echelon.upgrade.providers.simulated.platform import (
    BUSY,
    CLUSTER,
    NAMESPACE,
    OPERATIONS,
    BadSimulation,
    OperationState,
)
from echelon.upgrade.versions import ImageVersion, NotAVersion

Connect = Callable[[str], Client | None]
"""A client of the API server of a simulated cluster, by the name of its member; None while it is not served."""


class SimulatedProvider:
    """Satisfies ``Provider``. What there is to upgrade to, it takes from the hub's catalogue."""

    watches = True

    def __init__(self, connect: Connect, catalogue: Callable[[], Catalogue], clock: Clock) -> None:
        self._connect = connect
        self._catalogue = catalogue
        self._clock = clock

    async def observe(self, member: Member) -> Observation:
        client = self._client(member)
        with _told(member):
            cluster = platform.read_cluster(await client.get(ConfigMap, (NAMESPACE, CLUSTER)))
            nodes = await client.list(Node)
            operations = await client.list(ConfigMap, namespace=NAMESPACE, labels=OPERATIONS)
            pools = platform.node_pools(nodes.items)
            first = platform.first_unfinished([(o.metadata.name, platform.read_operation(o)) for o in operations.items])
        busy = first[0] if first else CLUSTER if cluster.fault == BUSY else ""
        return Observation(
            region=cluster.region,
            control_plane_version=cluster.control_plane_version,
            node_pools=tuple(pools),
            running=cluster.running,
            long_term_support=cluster.long_term_support,
            busy=busy,
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        catalogue = self._catalogue()
        return catalogue.releases_in((region,)) if catalogue.releases else None

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        catalogue = self._catalogue()
        return catalogue.images_in(region) if catalogue.images else None

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        return ()

    async def start(self, member: Member, operation: Operation, key: str) -> str:
        handle = platform.operation_name(key)
        state = OperationState(operation=operation, progress=Progress(state="Queued"), created=self._clock.now())
        with _told(member):
            try:
                await self._client(member).create(platform.operation_config_map(handle, state))
            except AlreadyExists:
                return handle  # of an earlier call with this key
        return handle

    async def poll(self, member: Member, handle: str) -> Progress:
        with _told(member):
            return _progress(await self._client(member).get(ConfigMap, (NAMESPACE, handle)))

    async def watch(self, member: Member, handle: str) -> AsyncIterator[Progress]:
        changes: asyncio.Queue[Change[ConfigMap]] = asyncio.Queue()
        informer = Informer(
            self._client(member), kind_of(ConfigMap), namespace=NAMESPACE, fields=f"metadata.name={handle}"
        )
        informer.add_handler(changes.put_nowait)
        running = asyncio.create_task(informer.run(), name=f"watch of {handle} at {member.name}")
        try:
            await informer.wait_for_sync()
            if informer.get((NAMESPACE, handle)) is None:
                yield _gone(handle)
                return
            while True:
                change = await changes.get()
                with _told(member):
                    progress = _gone(handle) if change.new is None else _progress(change.new)
                yield progress
                if progress.ended:
                    return
        finally:
            await cancel([running])

    async def abort(self, member: Member, handle: str) -> bool:
        client = self._client(member)
        with _told(member):
            try:
                present = await client.get(ConfigMap, (NAMESPACE, handle))
                state = platform.read_operation(present)
                if state.progress.state != "Queued":
                    return state.progress.state == "Aborted"
                progress = Progress(state="Aborted", code=Code.ABORTED, message="Called off before it began")
                data = platform.operation_data(msgspec.structs.replace(state, progress=progress))
                await client.patch_object(present, msgspec.structs.replace(present, data=data), lock=True)
            except NotFound:
                return True  # it was never started
            except Conflict as error:
                raise ProviderError(Code.CONFLICT, str(error), retryable=True) from error
        return True

    def _client(self, member: Member) -> Client:
        client = self._connect(member.name)
        if client is None:
            message = f"the simulated cluster of member {member.name} is not served here"
            raise ProviderError(Code.NETWORK, message, retryable=True)
        return client


def _progress(config_map: ConfigMap) -> Progress:
    """The progress of an operation; a cluster that plays busy counts as one, until it no longer does."""
    if config_map.metadata.name != CLUSTER:
        return platform.read_operation(config_map).progress
    busy = platform.read_cluster(config_map).fault == BUSY
    return Progress(state="Running" if busy else "Succeeded", message="The cluster is told to be busy" if busy else "")


def _gone(handle: str) -> Progress:
    return Progress(state="Failed", code=Code.NOT_FOUND, message=f"The operation {handle} was deleted", retryable=True)


@contextmanager
def _told(member: Member) -> Iterator[None]:
    """Failures of the member's API server as ``ProviderError``."""
    try:
        yield
    except ApiError as error:
        code, retryable = _classify(error)
        raise ProviderError(code, f"the API server of {member.name}: {error}", retryable=retryable) from error
    except (BadSimulation, NotAVersion) as error:
        raise ProviderError(Code.UNKNOWN, f"member {member.name}: {error}", retryable=True) from error


def _classify(error: ApiError) -> tuple[Code, bool]:
    match error:
        case Unreachable():
            return Code.NETWORK, True
        case Unauthorized() | Forbidden():
            return Code.AUTH, True
        case NotFound():
            return Code.NOT_FOUND, True
        case _:
            return Code.UNKNOWN, error.code >= 500 or error.code == 429
