"""The fleets that a face serves: each is a hub, known by the names that its hub says of itself.

A hub says them in the ConfigMap ``fleet`` of the namespace ``fleet-system``. Everything is asked and done with
the token of the caller, so that the hub's own rules decide who may see or change a fleet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from echelon.api import names
from echelon.api.core import Subject
from echelon.api.fleet import UpdateRun
from echelon.api.meta import ObjectMeta, Resource
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.arm.ids import FleetId
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured

CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))
RECORD = (names.SYSTEM_NAMESPACE, names.FLEET_CONFIG_MAP)
SUBSCRIPTION = "subscriptionId"
LOCATION = "location"
TAGS = "tags"
IDENTITY = "identity"
HUB_PROFILE = "hubProfile"

DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
DEFAULT_GROUP = "demo"
DEFAULT_FLEET = "fleet"
DEFAULT_LOCATION = "local"


class CannotCreate(Exception):
    """There cannot be a hub for a fleet of this name; the message is one line for the user."""


class Directory(Protocol):
    """Where the fleets are. What serves the face provides it."""

    def hubs(self) -> Sequence[str]:
        """The names by which hubs are connected to."""

    def own(self) -> str:
        """The hub that may make and remove others, if any can: it is never removed itself."""

    async def create(self, fleet: str) -> str:
        """Make a hub for a fleet; gives the name to connect by. Raises CannotCreate."""

    async def remove(self, hub: str) -> None:
        """Remove a hub, with all that it has."""

    def connect(self, hub: str, token: str) -> AbstractAsyncContextManager[Client]:
        """A client of a hub that shows a token."""

    def kubeconfig(self, hub: str, token: str) -> bytes:
        """A kubeconfig that leads to a hub and shows a token."""

    def member_kubeconfig(self, hub: str, member: str, token: str) -> bytes | None:
        """A kubeconfig that leads to a member of a hub and shows a token; None if it is reached elsewhere."""

    def identity_of(self, member: str) -> Subject:
        """As whom the agent of a new member is known."""

    def makes_clusters(self) -> bool:
        """Whether a managed cluster that a client creates comes to be, as a simulation, when it becomes a member."""

    def annotations_of(self, member: str, cluster_id: str, cluster: Mapping[str, Any]) -> Mapping[str, str]:
        """What a new member is to the provider that upgrades it; ``cluster`` is what it was created to consist of."""


class UpdateRules(Protocol):
    """What may be asked of a run, and the run as it is then: the rules of ``echelon.upgrade.intents``."""

    def start_problems(self, run: UpdateRun) -> Sequence[object]: ...

    def stop_problems(self, run: UpdateRun) -> Sequence[object]: ...

    def skip_problems(self, run: UpdateRun, targets: Sequence[Any]) -> Sequence[object]: ...

    def started(self, run: UpdateRun) -> UpdateRun: ...

    def stopped(self, run: UpdateRun) -> UpdateRun: ...

    def skipping(self, run: UpdateRun, targets: Sequence[Any]) -> UpdateRun: ...


class GenerateRun(Protocol):
    """The run of a profile for what is published now, which may be on the hub already; or why there is none."""

    async def __call__(self, client: Client, profile: AutoUpgradeProfile) -> UpdateRun | str: ...


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub says of itself as a fleet."""

    metadata: ObjectMeta
    id: FleetId
    location: str
    tags: Mapping[str, str]
    identity: Mapping[str, Any]
    hub_profile: Mapping[str, Any] | None


async def read_record(client: Client, hub: str, directory: Directory) -> Record:
    """What a hub says of itself. One that says nothing has the usual names, or the one that it was made by."""
    try:
        config: dict[str, Any] = await client.get(CONFIG_MAPS, RECORD)
    except NotFound:
        namespace, name = RECORD
        data = {} if hub == directory.own() else {names.FLEET_NAME: hub}
        config = {"metadata": {"name": name, "namespace": namespace}, "data": data}
    return record_of(config)


def record_of(config: Mapping[str, Any]) -> Record:
    """Read the ConfigMap of a hub. What it does not say is the usual."""
    data: Mapping[str, str] = config.get("data") or {}
    profile = data.get(HUB_PROFILE)
    return Record(
        metadata=msgspec.convert(config["metadata"], ObjectMeta),
        id=FleetId(
            data.get(SUBSCRIPTION, DEFAULT_SUBSCRIPTION),
            data.get(names.FLEET_RESOURCE_GROUP, DEFAULT_GROUP),
            data.get(names.FLEET_NAME, DEFAULT_FLEET),
        ),
        location=data.get(LOCATION, DEFAULT_LOCATION),
        tags=_json(data.get(TAGS)),
        identity=_json(data.get(IDENTITY)) or {"type": "None"},
        hub_profile=None if profile is None else _json(profile),
    )


def _json(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def record_data(id_: FleetId, location: str, parts: Mapping[str, Any]) -> dict[str, str]:
    """The data of the ConfigMap; ``parts`` are tags, identity and the hub's profile."""
    data = {
        SUBSCRIPTION: id_.subscription,
        names.FLEET_RESOURCE_GROUP: id_.group,
        names.FLEET_NAME: id_.name,
        LOCATION: location,
    }
    return data | {key: json.dumps(value, sort_keys=True) for key, value in parts.items() if value}
