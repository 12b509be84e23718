"""One replica of a hub: it checks the cluster, warms its caches, stands for election, and works while it leads.

Replicas are processes; whichever holds the lease works, and every write of its controllers is checked against
the lease first (``kube.leader``). A replica that loses the lease ends with ``LeadershipLost``: whoever runs it
starts it anew, and it stands for election again. A replica that is stopped finishes what is under way, then
gives the lease back, so that the next one begins at once.

A replica is ready when its caches have synced, whether it leads or stands by.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable

import msgspec
import structlog

from echelon.api import crds, names
from echelon.api.core import Namespace
from echelon.api.meta import Clock, SystemClock
from echelon.hub.controllers import add_controllers
from echelon.hub.manifests import LEASE
from echelon.hub.settings import HubSettings
from echelon.kube.client import Client
from echelon.kube.crds import DEFINITIONS
from echelon.kube.errors import NotFound
from echelon.kube.leader import LeaderElector
from echelon.kube.manager import Manager
from echelon.kube.probes import probes
from echelon.kube.rest import BeforeWrite
from echelon.kube.transport import Transport

FIELD_MANAGER = "echelon-hub"

log = structlog.get_logger(__name__)


class CannotRun(Exception):
    """The cluster is no hub, or not of this version; the message says what is missing."""


class Address(msgspec.Struct, frozen=True):
    """Where probes and metrics are served; without ``host``, on all addresses."""

    port: int
    host: str = ""


class ReplicaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a replica runs. ``name`` tells replicas apart. ``before_write`` is called before each write (tests)."""

    namespace: str = names.SYSTEM_NAMESPACE
    name: str = ""
    settings: HubSettings = HubSettings()
    listen: Address | None = None
    before_write: BeforeWrite | None = None


class Replica:
    """A replica of a hub; ``connect`` opens connections to its cluster: two, and one for each
    member to which it pushes."""

    def __init__(
        self, connect: Callable[[], Transport], options: ReplicaOptions | None = None, *, clock: Clock | None = None
    ) -> None:
        self._options = options = options or ReplicaOptions()
        clock = clock or SystemClock()
        election = options.settings.leader_election
        self.name = f"{options.name or os.uname().nodename}_{secrets.token_hex(4)}"
        self._standing = Client(connect(), field_manager=FIELD_MANAGER, timeout=election.renew_deadline / 2)
        self.elector = LeaderElector(
            self._standing,
            (options.namespace, LEASE),
            self.name,
            lease_duration=election.lease_duration,
            renew_deadline=election.renew_deadline,
            retry_period=election.retry_period,
            clock=clock,
        )
        self._client = Client(connect(), field_manager=FIELD_MANAGER, before_write=self._before_write)
        self.manager = Manager(self._client, elector=self.elector)
        add_controllers(
            self.manager,
            options.settings.controllers(),
            clock,
            agent_client=lambda: Client(connect(), field_manager=names.AGENT_MANAGER, before_write=self._before_write),
        )

    async def run(self) -> None:
        """Run until ``stop``.

        Raises:
            CannotRun: the cluster is no hub.
            CannotListen: the address of the probes is taken.
            LeadershipLost: another replica leads, or the cluster could not be reached for too long.
        """
        async with contextlib.AsyncExitStack() as open_:
            open_.push_async_callback(self._client.close)
            open_.push_async_callback(self._standing.close)
            if self._options.listen is not None:
                address = self._options.listen
                port = await open_.enter_async_context(probes(self.not_ready, host=address.host, port=address.port))
                log.info("serving probes and metrics", port=port)
            await self._check()
            log.info("standing for election", replica=self.name, namespace=self._options.namespace)
            await self.manager.run()
            log.info("stopped", replica=self.name)

    def stop(self) -> None:
        """Finish what is under way, give the lease back, and let ``run`` return."""
        self.manager.stop()

    def not_ready(self) -> str:
        """Why this replica is not ready; empty when it is."""
        return "" if self.manager.ready else "the caches have not synced yet"

    async def _check(self) -> None:
        """Whether the cluster has what a hub needs: without it, caches would wait for it in silence."""
        present = {found["metadata"]["name"] for found in (await self._client.list(DEFINITIONS)).items}
        missing = sorted({manifest["metadata"]["name"] for manifest in crds.manifests()} - present)
        if missing:
            shown = missing[0] if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more"
            raise CannotRun(f"the cluster lacks the kinds {shown}; put them there with: echelon hub install")
        try:
            await self._standing.get(Namespace, self._options.namespace)
        except NotFound:
            message = f"the cluster has no namespace {self._options.namespace}; echelon hub install makes it"
            raise CannotRun(message) from None

    def _before_write(self, method: str, path: str) -> None:
        self.elector.before_write(method, path)
        if self._options.before_write is not None:
            self._options.before_write(method, path)
