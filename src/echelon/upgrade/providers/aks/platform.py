"""AKS clusters by way of Azure Resource Manager, with the asynchronous client of its SDK.

A write sets what is wanted, so writing again what is wanted already starts nothing; ``provisioningState`` tells
whether Azure is at it, and ``status.provisioningError`` why it failed. No operation has to be remembered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from echelon.api.meta import Clock
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.aks.failures import code_of, told
from echelon.upgrade.providers.clouds import closed, is_rehearsal, sdk
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    NodePool,
    Observation,
    Operation,
    Progress,
    ProviderError,
)
from echelon.upgrade.providers.settings import ProviderSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion
from echelon.upgrade.windows import InvalidWindow, parse

MANAGEMENT = "https://management.azure.com"
LONG_TERM_SUPPORT = "AKSLongTermSupport"
VERSION_SCHEDULE, IMAGE_SCHEDULE = "aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"
TIMEOUT = 30.0

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.ContainerService/managedClusters/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_ENDED = frozenset({"Succeeded", "Failed", "Canceled", ""})


class AksPlatform:
    """Satisfies ``steps.Platform``. One client a subscription; ``close`` closes them."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._clients: dict[str, Any] = {}
        self._credential: Any = None

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        if self._credential is not None:
            await self._credential.close()

    async def observe(self, member: Member) -> Observation:
        client, group, name = self._client(member)
        with told(member.cluster_resource_id, self._clock):
            cluster = await client.managed_clusters.get(group, name)
        found = cluster.properties
        pools = found.agent_pool_profiles or ()
        busy = next((state for state in map(_state, (found, *pools)) if state not in _ENDED), "")
        return Observation(
            region=cluster.location,
            control_plane_version=found.current_kubernetes_version or found.kubernetes_version,
            node_pools=tuple(_pool(pool) for pool in pools),
            running=found.power_state is None or found.power_state.code != "Stopped",
            long_term_support=found.support_plan == LONG_TERM_SUPPORT,
            busy=busy,
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        client, _, _ = self._client(member)
        with told(f"the versions in {region}", self._clock):
            listed = await client.managed_clusters.list_kubernetes_versions(region)
        releases = []
        for minor in listed.values_property or ():
            plans = list((minor.capabilities and minor.capabilities.support_plan) or ())
            for patch in minor.patch_versions or {}:
                release = Release(
                    version=KubeVersion.parse(patch),
                    preview=bool(minor.is_preview),
                    long_term_support=plans == [LONG_TERM_SUPPORT],
                )
                releases.append(release)
        return releases

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        """The newest image for each pool, and those that a pool had lately: Azure has no longer list."""
        client, group, name = self._client(member)
        images: set[ImageVersion] = set()
        with told(member.cluster_resource_id, self._clock):
            async for pool in client.agent_pools.list(group, name):
                profile = (await client.agent_pools.get_upgrade_profile(group, name, pool.name)).properties
                former = [used.node_image_version for used in profile.recently_used_versions or ()]
                images |= {image for text in (profile.latest_node_image_version, *former) if (image := _image(text))}
        return sorted(images)

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """Whether the maintenance window is open, if the cluster has one for this kind of upgrade."""
        if not self._settings.platform_windows:
            return ()
        images_only = operation.control_plane_version is None and operation.node_version is None
        schedule = IMAGE_SCHEDULE if images_only else VERSION_SCHEDULE
        client, group, name = self._client(member)
        with told(member.cluster_resource_id, self._clock):
            found = [c async for c in client.maintenance_configurations.list_by_managed_cluster(group, name)]
        window = next((c.properties.maintenance_window for c in found if c.name == schedule and c.properties), None)
        if window is None:
            return ()
        try:
            read = parse(msgspec.json.encode(_plain(window)).decode())
        except InvalidWindow as error:
            message = f"the maintenance configuration {schedule} cannot be read: {error}"
            return (Finding(severity="Warning", code=Code.WINDOW_CLOSED, message=message),)
        now = self._clock.now()
        finding = closed(read.next_opening(now), now, f"The maintenance configuration {schedule}")
        return () if finding is None else (finding,)

    async def begin(self, member: Member, step: Step, token: str) -> str:
        with told(member.cluster_resource_id, self._clock):
            if step.pool == CONTROL_PLANE:
                await self._begin_control_plane(member, step.version)
            else:
                await self._begin_pool(member, step)
        return ""

    async def _begin_control_plane(self, member: Member, version: str) -> None:
        client, group, name = self._client(member)
        cluster = await client.managed_clusters.get(group, name)
        found = cluster.properties
        state = _state(found)
        if state not in _ENDED:
            if found.kubernetes_version == version:
                return  # begun by an earlier call
            raise _occupied(member, state)
        if state == "Succeeded" and found.current_kubernetes_version == version:
            return  # by an operation that has ended since the step was due
        found.kubernetes_version = version
        await client.managed_clusters.begin_create_or_update(
            group, name, cluster, polling=False, **_unchanged(cluster.e_tag)
        )

    async def _begin_pool(self, member: Member, step: Step) -> None:
        client, group, name = self._client(member)
        pool = await client.agent_pools.get(group, name, step.pool)
        found = pool.properties
        state = _state(found)
        if state not in _ENDED:
            images = state == "UpgradingNodeImageVersion"
            if images if step.image else found.orchestrator_version == step.version:
                return  # begun by an earlier call
            raise _occupied(member, state)
        at = found.node_image_version if step.image else found.current_orchestrator_version
        if state == "Succeeded" and at == (step.image or step.version):
            return
        if step.image:
            await client.agent_pools.begin_upgrade_node_image_version(group, name, step.pool, polling=False)
            return
        found.orchestrator_version = step.version
        await client.agent_pools.begin_create_or_update(
            group, name, step.pool, pool, polling=False, **_unchanged(found.e_tag)
        )

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        client, group, name = self._client(member)
        with told(member.cluster_resource_id, self._clock):
            if step.pool == CONTROL_PLANE:
                found = (await client.managed_clusters.get(group, name)).properties
            else:
                found = (await client.agent_pools.get(group, name, step.pool)).properties
        state = _state(found)
        if state not in _ENDED:
            return Progress(state="Running")
        if state == "Canceled":
            return Progress(state="Aborted", code=Code.ABORTED, message=f"Azure has canceled upgrading {step.title}")
        if state == "Failed":
            return _failed(found, step)
        return Progress(state="Succeeded")

    def _client(self, member: Member) -> tuple[Any, str, str]:
        """The client of a member's subscription, and the member's resource group and name."""
        found = _ID.fullmatch(member.cluster_resource_id)
        if found is None:
            message = (
                f"{member.cluster_resource_id!r} is not the id of an AKS cluster; want /subscriptions/…/resourceGroups/"
                "…/providers/Microsoft.ContainerService/managedClusters/…"
            )
            raise ProviderError(Code.NOT_FOUND, message)
        subscription = found["subscription"]
        if subscription not in self._clients:
            self._clients[subscription] = self._connect(subscription)
        return self._clients[subscription], found["group"], found["name"]

    def _connect(self, subscription: str) -> Any:
        endpoint = self._settings.azure.endpoint or MANAGEMENT
        policies = sdk("azure.core.pipeline.policies", "azure")
        options = {
            "base_url": endpoint,
            "retry_policy": policies.AsyncRetryPolicy.no_retries(),
            "connection_timeout": TIMEOUT,
            "read_timeout": TIMEOUT,
        }
        if is_rehearsal(endpoint):
            options["authentication_policy"] = policies.SansIOHTTPPolicy()
        elif self._credential is None:
            self._credential = sdk("azure.identity.aio", "azure").DefaultAzureCredential()
        if endpoint != MANAGEMENT:
            options["credential_scopes"] = [f"{endpoint}/.default"]
        client = sdk("azure.mgmt.containerservice.aio", "azure").ContainerServiceClient
        return client(self._credential or _NOBODY, subscription, **options)


_NOBODY = object()


def _unchanged(e_tag: str | None) -> dict[str, Any]:
    """The condition that nobody has written in between."""
    if not e_tag:
        return {}
    core = sdk("azure.core", "azure")
    return {"etag": e_tag, "match_condition": core.MatchConditions.IfNotModified}


def _state(found: Any) -> str:
    """What Azure is doing to a cluster or a pool."""
    return found.provisioning_state or ""


def _occupied(member: Member, state: str) -> ProviderError:
    message = f"{member.cluster_resource_id}: another operation is under way ({state})"
    return ProviderError(Code.CONFLICT, message, retryable=True)


def _failed(found: Any, step: Step) -> Progress:
    error = found.status and found.status.provisioning_error
    if not error:
        return Progress(state="Failed", code=Code.UNKNOWN, message=f"Azure gives no reason for {step.title}")
    message = f"{error.code}: {error.message}"
    return Progress(state="Failed", code=code_of(error.code or "", error.message or ""), message=message)


def _pool(pool: Any) -> NodePool:
    return NodePool(
        name=pool.name,
        count=pool.count or 0,
        kubernetes_version=pool.current_orchestrator_version or pool.orchestrator_version,
        node_image=pool.node_image_version if _image(pool.node_image_version) else "",
    )


def _image(text: str | None) -> ImageVersion | None:
    try:
        return ImageVersion.parse(text or "")
    except NotAVersion:
        return None


def _plain(window: Any) -> Any:
    """A maintenance window as our own annotation has it, in which null is no value."""
    return {name: value for name, value in window.as_dict().items() if value is not None}
