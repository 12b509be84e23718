"""Clusters of Cluster API that have a topology: ``capi://namespace/name``, on the hub or on a cluster that
``?kubeconfig=SECRET`` leads to.

A step of the control plane sets the version of the topology and leaves all MachineDeployments out; the step of
each lets it follow. Node images are variables of each ClusterClass and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta

from echelon.api.meta import Clock, Resource
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.cluster_api.topology import CLUSTER_NAME, OURS, VERSIONS, Topology
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    Observation,
    Operation,
    Progress,
    ProviderError,
)
from echelon.upgrade.providers.management import ManagementClusters, Watched, changes, secret_in, told
from echelon.upgrade.providers.settings import ClusterApiSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step, waiting_for
from echelon.upgrade.versions import ImageVersion, KubeVersion

_ID = re.compile(r"capi://(?P<namespace>[^/?]+)/(?P<name>[^/?]+)(\?.*)?")


class ClusterApiPlatform:
    """Satisfies ``steps.Platform``."""

    def __init__(self, clusters: ManagementClusters, settings: ClusterApiSettings, clock: Clock) -> None:
        self._clusters = clusters
        self._settings = settings
        self._clock = clock

    async def observe(self, member: Member) -> Observation:
        found = await self._read(member)
        behind = None if self._has_failed(found) else found.behind()
        return Observation(
            control_plane_version=found.version_of(CONTROL_PLANE),
            node_pools=tuple(found.pools()),
            busy="" if behind is None else waiting_for(Step(pool=behind, version=found.wanted)),
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        """What the ClusterClass lists; None where it lists nothing."""
        client, namespace, _ = await self._place(member)
        found = await self._read(member)
        topology = found.cluster["spec"]["topology"]
        reference = topology.get("classRef") or {"name": topology.get("class", "")}
        with told(f"ClusterClass {reference['name']} of {member.cluster_resource_id}"):
            kind = await self._kind(client, "ClusterClass")
            class_ = await client.get(kind, (reference.get("namespace") or namespace, reference["name"]))
        listed = class_["spec"].get("kubernetesVersions")
        return [Release(version=KubeVersion.parse(text)) for text in listed] if listed else None

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        return None

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        found = await self._read(member)
        findings = []
        if found.paused:
            message = "The cluster is paused (spec.paused)"
            findings.append(Finding(severity="Error", code=Code.CONFLICT, message=message, retryable=True))
        for version in (operation.control_plane_version, operation.node_version):
            if version is not None and KubeVersion.parse(version).is_alias:
                message = f"the ClusterClass lists no versions: ask for a whole one, such as {version}.1"
                findings.append(Finding(severity="Error", code=Code.INVALID_VERSION, message=message))
        return findings

    async def begin(self, member: Member, step: Step, token: str) -> str:
        client, namespace, name = await self._place(member)
        found = await self._read(member)
        if step.pool == CONTROL_PLANE:
            if found.wanted and KubeVersion.parse(found.wanted) >= KubeVersion.parse(step.version):
                return ""  # begun by an earlier call, or by somebody else
            if found.behind() is not None and not self._has_failed(found):
                message = f"{member.cluster_resource_id}: it is on its way to {found.wanted}"
                raise ProviderError(Code.CONFLICT, message, retryable=True)
            change = found.with_version(step.version)
        else:
            deferral = found.deferral(step.pool)
            if deferral not in (None, OURS):
                message = f"{member.cluster_resource_id}: the upgrade of {step.title} is deferred by its owner"
                raise ProviderError(Code.CONFLICT, message, retryable=True)
            if deferral is None and KubeVersion.parse(found.wanted) >= KubeVersion.parse(step.version):
                return ""
            change = found.released(step.pool, step.version)
        with told(member.cluster_resource_id):
            await client.patch(await self._kind(client, "Cluster"), (namespace, name), MergePatch(change))
        return ""

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        found = await self._read(member)
        if KubeVersion.parse(found.wanted) < KubeVersion.parse(step.version):
            message = f"Somebody has set the version of the topology to {found.wanted}"
            return Progress(state="Aborted", code=Code.ABORTED, message=message)
        if found.has_reached(step.pool, step.version):
            return Progress(state="Succeeded")
        failure = found.failure()
        if failure is None:
            return Progress(state="Running")
        message = f"{failure.reason}: {failure.message}"
        if self._has_failed(found):
            return Progress(state="Failed", code=Code.UNKNOWN, message=message)
        return Progress(state="Running", code=Code.UNKNOWN, message=message)

    async def changes(self, member: Member) -> AsyncGenerator[None]:
        """Something whenever the cluster or one of its machines has changed."""
        client, namespace, name = await self._place(member)
        with told(member.cluster_resource_id):
            cluster, machine = await self._kind(client, "Cluster"), await self._kind(client, "Machine")
        watched = (
            Watched(cluster, namespace, fields=f"metadata.name={name}"),
            Watched(machine, namespace, labels={CLUSTER_NAME: name}),
        )
        async with aclosing(changes(client, watched, self._settings.failure_grace)) as changing:
            async for _ in changing:
                yield

    def _has_failed(self, found: Topology) -> bool:
        """Whether the topology has failed to reconcile for too long."""
        failure = found.failure()
        if failure is None or failure.since is None:
            return failure is not None
        return self._clock.now() - failure.since >= timedelta(seconds=self._settings.failure_grace)

    async def _read(self, member: Member) -> Topology:
        client, namespace, name = await self._place(member)
        with told(member.cluster_resource_id):
            cluster = await client.get(await self._kind(client, "Cluster"), (namespace, name))
            machine = await self._kind(client, "Machine")
            machines = await client.list(machine, namespace=namespace, labels={CLUSTER_NAME: name})
        if not (cluster.get("spec") or {}).get("topology"):
            message = f"{member.cluster_resource_id} has no topology; clusters without a ClusterClass are not upgraded"
            raise ProviderError(Code.UNSUPPORTED, message)
        return Topology(cluster, machines.items)

    async def _place(self, member: Member) -> tuple[Client, str, str]:
        found = _ID.fullmatch(member.cluster_resource_id)
        if found is None:
            message = f"{member.cluster_resource_id!r} is no id of Cluster API; want capi://namespace/name"
            raise ProviderError(Code.NOT_FOUND, message)
        client = await self._clusters.client(member, secret_in(member.cluster_resource_id, default=""))
        return client, found["namespace"], found["name"]

    async def _kind(self, client: Client, kind: str) -> Unstructured:
        """A kind in the newest version that the server has of those that are read."""
        for version in VERSIONS:
            try:
                resource: Resource = await client.mapper.resource(version, kind)
            except NotFound:
                continue
            return Unstructured(resource)
        message = f"the server has no {kind} of Cluster API in {' or '.join(VERSIONS)}"
        raise ProviderError(Code.NOT_FOUND, message, retryable=True)
