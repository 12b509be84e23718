"""The two controllers of Kubernetes without which nothing that is deleted ever goes, as far as these tests need them.

    python tests/real/controllers.py KUBECONFIG CONTEXT...

An API server alone marks namespaces and owners that are deleted, and waits for somebody to empty them. This lets
namespaces go, and AppliedWorks with what they own. It prints ``ready`` and ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, NotFound
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import load
from echelon.kube.patches import MergePatch

NAMESPACES = Unstructured(Resource("", "v1", "namespaces", "Namespace", namespaced=False))
GROUP = "placement.kubernetes-fleet.io"
APPLIED = Unstructured(Resource(GROUP, "v1beta1", "appliedworks", "AppliedWork", namespaced=False))
PAUSE = 0.5  # seconds until a kind that is not served yet is looked for again


async def main(kubeconfig: Path, contexts: list[str]) -> None:
    clients = [Client(HttpTransport(load(kubeconfig, context=context))) for context in contexts]
    print("ready", flush=True)
    await asyncio.gather(*(follow(client, kind) for client in clients for kind in (NAMESPACES, APPLIED)))


async def follow(client: Client, kind: Unstructured) -> None:
    while True:
        try:
            async with client.watch(kind, initial_events=True) as events:
                async for event in events:
                    if event.object is not None and event.type != "DELETED":
                        await look_at(client, kind, event.object)
        except ApiError:
            await asyncio.sleep(PAUSE)


async def look_at(client: Client, kind: Unstructured, obj: dict[str, Any]) -> None:
    if not obj["metadata"].get("deletionTimestamp"):
        return
    try:
        if kind is NAMESPACES:
            if (obj.get("spec") or {}).get("finalizers"):
                await client.update({**obj, "spec": {"finalizers": []}}, NAMESPACES, subresource="finalize")
        elif obj["metadata"].get("finalizers"):
            await collect(client, obj)
    except NotFound:
        return


async def collect(client: Client, owner: dict[str, Any]) -> None:
    for record in (owner.get("status") or {}).get("appliedResources") or ():
        group, version = record.get("group", ""), record["version"]
        resource = await client.mapper.resource(f"{group}/{version}" if group else version, record["kind"])
        await client.delete(Unstructured(resource), (record.get("namespace", ""), record["name"]), missing_ok=True)
    name = owner["metadata"]["name"]
    await client.patch(APPLIED, name, MergePatch({"metadata": {"finalizers": None}}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
