"""The Kubernetes versions that are published, in the form in which AKS offers them to clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from echelon.api.upgrade import KubernetesRelease, ReleaseCatalog
from echelon.arm.around import Answering, Question, of_subscription
from echelon.arm.call import Reply
from echelon.arm.directory import Directory
from echelon.arm.errors import from_hub
from echelon.arm.requests import bearer
from echelon.arm.router import Route
from echelon.kube.client import Client
from echelon.kube.errors import ApiError

_VERSIONS = "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions"


class Releases:
    """What the release catalogues of the hub that makes others say; the same wherever it is asked for."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route[Answering]]:
        return [Route("GET", _VERSIONS, self.list_)]

    async def list_(self, question: Question) -> Reply:
        await of_subscription(self._directory, question)
        async with self._directory.connect(self._directory.own(), bearer(question.request)) as client:
            try:
                releases = await published(client)
            except ApiError as error:
                raise from_hub(error, {}) from error
        minors = dict.fromkeys(_minor(release.version) for release in releases)
        return Reply(body={"values": [_minor_version(minor, releases) for minor in minors]})


async def published(client: Client) -> Sequence[KubernetesRelease]:
    """The versions in the release catalogues of a hub, from old to new."""
    catalogs = (await client.list(ReleaseCatalog)).items
    found = {release.version: release for catalog in catalogs for release in catalog.spec.kubernetes_versions}
    return sorted(found.values(), key=lambda release: parts_of(release.version))


def upgrades_of(version: str, releases: Sequence[KubernetesRelease]) -> Sequence[KubernetesRelease]:
    """The newer versions that a cluster can go to: of its minor version, and of the next."""
    own = parts_of(version)
    return [
        release
        for release in releases
        if own < (found := parts_of(release.version)) and found[:1] == own[:1] and found[1] - own[1] <= 1
    ]


def upgrade_to(release: KubernetesRelease) -> dict[str, Any]:
    return {"kubernetesVersion": release.version, "isPreview": release.preview}


def parts_of(version: str) -> list[int]:
    """The numbers of a version, to be compared by."""
    return [int(part) for part in version.removeprefix("v").split(".") if part.isdigit()]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _minor_version(minor: str, releases: Sequence[KubernetesRelease]) -> dict[str, Any]:
    patches = [release for release in releases if _minor(release.version) == minor]
    return {
        "version": minor,
        "capabilities": {"supportPlan": ["KubernetesOfficial"]},
        "isPreview": all(release.preview for release in patches),
        "patchVersions": {
            release.version: {"upgrades": [further.version for further in upgrades_of(release.version, releases)]}
            for release in patches
        },
    }
