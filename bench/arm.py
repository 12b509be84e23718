"""The ARM face of a hub with a thousand members and an update run over all of them, as a client over TLS sees it.

The members are somebody else's clusters: the hub has no provider that upgrades them, so the run stays where it is,
with as many of them under way as it may have.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figure, emit, quantile, spread
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import Subject
from echelon.api.fleet import UpdateRun, UpdateRunSpec
from echelon.api.meta import ObjectMeta
from echelon.api.names import CLUSTER_RESOURCE_ID
from echelon.cli.loop import run
from echelon.kube.client import Client
from echelon.local.hub import EmbeddedHub, HubOptions

MEMBERS = 1_000
ROUNDS = 30
BUDGET = 200.0
VERSION = "2026-06-02-preview"
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/demo"
FLEET = f"{GROUP}/providers/Microsoft.ContainerService/fleets/fleet"


async def fill(client: Client) -> None:
    """Members that nobody here upgrades, and a run over them that has begun."""
    identity = Subject(kind="User", name="bench", api_group="rbac.authorization.k8s.io")
    for number in range(MEMBERS):
        name = f"cluster-{number:04}"
        metadata = ObjectMeta(name=name, annotations={CLUSTER_RESOURCE_ID: f"bench://{name}"})
        await client.create(MemberCluster(metadata=metadata, spec=MemberClusterSpec(identity=identity)))
    content = {"state": "Run", "managedClusterUpdate": {"upgrade": {"type": "NodeImageOnly"}}}
    await client.create(UpdateRun(metadata=ObjectMeta(name="bench"), spec=msgspec.convert(content, UpdateRunSpec)))
    async with client.watch(UpdateRun, initial_events=True) as events:
        async for event in events:
            if event.object is not None and event.object.status.start_time is not None:
                return


class Asking:
    """A client of the face that keeps its connection."""

    def __init__(self, hub: EmbeddedHub, data: Path) -> None:
        context = ssl.create_default_context(cafile=str(data / "pki" / "ca.crt"))
        self._connection = http.client.HTTPSConnection("127.0.0.1", hub.port, context=context)
        self._headers = {"Authorization": f"Bearer {(data / 'admin-token').read_text()}"}

    def get(self, path: str) -> tuple[float, Any]:
        """Milliseconds to the whole answer, and the answer."""
        began = time.perf_counter()
        address = path if "?" in path else f"{path}?api-version={VERSION}"
        self._connection.request("GET", address, headers=self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content!r:.500}")
        return took, json.loads(content)

    def timed(self, what: str, path: str, budget: float | None = BUDGET) -> Figure:
        samples = [self.get(path)[0] for _ in range(ROUNDS)]
        return Figure(f"ARM face, {what}, p50", quantile(samples, 0.5), "ms", budget, spread(samples))

    def all_pages(self) -> Figure:
        """The whole list of members, page after page."""
        samples, path = [], f"{FLEET}/members"
        for _ in range(ROUNDS // 5):
            took, names, following = 0.0, set(), path
            while following:
                spent, page = self.get(following)
                took += spent
                names |= {member["name"] for member in page["value"]}
                following = page.get("nextLink", "").partition("127.0.0.1")[2].partition("/")[2]
                following = f"/{following}" if following else ""
            if len(names) < MEMBERS:
                raise RuntimeError(f"{len(names)} members of {MEMBERS} are listed")
            samples.append(took)
        return Figure("ARM face, all pages of the members, p50", quantile(samples, 0.5), "ms", None, spread(samples))

    def figures(self) -> list[Figure]:
        return [
            self.timed(f"fleet with {MEMBERS:,} members", FLEET),
            self.timed(f"update run over {MEMBERS:,} members", f"{FLEET}/updateRuns/bench"),
            self.timed("list of update runs", f"{FLEET}/updateRuns"),
            self.timed(f"first page of {MEMBERS:,} members", f"{FLEET}/members"),
            self.timed(f"one of {MEMBERS:,} members", f"{FLEET}/members/cluster-0500"),
            self.timed("managed clusters of a group", f"{GROUP}/providers/Microsoft.ContainerService/managedClusters"),
            self.all_pages(),
        ]


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        hub = await EmbeddedHub.start(HubOptions(data=data, port=0))
        try:
            await fill(hub.fleet.hub.administrator("bench"))
            return await asyncio.to_thread(lambda: Asking(hub, data).figures())
        finally:
            await hub.close()


if __name__ == "__main__":
    emit(run(measure()))
