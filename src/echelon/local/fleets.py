"""All fleets of an embedded hub: its own, and further ones that are made and removed while it runs.

A further fleet has a hub and members of its own over the same database, and starts with the release catalogue of
the hub's own fleet. It is known by its hub's keyspace, which is the last thing to go when the fleet is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from echelon.api.meta import Clock
from echelon.api.upgrade import ReleaseCatalog, ReleaseCatalogSpec
from echelon.apiserver import Database
from echelon.apiserver.metadata import Summary
from echelon.kube.errors import NotFound
from echelon.local.cluster import EmbeddedCluster
from echelon.local.fleet import CATALOG, EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec
from echelon.local.mount import Mounts, NameTaken
from echelon.local.naming import HUB, FleetNames, further_fleets

log = structlog.get_logger(__name__)


class EmbeddedFleets:
    """The fleets over one database."""

    def __init__(self, database: Database[Summary], options: FleetOptions, *, clock: Clock | None = None) -> None:
        self._database = database
        self._options = options
        self._clock = clock
        self.mounts = Mounts()
        self.own = EmbeddedFleet(database, options, clock=clock, mounts=self.mounts)
        self._further: dict[str, EmbeddedFleet] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] | None = None
        self._changing = asyncio.Lock()
        self.on_cluster: Callable[[], None] = lambda: None

    async def start(self, members: Sequence[MemberSpec], releases: ReleaseCatalogSpec | None = None) -> None:
        """Bring up the hub's own fleet, with these members and this catalogue, and the further ones there are."""
        self._failed = asyncio.get_running_loop().create_future()
        self.own.on_cluster = self._clusters_changed
        await self.own.start(members, releases)
        self._watch("", self.own)
        for name in further_fleets(self._database.keyspaces()):
            await self._start(name, None)

    def hubs(self) -> Mapping[str, EmbeddedCluster]:
        """The hubs of all fleets that are up, by the name that each is served as."""
        fleets = (self.own, *self._further.values())
        return {fleet.hub.served_as: fleet.hub for fleet in fleets if HUB in fleet.clusters}

    def member(self, hub: str, name: str) -> EmbeddedCluster | None:
        """A member of the fleet whose hub is served by a name."""
        for fleet in (self.own, *self._further.values()):
            if name != HUB and HUB in fleet.clusters and fleet.hub.served_as == hub:
                return fleet.clusters.get(name)
        return None

    def served(self) -> Sequence[str]:
        """The names by which clusters are served."""
        return self.mounts.names()

    async def create(self, name: str) -> None:
        """Make a fleet, without members, unless it is there; returns once it is up.

        Raises:
            NameTaken: a cluster is served by this name.
        """
        async with self._changing:
            if name in self._further:
                return
            if name in self.mounts.names():
                raise NameTaken(f"a cluster is served as {name!r} here already; choose another name")
            try:
                catalog: ReleaseCatalog | None = await self._own_catalog()
            except NotFound:
                catalog = None
            await self._start(name, None if catalog is None else catalog.spec)

    async def remove(self, name: str) -> None:
        """End a further fleet and forget all that it had. One that is not there is gone already."""
        async with self._changing:
            fleet = self._further.pop(name, None)
            if fleet is None:
                return
            self._watched.pop(name).cancel()
            await fleet.close()
            names = FleetNames(name)
            keyspaces = [space for space in self._database.keyspaces() if names.cluster(space) is not None]
            for space in sorted(keyspaces, key=lambda space: space == names.keyspace(HUB)):
                await self._database.drop(space)
            self.on_cluster()
            log.info("fleet removed", fleet=name)

    async def wait(self) -> None:
        """Wait until a part of a fleet fails; raises what it failed with."""
        assert self._failed is not None
        await self._failed

    async def stop(self) -> None:
        """Stop agents and controllers, which finish what is under way; the clusters are still served."""
        for task in self._watched.values():
            task.cancel()
        await asyncio.gather(*(fleet.stop() for fleet in (self.own, *self._further.values())))

    async def close(self) -> None:
        """Stop everything; what was written stays."""
        await asyncio.gather(*(fleet.close() for fleet in (self.own, *self._further.values())))

    def end_streams(self) -> None:
        """End open watches of all clusters, so that their connections can be closed."""
        for fleet in (self.own, *self._further.values()):
            fleet.end_streams()

    async def _start(self, name: str, releases: ReleaseCatalogSpec | None) -> None:
        options = msgspec.structs.replace(self._options, names=FleetNames(name))
        fleet = EmbeddedFleet(self._database, options, clock=self._clock, mounts=self.mounts)
        fleet.on_cluster = self._clusters_changed
        await fleet.start((), releases)
        self._further[name] = fleet
        self._watch(name, fleet)
        log.info("fleet runs", fleet=name)

    async def _own_catalog(self) -> ReleaseCatalog:
        administrator = self.own.hub.administrator("echelon-up")
        try:
            return await administrator.get(ReleaseCatalog, CATALOG)
        finally:
            await self.own.hub.release(administrator)

    def _clusters_changed(self) -> None:
        self.on_cluster()

    def _watch(self, name: str, fleet: EmbeddedFleet) -> None:
        """Let the failure of a fleet be that of all."""
        task = asyncio.create_task(fleet.wait(), name=f"fleet {name}")
        task.add_done_callback(self._ended)
        self._watched[name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        if (error := task.exception()) is not None:
            self._failed.set_exception(error)
