"""What the demo does and shows: the staged rollout tutorial in three acts, as a client of a running hub.

Each act writes what a user would write and then follows the run. The story approves what the runs
ask for, a moment after it is shown, and waits for nothing but what the hub says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import yaml
from rich.console import Console
from rich.text import Text

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import APPROVED, set_condition
from echelon.api.meta import Condition, KubeObject, ObjectMeta, Resource
from echelon.api.placement import ClusterResourcePlacement
from echelon.api.snapshot import ClusterResourceSnapshot
from echelon.api.staged import ClusterApprovalRequest, ClusterStagedUpdateRun, UpdateRunSpec
from echelon.cli.follow import follow
from echelon.cli.runs import local_now
from echelon.cli.tables import server_table
from echelon.explain.items import Part, State
from echelon.explain.kinds import Run
from echelon.explain.outline import outline
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch

WHAT = """\
apiVersion: v1
kind: Namespace
metadata:
  name: test-namespace
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: test-cm
  namespace: test-namespace
data:
  key: v1
"""
WHERE = """\
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourcePlacement
metadata:
  name: example-placement
spec:
  resourceSelectors:
    - group: ""
      kind: Namespace
      name: test-namespace
      version: v1
  policy:
    placementType: PickAll
  strategy:
    type: External
"""
HOW = """\
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterStagedUpdateStrategy
metadata:
  name: example-strategy
spec:
  stages:
    - name: staging
      labelSelector:
        matchLabels:
          environment: staging
      afterStageTasks:
        - type: TimedWait
          waitTime: {wait}
    - name: canary
      labelSelector:
        matchLabels:
          environment: canary
      sortingLabelKey: order
      afterStageTasks:
        - type: Approval
