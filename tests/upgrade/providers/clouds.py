"""A played cloud and the provider that is pointed at it, for the tests of AKS, EKS and GKE."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from echelon.testing.fakeclouds import Clock, Clouds, Cluster, Faults, ManualClock, Operation, Server, cluster_of
from echelon.upgrade.providers import contract
from echelon.upgrade.providers.aks import AksPlatform
from echelon.upgrade.providers.clouds import Threads
from echelon.upgrade.providers.eks import EksPlatform
from echelon.upgrade.providers.gke import GkePlatform
from echelon.upgrade.providers.settings import AwsSettings, AzureSettings, GoogleSettings, ProviderSettings
from echelon.upgrade.providers.steps import SteppedProvider

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
HOUR = 3600.0

AKS_ID = "/subscriptions/sub-1/resourceGroups/fleet/providers/Microsoft.ContainerService/managedClusters/one"
EKS_ID = "eks://eu-west-1/one"
GKE_ID = "gke://shop/europe-west1/one"
UBUNTU, AL2023, COS = "AKSUbuntu-2204gen2containerd", "AL2023_x86_64_STANDARD", "COS_CONTAINERD"

VERSIONS = {
    "aks": ["1.29.9", "1.30.0", "1.30.4", "1.31.1", "1.32.0"],
    "eks": ["1.29", "1.30", "1.31", "1.32"],
    "gke": ["1.30.5-gke.100", "1.30.5-gke.200", "1.31.4-gke.300", "1.32.1-gke.50"],
}


def pools(version: str, image: str, family: str) -> list[Mapping[str, Any]]:
    common = {"version": version, "image": image, "family": family}
    return [{"name": "system", "count": 1, **common}, {"name": "user", "count": 2, **common}]


CLUSTERS = {
    "aks": {"id": AKS_ID, "version": "1.30.4", "pools": pools("1.30.4", "202410.01.0", UBUNTU)},
    "eks": {"id": EKS_ID, "version": "1.30", "pools": pools("1.30", "1.30.6-20250101", AL2023)},
    "gke": {"id": GKE_ID, "version": "1.30.5-gke.100", "pools": pools("1.30.5-gke.100", "", COS)},
}
TARGETS = {
    "aks": contract.Operation(control_plane_version="1.31.1", node_version="1.31.1"),
    "eks": contract.Operation(control_plane_version="1.31", node_version="1.31"),
    "gke": contract.Operation(control_plane_version="1.31.4-gke.300", node_version="1.31.4-gke.300"),
}
IMAGES = (
    ("aks", UBUNTU, "1.30", "202411.03.0"),
    ("aks", UBUNTU, "1.31", "202411.03.0"),
    ("eks", AL2023, "1.30", "1.30.7-20250202"),
    ("eks", AL2023, "1.31", "1.31.4-20250202"),
)


class Played:
    """One cluster in a cloud that is played. Satisfies ``contract.Platform`` of the tests."""

    queues = False

    def __init__(self, cloud: str, server: Server) -> None:
        self.cloud = cloud
        self.server = server
        self.clock = server.clock
        self.target = TARGETS[cloud]
        self.member = contract.Member(name="one", cluster_resource_id=self.cluster.id)
        self.settings = ProviderSettings(
            azure=AzureSettings(endpoint=server.url),
            aws=AwsSettings(endpoint=server.url),
            google=GoogleSettings(endpoint=server.url),
        )

    @property
    def cluster(self) -> Cluster:
        return self.server.clouds.find(str(CLUSTERS[self.cloud]["id"]))

    @property
    def operations(self) -> list[Operation]:
        return [found for found in self.cluster.operations if not found.foreign]

    def faults(self, **faults: Any) -> None:
        self.cluster.faults = Faults(**faults)

    def disturb(self, seconds: float) -> None:
        """Somebody else is at work at the cluster."""
        operation = Operation(id="foreign-1", began=self.clock.now(), seconds=seconds, foreign=True)
        self.cluster.operations.append(operation)

    def provider(self, **settings: Any) -> tuple[SteppedProvider, Any]:
        """A new provider, as of a new process, and its platform."""
        changed = replace(self.settings, **settings)
        if self.cloud == "aks":
            platform: Any = AksPlatform(changed, self.clock)
        else:
            kind = EksPlatform if self.cloud == "eks" else GkePlatform
            platform = kind(changed, self.clock, Threads(4))
        return SteppedProvider(platform), platform

    async def started(self) -> int:
        return len(self.operations)

    async def carry_on(self) -> None:
        self.clock.advance(HOUR)

    async def fail(self) -> None:
        self.faults(error=True)
        self.clock.advance(HOUR)

    async def hold_back(self) -> None:
        raise NotImplementedError("clouds begin at once")

    async def cut_off(self) -> None:
        self.faults(down=True)


@asynccontextmanager
async def playing(cloud: str, clock: Clock | None = None) -> AsyncIterator[Played]:
    """A cloud with one cluster of three nodes in two pools; without a clock, the test turns it."""
    clouds = Clouds([cluster_of(CLUSTERS[cloud])], VERSIONS)
    for image in IMAGES:
        clouds.publish(*image)
    async with Server(clouds, clock or ManualClock(BEGIN)) as server:
        yield Played(cloud, server)
