"""Every kind of Echelon is one that a Kubernetes API server takes: structure, names, and the cost of its rules."""

from __future__ import annotations

import asyncio
from pathlib import Path

from echelon.api.crds import manifests
from echelon.kube import crds
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load


def test_every_kind_is_taken(clusters: Path) -> None:
    async def install() -> None:
        client = Client(HttpTransport(load(clusters, context="hub")), field_manager="test")
        try:
            await crds.install(client, manifests())
            await crds.install(client, manifests())
        finally:
            await client.close()

    asyncio.run(install())