"""
PLACEMENT, STRATEGY = "example-placement", "example-strategy"
CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))
CONFIG_MAP = ("test-namespace", "test-cm")
READING = 1.0  # seconds that something stands before the story goes on, at speed 1

K = TypeVar("K", bound=KubeObject)


class StoryFailed(Exception):
    """The hub did not do what the demo shows; the message says what it did instead."""


class Story:
    """The demo on a hub: ``client`` is for the hub, ``members`` for each member by its name."""

    def __init__(
        self, client: Client, members: Mapping[str, Client], console: Console, *, wait: str, speed: float
    ) -> None:
        self._client = client
        self._members = members
        self._console = console
        self._wait = wait
        self._pause = READING / speed

    async def play(self) -> None:
        """Tell the story to its end. Raises StoryFailed, or the ApiError of a request."""
        await self._show(MemberCluster.resource, ("NAME", "JOINED", "AGE"), ("environment", "order"))
        await self._prepare()
        await self._act("example-run", "0", "v1", "Version 1 goes out")
        self._heading("The ConfigMap changes: key is v2 now")
        await self._client.patch(CONFIG_MAPS, CONFIG_MAP, MergePatch({"data": {"key": "v2"}}))
        await self._snapshot(1)
        await self._act("example-run-2", "1", "v2", "Version 2 goes out")
        await self._act("example-run-3", "0", "v1", "Back to version 1: the older snapshot goes out")
        await self._curtain()

    async def _prepare(self) -> None:
        self._heading("What goes where, and in which order")
        for text in (WHAT, WHERE, HOW.format(wait=self._wait)):
            for manifest in yaml.safe_load_all(text):
                await self._client.create(manifest)
        self._say("ConfigMap test-cm in test-namespace, with key v1")
        self._say(f"ClusterResourcePlacement {PLACEMENT}: that namespace, to all members")
        self._say(f"ClusterStagedUpdateStrategy {STRATEGY}:")
        self._say(f"  staging  members labelled environment=staging, then wait {self._wait}")
        self._say("  canary   members labelled environment=canary in the order of their label,")
        self._say("           then an approval")
        await self._snapshot(0)

    async def _snapshot(self, index: int) -> None:
        """Wait for the snapshot that the hub makes of what the placement selects."""
        name = names.resource_snapshot(PLACEMENT, index)
        await self._until(ClusterResourceSnapshot, name, lambda _: True)
        self._say(f"ClusterResourceSnapshot {name} made by the hub")
        await asyncio.sleep(self._pause)

    async def _act(self, name: str, index: str, value: str, heading: str) -> None:
        """Roll a snapshot out and see that it is everywhere."""
        self._heading(heading)
        spec = UpdateRunSpec(
            placement_name=PLACEMENT, resource_snapshot_index=index, staged_rollout_strategy_name=STRATEGY
        )
        run: Run = await self._client.create(ClusterStagedUpdateRun(metadata=ObjectMeta(name=name), spec=spec))
        async with asyncio.TaskGroup() as tasks:
            asked: set[str] = set()

            def approve(current: Run) -> None:
                for request in _open_requests(current) - asked:
                    asked.add(request)
                    tasks.create_task(self._approve(request))

            run = await follow(self._client, run, self._console, on_change=approve)
        item = outline(run)
        if item.state is not State.DONE:
            raise StoryFailed(f"the run {name} failed: {item.note}")
        await self._check(value)

    async def _approve(self, name: str) -> None:
        await asyncio.sleep(self._pause)
        self._say(f"approving {name}, as you would with kubectl")
        request = await self._client.get(ClusterApprovalRequest, name)
        now = local_now()
        condition = Condition(
            APPROVED, "True", "lgtm", "approved by the demo", observed_generation=request.metadata.generation
        )
        conditions = set_condition(request.status.conditions, condition, now)
        status = msgspec.structs.replace(request.status, conditions=conditions)
        await self._client.patch_status(request, msgspec.structs.replace(request, status=status))

    async def _check(self, value: str) -> None:
        found = {name: await self._value(client) for name, client in self._members.items()}
        shown = Text("  on the members:")
        for name, on_member in found.items():
            shown.append(f"  {name} ", style="dim").append(on_member, style="bold")
        self._console.print(shown)
        if set(found.values()) != {value}:
            raise StoryFailed(f"want key {value} on every member, found {found}")
        await asyncio.sleep(self._pause)

    async def _value(self, member: Client) -> str:
        config_map = await member.get(CONFIG_MAPS, CONFIG_MAP)
        value: str = config_map["data"]["key"]
        return value

    async def _curtain(self) -> None:
        self._heading("What kubectl shows in the end")
        await self._until(ClusterResourcePlacement, PLACEMENT, _is_available)
        await self._show(
            ClusterStagedUpdateRun.resource, ("NAME", "PLACEMENT", "RESOURCE-SNAPSHOT-INDEX", "SUCCEEDED", "AGE")
        )
        await self._show(ClusterApprovalRequest.resource, ("NAME", "UPDATE-RUN", "STAGE", "APPROVED", "AGE"))
        await self._show(ClusterResourcePlacement.resource)

    async def _until(self, kind: type[K], name: str, is_so: Callable[[K], bool]) -> None:
        """Wait until an object exists and is as wanted."""
        while True:
            async with self._client.watch(kind, fields=f"metadata.name={name}", initial_events=True) as events:
                async for event in events:
                    if event.type != "DELETED" and event.object is not None and is_so(event.object):
                        return

    async def _show(self, resource: Resource, columns: Sequence[str] = (), labels: Sequence[str] = ()) -> None:
        option = f" -L {','.join(labels)}" if labels else ""
        self._console.print()
        self._console.print(f"[dim]$ kubectl get {resource.plural}{option}[/]")
        self._console.print(await server_table(self._client, resource, columns, labels))

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", markup=False, soft_wrap=True)


def _open_requests(run: Run) -> set[str]:
    """The approval requests that a run waits for."""
    return {
        item.name
        for stage in outline(run).items
        for item in stage.items
        if item.part is Part.APPROVAL and item.state is State.WAITING
    }


def _is_available(placement: ClusterResourcePlacement) -> bool:
    return any(
        condition.type == "ClusterResourcePlacementAvailable"
        and condition.status == "True"
        and condition.observed_generation == placement.metadata.generation
        for condition in placement.status.conditions
    )


def curtain(console: Console) -> None:
    """What to do after the demo."""
    console.print()
    console.print(Text("Next", style="bold"))
    console.print("  echelon up starts a hub that stays; docs/getting-started.md shows the way", soft_wrap=True)
