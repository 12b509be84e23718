"""EKS clusters by way of boto3, which has no asynchronous client: calls run in threads.

Updates are begun with a token, and AWS gives the same update for it again. It takes minor versions only and chooses
patches itself. A cluster on it cannot be stopped and has no maintenance windows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from echelon.api.meta import Clock
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.clouds import Threads, is_rehearsal, sdk
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
from echelon.upgrade.providers.eks.failures import code_of, told
from echelon.upgrade.providers.eks.images import image_of, published_at, release_of
from echelon.upgrade.providers.settings import ProviderSettings
from echelon.upgrade.providers.steps import CONTROL_PLANE, Step
from echelon.upgrade.versions import ImageVersion, KubeVersion

TIMEOUT = 30
_ID = re.compile(r"eks://(?P<region>[a-z0-9-]+)/(?P<name>[^/]+)")
_NOBODY = {"aws_access_key_id": "rehearsal", "aws_secret_access_key": "rehearsal"}


class EksPlatform:
    """Satisfies ``steps.Platform``. Clients are made once for each region and service."""

    def __init__(self, settings: ProviderSettings, clock: Clock, threads: Threads) -> None:
        self._settings = settings
        self._clock = clock
        self._threads = threads
        self._clients: dict[tuple[str, str], Any] = {}

    async def close(self) -> None:
        for client in self._clients.values():
            client.close()

    async def observe(self, member: Member) -> Observation:
        region, name = _parse(member)
        cluster = (await self._eks(member, "describe_cluster", name=name))["cluster"]
        groups = await self._groups(member, name)
        busy = "" if cluster["status"] in ("ACTIVE", "FAILED") else cluster["status"]
        for group in groups:
            if group["status"] in ("UPDATING", "CREATING", "DELETING"):
                busy = busy or f"{group['nodegroupName']} {group['status']}"
        return Observation(
            region=region,
            control_plane_version=cluster["version"],
            node_pools=tuple(_pool(group, cluster["version"]) for group in groups),
            long_term_support=cluster.get("upgradePolicy", {}).get("supportType", "EXTENDED") == "EXTENDED",
            busy=busy,
        )

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        releases, page = [], ""
        while True:
            more = {"nextToken": page} if page else {}
            answer = await self._eks(member, "describe_cluster_versions", **more)
            releases += [_release(version) for version in answer["clusterVersions"]]
            page = answer.get("nextToken", "")
            if not page:
                return [release for release in releases if release is not None]

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        """The newest image for each AMI type and version that the cluster has."""
        _, name = _parse(member)
        groups = await self._groups(member, name)
        wanted = {(group.get("amiType", ""), group.get("version", "")) for group in groups}
        found = await asyncio.gather(*(self._newest(member, *pair) for pair in sorted(wanted)))
        return sorted(image for image in found if image is not None)

    async def _newest(self, member: Member, ami_type: str, version: str) -> ImageVersion | None:
        path = published_at(ami_type, version)
        if path is None:
            return None
        try:
            answer = await self._call(member, "ssm", "get_parameter", Name=path)
        except ProviderError as error:
            if "ParameterNotFound" in error.message:
                return None
            raise
        return ImageVersion.parse(image_of(ami_type, version, answer["Parameter"]["Value"]))

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """What AWS has found out about the readiness for the next version."""
        if operation.control_plane_version is None:
            return ()
        _, name = _parse(member)
        version = str(KubeVersion.parse(operation.control_plane_version).minor_version)
        asked = {"categories": ["UPGRADE_READINESS"], "kubernetesVersions": [version]}
        answer = await self._eks(member, "list_insights", clusterName=name, filter=asked)
        return [finding for insight in answer["insights"] if (finding := _finding(insight)) is not None]

    async def begin(self, member: Member, step: Step, token: str) -> str:
        _, name = _parse(member)
        if step.pool == CONTROL_PLANE:
            answer = await self._eks(
                member, "update_cluster_version", name=name, version=step.version, clientRequestToken=token
            )
        else:
            target = {"releaseVersion": release_of(step.image)} if step.image else {"version": step.version}
            answer = await self._eks(
                member,
                "update_nodegroup_version",
                clusterName=name,
                nodegroupName=step.pool,
                clientRequestToken=token,
                **target,
            )
        return str(answer["update"]["id"])

    async def look(self, member: Member, step: Step, operation_id: str) -> Progress:
        _, name = _parse(member)
        group = {"nodegroupName": step.pool} if step.pool else {}
        answer = await self._eks(member, "describe_update", name=name, updateId=operation_id, **group)
        update = answer["update"]
        match update["status"]:
            case "Successful":
                return Progress(state="Succeeded")
            case "Cancelled":
                return Progress(state="Aborted", code=Code.ABORTED, message=f"AWS has cancelled update {operation_id}")
            case "Failed":
                return _failed(update)
            case _:
                return Progress(state="Running")

    async def _groups(self, member: Member, name: str) -> Sequence[Mapping[str, Any]]:
        names, page = [], ""
        while True:
            more = {"nextToken": page} if page else {}
            answer = await self._eks(member, "list_nodegroups", clusterName=name, **more)
            names += answer["nodegroups"]
            page = answer.get("nextToken", "")
            if not page:
                break
        asked = [self._eks(member, "describe_nodegroup", clusterName=name, nodegroupName=group) for group in names]
        return [answer["nodegroup"] for answer in await asyncio.gather(*asked)]

    async def _eks(self, member: Member, method: str, **arguments: Any) -> Any:
        return await self._call(member, "eks", method, **arguments)

    async def _call(self, member: Member, service: str, method: str, **arguments: Any) -> Any:
        region, _ = _parse(member)

        def call() -> Any:
            with told(member.cluster_resource_id, self._clock):
                return getattr(self._client(service, region), method)(**arguments)

        return await self._threads.run(call)

    def _client(self, service: str, region: str) -> Any:
        """In a thread: making a client reads files. Two threads may make it, one of the two is kept."""
        if (service, region) not in self._clients:
            settings = self._settings.aws
            boto3, config = sdk("boto3", "aws"), sdk("botocore.config", "aws")
            options = {
                "config": config.Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=TIMEOUT,
                    read_timeout=TIMEOUT,
                    max_pool_connections=self._settings.threads,
                )
            }
            if settings.endpoint:
                options["endpoint_url"] = settings.endpoint
            if is_rehearsal(settings.endpoint):
                session = boto3.Session(**_NOBODY)
            else:
                session = boto3.Session(profile_name=settings.profile or None)
            self._clients.setdefault((service, region), session.client(service, region_name=region, **options))
        return self._clients[service, region]


def _parse(member: Member) -> tuple[str, str]:
    found = _ID.fullmatch(member.cluster_resource_id)
    if found is None:
        message = f"{member.cluster_resource_id!r} is not the id of an EKS cluster; want eks://region/name"
        raise ProviderError(Code.NOT_FOUND, message)
    return found["region"], found["name"]


def _pool(group: Mapping[str, Any], cluster_version: str) -> NodePool:
    version = group.get("version", cluster_version)
    return NodePool(
        name=group["nodegroupName"],
        count=group.get("scalingConfig", {}).get("desiredSize", 0),
        kubernetes_version=version,
        node_image=image_of(group.get("amiType", ""), version, group.get("releaseVersion", "")),
    )


def _release(version: Mapping[str, Any]) -> Release | None:
    status = version.get("versionStatus", "")
    if status == "UNSUPPORTED":
        return None
    extended = status == "EXTENDED_SUPPORT"
    end: datetime | None = version.get("endOfExtendedSupportDate" if extended else "endOfStandardSupportDate")
    return Release(version=KubeVersion.parse(version["clusterVersion"]), long_term_support=extended, end_of_support=end)


def _finding(insight: Mapping[str, Any]) -> Finding | None:
    found = insight.get("insightStatus", {})
    message = f"{insight.get('name', 'insight')}: {found.get('reason', '')}"
    match found.get("status"):
        case "ERROR":
            return Finding(severity="Error", code=Code.DEPRECATED_API, message=message)
        case "WARNING":
            return Finding(severity="Warning", code=Code.DEPRECATED_API, message=message)
        case _:
            return None


def _failed(update: Mapping[str, Any]) -> Progress:
    errors = update.get("errors") or [{"errorCode": "Unknown", "errorMessage": "AWS gives no reason"}]
    message = "; ".join(f"{error.get('errorCode')}: {error.get('errorMessage', '')}" for error in errors)
    first = errors[0]
    return Progress(
        state="Failed", code=code_of(first.get("errorCode", ""), first.get("errorMessage", "")), message=message
    )
