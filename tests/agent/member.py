"""An agent at work: a hub, a member, and the agent of that member between them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from echelon.agent import Agent
from echelon.api import names
from echelon.api.cluster import MEMBER_AGENT, InternalMemberCluster
from echelon.api.conditions import find_condition
from echelon.api.meta import Condition
from echelon.api.work import AppliedWork, ManifestCondition, Work
from echelon.kube.metrics import RECONCILES
from echelon.kube.rest import BeforeWrite

from .clusters import Cluster, Clusters, LoopClock, Object

MEMBER = "one"
NAMESPACE = names.member_namespace(MEMBER)


class Member:
    """What tests of the agent do to the hub and the member, and see of them."""

    def __init__(self, clusters: Clusters, hub: Cluster, member: Cluster) -> None:
        self._clusters = clusters
        self.hub = hub
        self.member = member
        self.agent: Agent | None = None
        self._running: asyncio.Task[None] | None = None
        self.until = clusters.until
        self.pass_time = clusters.pass_time

    async def open(self) -> None:
        await self.hub.create(namespace(NAMESPACE))
        await self.member.create(namespace("app"))

    # the agent

    async def start(self, before_write: BeforeWrite | None = None, **options: Any) -> asyncio.Task[None]:
        """Start the agent, as one process; the task ends when that does."""
        hub, member = (
            cluster.client("agent", field_manager=names.AGENT_MANAGER, before_write=before_write)
            for cluster in (self.hub, self.member)
        )
        self.agent = Agent(MEMBER, hub, member, clock=LoopClock(), rng=Random(1), **options)
        self._running = asyncio.create_task(self.agent.run())
        return self._running

    async def stop(self) -> None:
        if self.agent is not None and self._running is not None:
            self.agent.stop()
            await asyncio.wait([self._running])
        self.agent = self._running = None

    async def join(self, state: str = "Join", period: int = 60) -> None:
        """Have the hub want the member."""
        await self.hub.create(
            {
                "apiVersion": "cluster.kubernetes-fleet.io/v1beta1",
                "kind": "InternalMemberCluster",
                "metadata": {"name": MEMBER, "namespace": NAMESPACE},
                "spec": {"state": state, "heartbeatPeriodSeconds": period},
            }
        )

    async def want(self, state: str) -> None:
        await self.hub.edit("InternalMemberCluster", MEMBER, {"spec": {"state": state}}, NAMESPACE)

    async def started(self) -> None:
        """Start the agent of a member that is wanted, and wait until it has joined."""
        await self.join()
        await self.start()
        await self.until(lambda: self.is_agent("Joined", "True"))
        await self.pass_time(1)

    def internal(self) -> InternalMemberCluster:
        found = self.hub.typed(InternalMemberCluster, MEMBER, NAMESPACE)
        assert found is not None
        return found

    def agent_condition(self, type_: str) -> Condition | None:
        agents = self.internal().status.agent_status
        agent = next((agent for agent in agents if agent.type == MEMBER_AGENT), None)
        return None if agent is None else find_condition(agent.conditions, type_)

    def is_agent(self, type_: str, status: str, reason: str = "") -> bool:
        found = self.agent_condition(type_)
        return found is not None and found.status == status and reason in ("", found.reason)

    # Works

    async def work(self, name: str, *manifests: Any, held: bool = True, **strategy: Any) -> None:
        """A Work on the hub, with the finalizer on as the hub makes them."""
        finalizers = [names.WORK_CLEANUP] if held else []
        spec = {"workload": {"manifests": list(manifests)}} | ({"applyStrategy": strategy} if strategy else {})
        await self.hub.create(
            {
                "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
                "kind": "Work",
                "metadata": {"name": name, "namespace": NAMESPACE, "finalizers": finalizers},
                "spec": spec,
            }
        )

    async def rework(self, name: str, *manifests: Any, **strategy: Any) -> None:
        """Give a Work other manifests."""
        spec: dict[str, Any] = {"workload": {"manifests": list(manifests)}}
        if strategy:
            spec["applyStrategy"] = strategy
        await self.hub.edit("placement.kubernetes-fleet.io/Work", name, {"spec": spec}, NAMESPACE)

    async def unwork(self, name: str) -> None:
        await self.hub.delete("Work", name, NAMESPACE)

    def find_work(self, name: str = "web") -> Work | None:
        return self.hub.typed(Work, name, NAMESPACE)

    def work_condition(self, type_: str, name: str = "web") -> Condition | None:
        """A condition of a Work that was made for the Work as it is now."""
        work = self.find_work(name)
        if work is None:
            return None
        found = find_condition(work.status.conditions, type_)
        return found if found is not None and found.observed_generation == work.metadata.generation else None

    def is_work(self, type_: str, status: str, reason: str = "", name: str = "web") -> bool:
        found = self.work_condition(type_, name)
        return found is not None and found.status == status and reason in ("", found.reason)

    def manifest(self, ordinal: int = 0, name: str = "web") -> ManifestCondition:
        work = self.find_work(name)
        assert work is not None
        return next(found for found in work.status.manifest_conditions if found.identifier.ordinal == ordinal)

    def manifest_condition(self, type_: str, ordinal: int = 0, name: str = "web") -> Condition | None:
        work = self.find_work(name)
        if work is None or self.work_condition("Applied", name) is self.work_condition("DiffReported", name):
            return None
        return find_condition(self.manifest(ordinal, name).conditions, type_)

    def is_manifest(self, type_: str, status: str, reason: str, ordinal: int = 0, name: str = "web") -> bool:
        found = self.manifest_condition(type_, ordinal, name)
        return found is not None and (found.status, found.reason) == (status, reason)

    async def available(self, name: str = "web") -> None:
        await self.until(lambda: self.is_work("Available", "True", name=name), describe=lambda: self.find_work(name))

    async def applied(self, name: str = "web") -> None:
        await self.until(lambda: self.is_work("Applied", "True", name=name), describe=lambda: self.find_work(name))

    async def failed(self, reason: str, ordinal: int = 0, name: str = "web") -> Condition:
        """Wait until a manifest is reported as not applied for a reason."""
        await self.until(
            lambda: self.is_manifest("Applied", "False", reason, ordinal, name), describe=lambda: self.find_work(name)
        )
        found = self.manifest_condition("Applied", ordinal, name)
        assert found is not None
        return found

    def recorded(self, name: str = "web") -> list[str]:
        """What the AppliedWork of a Work says was applied."""
        found = self.member.typed(AppliedWork, name)
        return [] if found is None else [each.name for each in found.status.applied_resources if each.uid]


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str = "settings", value: str = "one", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "app", **metadata},
        "data": {"key": value},
    }


def deployment(name: str = "web", replicas: int = 2, image: str = "web:1") -> Object:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "app"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }


def ready(replicas: int = 2, generation: int = 1) -> Mapping[str, Any]:
    """The status of a Deployment whose pods are all there."""
    return {
        "status": {
            "observedGeneration": generation,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
        }
    }


def secret(name: str = "credentials", value: str = "c2VjcmV0") -> Object:
    metadata = {"name": name, "namespace": "app"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": value}}


def custom_definition(kind: str = "Widget", group: str = "test.echelon.dev") -> Object:
    plural = kind.lower() + "s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                        }
                    },
                }
            ],
        },
    }


def custom(name: str = "w", kind: str = "Widget", group: str = "test.echelon.dev", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "app"}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def passes(controller: str = f"agent-{MEMBER}-works") -> float:
    """How often a controller of this name has reconciled anything, of all agents so far."""
    results: Sequence[str] = ("success", "error", "terminal")
    return sum(RECONCILES.labels(controller, result)._value.get() for result in results)
