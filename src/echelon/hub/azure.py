"""A hub behind the ARM face: the one fleet that it was installed as.

Whoever asks shows a token of the cluster that the hub runs on, and everything is asked and done there with it, by the
rights that it has there. The names of the fleet are those that the hub says of itself; it makes no other fleet, and
tells whoever wants one which it is. Nothing is simulated: a member is the cluster that its id names, upgraded by the
provider of that platform, and it has joined once its agent, or the hub in its place, works there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.core import Subject
from echelon.api.fleet import UpdateRun
from echelon.api.meta import Clock
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.arm.call import Rules
from echelon.arm.directory import CONFIG_MAPS, RECORD, CannotCreate, record_of
from echelon.arm.face import Face
from echelon.arm.ids import FleetId
from echelon.kube import kubeconfig
from echelon.kube.client import Client
from echelon.kube.credentials import StaticCredentials, bearer
from echelon.kube.errors import NotFound
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection
from echelon.upgrade import intents
from echelon.upgrade.asking import surroundings
from echelon.upgrade.autoupgrade.generation import generate
from echelon.upgrade.validation import Problem

FIELD_MANAGER = "echelon-arm"
_HUB = "hub"


class OneFleet:
    """The fleet of a hub. Satisfies ``arm.directory.Directory``.

    ``connection`` leads to the hub's cluster; of its credentials nothing is used, callers bring their own.
    ``address`` is where users reach the cluster, if they reach it elsewhere than the hub does.
    """

    def __init__(self, fleet: FleetId, connection: Connection, *, address: str = "") -> None:
        self._fleet = fleet
        self._connection = connection
        self._address = address or connection.server

    def hubs(self) -> Sequence[str]:
        return (_HUB,)

    def own(self) -> str:
        return _HUB

    async def create(self, fleet: str) -> str:
        raise CannotCreate(
            f"This hub is the fleet {self._fleet}, and {fleet!r} cannot be made on it: "
            "a further fleet takes a hub of its own, see echelon hub install."
        )

    async def remove(self, hub: str) -> None:
        raise ValueError(f"the hub {hub!r} is not removed by those that it serves")

    @asynccontextmanager
    async def connect(self, hub: str, token: str) -> AsyncIterator[Client]:
        shown = msgspec.structs.replace(self._connection, credentials=StaticCredentials(bearer(token)))
        client = Client(HttpTransport(shown), field_manager=FIELD_MANAGER)
        try:
            yield client
        finally:
            await client.close()

    def kubeconfig(self, hub: str, token: str) -> bytes:
        entry = kubeconfig.Entry(self._fleet.name, self._address, self._connection.authority, token=token)
        return kubeconfig.text([entry], current=self._fleet.name).encode()

    def member_kubeconfig(self, hub: str, member: str, token: str) -> bytes | None:
        return None

    def identity_of(self, member: str) -> Subject:
        """The account that ``echelon join`` gives an agent."""
        return Subject(kind="ServiceAccount", name=names.AGENT_ACCOUNT, namespace=names.member_namespace(member))

    def makes_clusters(self) -> bool:
        return False

    def annotations_of(self, member: str, cluster_id: str, cluster: Mapping[str, Any]) -> Mapping[str, str]:
        return {names.CLUSTER_RESOURCE_ID: cluster_id}


async def fleet_of(client: Client) -> FleetId:
    """Which fleet a hub was installed as: what it says of itself, the usual where it says nothing."""
    namespace, name = RECORD
    try:
        config: dict[str, Any] = await client.get(CONFIG_MAPS, RECORD)
    except NotFound:
        config = {"metadata": {"name": name, "namespace": namespace}}
    return record_of(config).id


def face_of(directory: OneFleet, clock: Clock) -> Face:
    """The face over a hub: an ASGI application. Tokens pass through it, so it is to be served over TLS only."""
    return Face(directory, rules(clock), clock)


def rules(clock: Clock) -> Rules:
    """What the face has to be told of update runs."""

    async def generated(client: Client, profile: AutoUpgradeProfile) -> UpdateRun | str:
        now = clock.now()
        runs = (await client.list(UpdateRun)).items
        found = generate(profile, await surroundings(client, now), runs, now)
        return str(found) if isinstance(found, Problem) else found.run

    return Rules(intents, generated)
