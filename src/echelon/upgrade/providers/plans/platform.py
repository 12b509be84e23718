"""Clusters whose nodes system-upgrade-controller upgrades: ``plan://namespace`` is where it takes Plans, in the
cluster itself.

The way in is the Secret that a hub that pushes has as well (``names.MEMBER_KUBECONFIG``), or the one that
``?kubeconfig=SECRET`` names. A hub upgrades itself if that is said in so many words: ``?kubeconfig=``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from echelon.api import names
from echelon.api.core import Node
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured, kind_of
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.contract import Code, Finding, Member, Observation, Operation, Progress, ProviderError
from echelon.upgrade.providers.management import ManagementClusters, Watched, changes, secret_in, told
from echelon.upgrade.providers.plans import objects
from echelon.upgrade.providers.plans.objects import JOB, OF_PLAN, PLAN, TOKEN
from echelon.upgrade.providers.settings import PlanSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step, waiting_for
from echelon.upgrade.versions import ImageVersion, KubeVersion

PATIENCE = 3600.0
_ID = re.compile(r"plan://(?P<namespace>[^/?]+)(\?.*)?")
_PLANS, _JOBS = Unstructured(PLAN), Unstructured(JOB)


class PlanPlatform:
    """Satisfies ``steps.Platform``."""

    def __init__(self, clusters: ManagementClusters, settings: PlanSettings) -> None:
        self._clusters = clusters
        self._settings = settings

    async def observe(self, member: Member) -> Observation:
        client, namespace = await self._place(member)
        with told(member.cluster_resource_id):
            nodes = (await client.list(Node)).items
            plans = (await client.list(_PLANS, namespace=namespace)).items
            jobs = (await client.list(_JOBS, namespace=namespace)).items
        servers = objects.of_part(nodes, CONTROL_PLANE)
        if not servers:
            message = f"{member.cluster_resource_id}: no node has the label {objects.CONTROL_PLANE_NODE}"
            raise ProviderError(Code.UNSUPPORTED, message, retryable=True)
        under_way = objects.under_way(plans, nodes, jobs)
        return Observation(
            control_plane_version=objects.version_of(servers),
            node_pools=objects.pools(nodes),
            busy="" if under_way is None else waiting_for(under_way),
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        return None

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        return None

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """An exact version has to name its distribution: there is no image for a bare one."""
        for text in (operation.control_plane_version, operation.node_version):
            if text is None:
                continue
            version = KubeVersion.parse(text)
            if not version.is_alias and not version.build:
                message = (
                    f"{version} is no release for nodes: ask for one such as {version}+k3s1, or for a minor version"
                )
                return (Finding(severity="Error", code=Code.INVALID_VERSION, message=message),)
        return ()

    async def begin(self, member: Member, step: Step, token: str) -> str:
        client, namespace = await self._place(member)
        name = objects.plan_name(step.pool)
        with told(member.cluster_resource_id):
            try:
                present = await client.get(_PLANS, (namespace, name))
            except NotFound:
                present = {}
            if (present.get("metadata", {}).get("annotations") or {}).get(TOKEN) == token:
                return token
            for job in objects.failed_jobs(await self._jobs(client, namespace, name)):
                await client.delete(_JOBS, (namespace, job), propagation="Background", missing_ok=True)
            await client.apply(objects.plan_of(step, namespace, self._settings, token), _PLANS)
        return token

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        client, namespace = await self._place(member)
        name = objects.plan_name(step.pool)
        with told(member.cluster_resource_id):
            nodes = objects.of_part((await client.list(Node)).items, step.pool)
            try:
                plan = await client.get(_PLANS, (namespace, name))
            except NotFound:
                plan = None
            jobs = await self._jobs(client, namespace, name)
        return objects.progress_of(step, plan, nodes, jobs)

    async def changes(self, member: Member) -> AsyncGenerator[None]:
        """Something whenever a node, a Plan or one of its jobs has changed."""
        client, namespace = await self._place(member)
        watched = (
            Watched(kind_of(Node)),
            Watched(_PLANS, namespace),
            Watched(_JOBS, namespace),
        )
        async with aclosing(changes(client, watched, PATIENCE)) as changing:
            async for _ in changing:
                yield

    async def _jobs(self, client: Client, namespace: str, plan: str) -> Sequence[objects.Object]:
        return (await client.list(_JOBS, namespace=namespace, labels={OF_PLAN: plan})).items

    async def _place(self, member: Member) -> tuple[Client, str]:
        found = _ID.fullmatch(member.cluster_resource_id)
        if found is None:
            message = f"{member.cluster_resource_id!r} is no id of system-upgrade-controller; want plan://namespace"
            raise ProviderError(Code.NOT_FOUND, message)
        secret = secret_in(member.cluster_resource_id, default=names.MEMBER_KUBECONFIG)
        return await self._clusters.client(member, secret), found["namespace"]
