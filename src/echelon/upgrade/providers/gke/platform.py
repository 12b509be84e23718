"""GKE clusters by way of google-cloud-container over HTTP, whose asynchronous client knows gRPC only: calls run in
threads.

Google has no tokens against starting twice. An upgrade of the same control plane or node pool that is under way is
taken for our own; if it was not, the version is not reached when it ends, and the step is begun after all. The node
image is part of the nodes' version, so an upgrade of images brings nodes to the newest patch of their minor version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from echelon.api.meta import Clock
from echelon.upgrade import moments
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.clouds import Threads, closed, is_rehearsal, sdk
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
from echelon.upgrade.providers.gke.failures import STATUS, code_of, told
from echelon.upgrade.providers.gke.windows import Exclusion, NotUnderstood, daily, excluded, recurring
from echelon.upgrade.providers.settings import ProviderSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step
from echelon.upgrade.versions import ImageVersion, KubeVersion
from echelon.upgrade.windows import MaintenanceWindow

TIMEOUT = 30.0
ENDED_BEFORE = ""
"""Stands for an operation that had ended when it was to be begun."""
T = TypeVar("T")
_ID = re.compile(r"gke://(?P<project>[^/]+)/(?P<location>[^/]+)/(?P<name>[^/]+)")
_DONE_METRICS = ("NODES_COMPLETE", "NODES_DONE")


class GkePlatform:
    """Satisfies ``steps.Platform``."""

    def __init__(self, settings: ProviderSettings, clock: Clock, threads: Threads) -> None:
        self._settings = settings
        self._clock = clock
        self._threads = threads
        self._manager: Any = None

    async def close(self) -> None:
        if self._manager is not None:
            self._manager.transport.close()

    async def observe(self, member: Member) -> Observation:
        cluster, operations = await self._call(
            member, lambda: (self._get(member), self._client().list_operations(parent=_parent(member), **_ONCE))
        )
        busy = next((found.name for found in operations.operations if _is_open(found) and _is_at(found, member)), "")
        if not busy and cluster.status.name in ("PROVISIONING", "RECONCILING", "STOPPING"):
            busy = cluster.status.name
        return Observation(
            region=cluster.location,
            control_plane_version=cluster.current_master_version,
            node_pools=() if cluster.autopilot.enabled else tuple(map(_pool, cluster.node_pools)),
            busy=busy,
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        """The versions of the cluster's release channel, or all of the location."""
        config, cluster = await self._config(member)
        channel = cluster.release_channel.channel
        found = next((c.valid_versions for c in config.channels if channel and c.channel == channel), None)
        return [Release(version=KubeVersion.parse(text)) for text in found or config.valid_master_versions]

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        config, cluster = await self._config(member)
        newest = KubeVersion.parse(cluster.current_master_version)
        versions = [text for text in config.valid_node_versions if KubeVersion.parse(text) <= newest]
        types = {pool.config.image_type for pool in cluster.node_pools}
        return sorted({ImageVersion.parse(_image(kind, text)) for kind in types if kind for text in versions})

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """Whether Google's maintenance windows and exclusions let the upgrade be."""
        if not self._settings.platform_windows:
            return ()
        cluster = await self._call(member, lambda: self._get(member))
        policy = cluster.maintenance_policy.window
        return [*self._exclusions(cluster, policy, operation), *self._window(policy)]

    def _exclusions(self, cluster: Any, policy: Any, operation: Operation) -> Iterator[Finding]:
        now = self._clock.now()
        target, current = operation.control_plane_version, KubeVersion.parse(cluster.current_master_version)
        minor = target is not None and KubeVersion.parse(target).minor_version != current.minor_version
        nodes = operation.node_version is not None or bool(operation.node_images)
        exclusions = [_exclusion(name, found) for name, found in policy.maintenance_exclusions.items()]
        found = excluded(exclusions, now, minor=minor, nodes=nodes)
        if found is not None:
            until = "" if found.end is None else f" until {moments.plain(found.end)}"
            message = f"The maintenance exclusion {found.name} holds{until}"
            yield Finding(
                severity="Error", code=Code.WINDOW_CLOSED, message=message, retryable=True, not_before=found.end
            )

    def _window(self, policy: Any) -> Iterator[Finding]:
        now = self._clock.now()
        try:
            window = _maintenance_window(policy)
        except NotUnderstood as error:
            message = f"The cluster's maintenance window is not kept: it has {error}"
            yield Finding(severity="Warning", code=Code.WINDOW_CLOSED, message=message)
            return
        if window is not None and (
            finding := closed(window.next_opening(now), now, "The cluster's maintenance window")
        ):
            yield finding

    async def begin(self, member: Member, step: Step, token: str) -> str:
        return await self._call(member, lambda: self._begin(member, step))

    def _begin(self, member: Member, step: Step) -> str:
        client = self._client()
        kind = "UPGRADE_NODES" if step.pool else "UPGRADE_MASTER"
        name = _name(member) + (f"/nodePools/{step.pool}" if step.pool else "")
        for found in client.list_operations(parent=_parent(member), **_ONCE).operations:
            if _is_open(found) and found.operation_type.name == kind and found.target_link.endswith(f"/{name}"):
                return str(found.name)
        version = step.version or _node_version(step.image)
        if self._has_reached(member, step.pool, version):  # by an operation that has ended since the step was due
            return ENDED_BEFORE
        if step.pool == CONTROL_PLANE:
            update = {"name": name, "update": {"desired_master_version": version}}
            return str(client.update_cluster(request=update, **_ONCE).name)
        return str(client.update_node_pool(request={"name": name, "node_version": version}, **_ONCE).name)

    def _has_reached(self, member: Member, pool: str, version: str) -> bool:
        cluster = self._get(member)
        versions = [found.version for found in cluster.node_pools if found.name == pool]
        present = cluster.current_master_version if pool == CONTROL_PLANE else next(iter(versions), "")
        return bool(present) and KubeVersion.parse(present) >= KubeVersion.parse(version)

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        if operation_id == ENDED_BEFORE:
            return Progress(state="Succeeded")
        name = f"{_parent(member)}/operations/{operation_id}"
        found = await self._call(member, lambda: self._client().get_operation(name=name, **_ONCE))
        if _is_open(found):
            metrics = {metric.name: metric.int_value for metric in found.progress.metrics}
            done = next((metrics[name] for name in _DONE_METRICS if name in metrics), 0)
            return Progress(state="Running", nodes_done=int(done))
        if not found.error.code:
            return Progress(state="Succeeded")
        status = STATUS.get(found.error.code, str(found.error.code))
        code = code_of(status, found.error.message)
        state = "Aborted" if code is Code.ABORTED else "Failed"
        return Progress(state=state, code=code, message=f"{status}: {found.error.message}")  # type: ignore[arg-type]

    async def _config(self, member: Member) -> tuple[Any, Any]:
        return await self._call(
            member, lambda: (self._client().get_server_config(name=_parent(member), **_ONCE), self._get(member))
        )

    def _get(self, member: Member) -> Any:
        return self._client().get_cluster(name=_name(member), **_ONCE)

    async def _call(self, member: Member, call: Callable[[], T]) -> T:
        _parse(member)

        def told_call() -> T:
            with told(member.cluster_resource_id, self._clock):
                return call()

        return await self._threads.run(told_call)

    def _client(self) -> Any:
        """In a thread: making it reads files. Two threads may make it, one of the two is kept."""
        if self._manager is None:
            module = sdk("google.cloud.container_v1", "gcp")
            endpoint = self._settings.google.endpoint
            if is_rehearsal(endpoint):
                transports = sdk("google.cloud.container_v1.services.cluster_manager.transports", "gcp")
                transport = transports.ClusterManagerRestTransport(
                    host=endpoint.removeprefix("http://"),
                    url_scheme="http",
                    credentials=sdk("google.auth.credentials", "gcp").AnonymousCredentials(),
                )
                self._manager = module.ClusterManagerClient(transport=transport)
            else:
                options = {"api_endpoint": endpoint.removeprefix("https://")} if endpoint else {}
                self._manager = module.ClusterManagerClient(transport="rest", client_options=options)
        return self._manager


