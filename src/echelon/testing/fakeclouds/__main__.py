"""Plays clouds for whoever rehearses: ``python -m echelon.testing.fakeclouds [CLUSTERS]``.

CLUSTERS is a YAML file with the fields ``clusters`` (see ``model.Cluster``), ``versions`` and ``images``; without
one a small fleet is played, one cluster a cloud.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from echelon.testing.fakeclouds.clock import PacedClock
from echelon.testing.fakeclouds.model import BadCluster, CloudName, Clouds, cluster_of
from echelon.testing.fakeclouds.server import Server

_UBUNTU, _AMAZON, _COS = "AKSUbuntu-2204gen2containerd", "AL2023_x86_64_STANDARD", "COS_CONTAINERD"
FLEET: Mapping[str, Any] = {
    "versions": {
        "aks": ["1.33.5", "1.34.1", "1.34.2"],
        "eks": ["1.33", "1.34"],
        "gke": ["1.33.5-gke.1125000", "1.34.1-gke.2037000"],
    },
    "images": [
        {"cloud": "aks", "family": _UBUNTU, "version": "1.33", "image": "202511.07.0"},
        {"cloud": "aks", "family": _UBUNTU, "version": "1.34", "image": "202511.07.0"},
        {"cloud": "eks", "family": _AMAZON, "version": "1.33", "image": "1.33.5-20251112"},
        {"cloud": "eks", "family": _AMAZON, "version": "1.34", "image": "1.34.1-20251112"},
    ],
    "clusters": [
        {
            "id": "/subscriptions/play/resourceGroups/fleet/providers/Microsoft.ContainerService/managedClusters/one",
            "version": "1.33.5",
            "pools": [
                {"name": "system", "count": 3, "version": "1.33.5", "family": _UBUNTU, "image": "202510.19.0"},
                {"name": "user", "count": 2, "version": "1.33.5", "family": _UBUNTU, "image": "202510.19.0"},
            ],
        },
        {
            "id": "eks://eu-west-1/two",
            "version": "1.33",
            "pools": [{"name": "ng", "count": 3, "version": "1.33", "family": _AMAZON, "image": "1.33.5-20251016"}],
        },
        {
            "id": "gke://play/europe-west1/three",
            "version": "1.33.5-gke.1125000",
            "pools": [{"name": "default-pool", "count": 3, "version": "1.33.5-gke.1125000", "family": _COS}],
        },
    ],
}


class _Image(msgspec.Struct, forbid_unknown_fields=True):
    cloud: CloudName
    family: str
    version: str
    image: str


class _Fleet(msgspec.Struct, forbid_unknown_fields=True):
    clusters: list[dict[str, Any]]
    versions: dict[CloudName, list[str]] = {}
    images: list[_Image] = []


def read_fleet(content: Any) -> Clouds:
    """Clouds from what stands in a file.

    Raises:
        BadCluster: something there makes no sense.
    """
    try:
        fleet = msgspec.convert(content, _Fleet)
    except msgspec.ValidationError as error:
        raise BadCluster(str(error)) from error
    clouds = Clouds(map(cluster_of, fleet.clusters), fleet.versions)
    for image in fleet.images:
        clouds.publish(image.cloud, image.family, image.version, image.image)
    return clouds


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("clusters", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--port", default=8470, show_default=True, help="Where the clouds are, on 127.0.0.1; 0 takes a free port."
)
@click.option("--pace", default=60.0, show_default=True, help="How many times as fast as ours their time goes.")
def main(clusters: Path | None, port: int, pace: float) -> None:
    """Play AKS, EKS and GKE on this machine, to rehearse update runs with."""
    try:
        clouds = read_fleet(FLEET if clusters is None else yaml.safe_load(clusters.read_text()))
    except (BadCluster, yaml.YAMLError) as error:
        raise click.ClickException(f"{clusters}: {error}") from error
    try:
        asyncio.run(_play(clouds, port, pace))
    except KeyboardInterrupt:
        click.echo("The clouds are gone.")


async def _play(clouds: Clouds, port: int, pace: float) -> None:
    async with Server(clouds, PacedClock(pace), port=port) as server:
        click.echo(f"The clouds are at {server.url}; the way in for you is {server.url}/play")
        click.echo("Settings of the hub's providers:")
        for section in ("azure", "aws", "google"):
            click.echo(f"  {section}: {{endpoint: {server.url}}}")
        click.echo("Cluster resource ids:")
        for cluster in clouds.clusters:
            click.echo(f"  {cluster.id}")
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    main()
