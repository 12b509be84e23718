"""Embedded fleets behind the ARM face: which hubs there are, and what the members that clients add become.

A managed cluster that nobody knows becomes a simulated one of the member's name; any other id goes to the
provider that it names.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from echelon.api import names
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Clock
from echelon.arm.directory import CannotCreate
from echelon.arm.face import Face
from echelon.hub.azure import FIELD_MANAGER, rules
from echelon.kube import kubeconfig
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.local.fleet import SIMULATED, agent_user
from echelon.local.fleets import EmbeddedFleets
from echelon.local.mount import NameTaken
from echelon.local.naming import HUB
from echelon.local.simulation import SIMULATED_CLUSTER
from echelon.local.tokens import context_token

_MANAGED_CLUSTER = "/providers/microsoft.containerservice/managedclusters/"


class EmbeddedDirectory:
    """The hubs of an embedded server. ``url`` says where one is served; ``authority`` (PEM) vouches for it."""

    def __init__(self, fleets: EmbeddedFleets, url: Callable[[str], str], authority: bytes) -> None:
        self._fleets = fleets
        self._url = url
        self._authority = authority

    def hubs(self) -> Sequence[str]:
        return tuple(self._fleets.hubs())

    def own(self) -> str:
        return HUB

    async def create(self, fleet: str) -> str:
        try:
            await self._fleets.create(fleet)
        except NameTaken as error:
            raise CannotCreate(str(error)) from error
        return fleet

    async def remove(self, hub: str) -> None:
        await self._fleets.remove(hub)

    @asynccontextmanager
    async def connect(self, hub: str, token: str) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        client = Client(AsgiTransport(self._fleets.hubs()[hub].server, headers=headers), field_manager=FIELD_MANAGER)
        try:
            yield client
        finally:
            await client.close()

    def kubeconfig(self, hub: str, token: str) -> bytes:
        return self._kubeconfig(hub, token.removeprefix(f"{hub}."))

    def member_kubeconfig(self, hub: str, member: str, token: str) -> bytes | None:
        cluster = self._fleets.member(hub, member)
        return None if cluster is None else self._kubeconfig(cluster.served_as, token.removeprefix(f"{hub}."))

    def _kubeconfig(self, name: str, token: str) -> bytes:
        """Members know the administrator's token; one that is signed is the hub's, and is shown as it was issued."""
        shown = token if "." in token else context_token(name, token)
        entry = kubeconfig.Entry(name, self._url(name), self._authority, token=shown)
        return kubeconfig.text([entry], current=name).encode()

    def identity_of(self, member: str) -> Subject:
        return Subject(kind="User", name=agent_user(member), api_group=RBAC)

    def makes_clusters(self) -> bool:
        return True

    def annotations_of(self, member: str, cluster_id: str, cluster: Mapping[str, Any]) -> Mapping[str, str]:
        if _MANAGED_CLUSTER not in cluster_id.lower():
            return {names.CLUSTER_RESOURCE_ID: cluster_id}
        found = {names.CLUSTER_RESOURCE_ID: SIMULATED + member}
        return found | {SIMULATED_CLUSTER: json.dumps(cluster)} if cluster else found


def face_of(directory: EmbeddedDirectory, clock: Clock) -> Face:
    """The face over an embedded fleet."""
    return Face(directory, rules(clock), clock)