_ONCE = {"retry": None, "timeout": TIMEOUT}


def _parse(member: Member) -> re.Match[str]:
    found = _ID.fullmatch(member.cluster_resource_id)
    if found is None:
        message = f"{member.cluster_resource_id!r} is not the id of a GKE cluster; want gke://project/location/name"
        raise ProviderError(Code.NOT_FOUND, message)
    return found


def _parent(member: Member) -> str:
    found = _parse(member)
    return f"projects/{found['project']}/locations/{found['location']}"


def _name(member: Member) -> str:
    return f"{_parent(member)}/clusters/{_parse(member)['name']}"


def _is_open(operation: Any) -> bool:
    return str(operation.status.name) in ("PENDING", "RUNNING", "ABORTING")


def _is_at(operation: Any, member: Member) -> bool:
    """Whether an operation is about a cluster or one of its node pools."""
    return f"{operation.target_link}/".find(f"/{_name(member)}/") >= 0


def _pool(pool: Any) -> NodePool:
    kind = pool.config.image_type
    return NodePool(
        name=pool.name,
        count=pool.initial_node_count * max(1, len(pool.locations)),
        kubernetes_version=pool.version,
        node_image=_image(kind, pool.version) if kind else "",
    )


def _image(kind: str, version: str) -> str:
    """The image of nodes at a version: its family is image type and minor version, as images go no further."""
    parsed = KubeVersion.parse(version)
    minor = str(parsed.minor_version)
    return f"{kind}-{minor}-{str(parsed).removeprefix(minor + '.').replace('-', '.')}"


def _node_version(image: str) -> str:
    """The version of nodes with an image."""
    parsed = ImageVersion.parse(image)
    minor, rest = parsed.family.rpartition("-")[2], parsed.version
    return f"{minor}.{rest.replace('.', '-', 1)}"


def _exclusion(name: str, window: Any) -> Exclusion:
    scope = window.maintenance_exclusion_options.scope.name
    return Exclusion(name=name, start=window.start_time, end=window.end_time or None, scope=scope)


def _maintenance_window(policy: Any) -> MaintenanceWindow | None:
    if policy.recurring_window.recurrence:
        window = policy.recurring_window.window
        return recurring(window.start_time, window.end_time, policy.recurring_window.recurrence)
    if policy.daily_maintenance_window.start_time:
        return daily(policy.daily_maintenance_window.start_time)
    return None
