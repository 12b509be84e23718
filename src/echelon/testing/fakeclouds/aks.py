"""What Echelon uses of Azure Resource Manager for AKS.

A write is answered with the resource as it is while that is carried out; its ``provisioningState`` tells how far it
is, and ``status.provisioningError`` why it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from echelon.testing.fakeclouds.answers import Handler, answer, pause, played
from echelon.testing.fakeclouds.clock import Clock
from echelon.testing.fakeclouds.model import Clouds, Cluster, Operation, Pool, Refusal, admit, order

_CLUSTER = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
)
_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}"
_ERRORS: Mapping[str, tuple[int, str]] = {
    "not-found": (404, "ResourceNotFound"),
    "conflict": (409, "OperationNotAllowed"),
    "changed": (412, "PreconditionFailed"),
    "stopped": (400, "OperationNotAllowed"),
    "quota": (400, "ErrCode_InsufficientVCPUQuota"),
    "version": (400, "K8sVersionNotSupported"),
    "throttled": (429, "TooManyRequests"),
    "denied": (403, "AuthorizationFailed"),
    "unknown": (501, "NotPlayed"),
}
_FAILURES = {"drain": "PodDrainFailure", "internal": "InternalOperationError"}


def routes(clouds: Clouds, clock: Clock) -> list[web.RouteDef]:
    """The routes of Azure."""
    aks = _Aks(clouds, clock)

    def route(method: str, path: str, handler: Handler) -> web.RouteDef:
        return web.route(method, path, played(handler, _refused))

    pool = _CLUSTER + "/agentPools/{pool}"
    return [
        route("GET", _CLUSTER, aks.get),
        route("PUT", _CLUSTER, aks.put),
        route("GET", _CLUSTER + "/agentPools", aks.list_pools),
        route("GET", pool, aks.get_pool),
        route("PUT", pool, aks.put_pool),
        route("POST", pool + "/upgradeNodeImageVersion", aks.upgrade_image),
        route("GET", pool + "/upgradeProfiles/default", aks.pool_upgrades),
        route("GET", _CLUSTER + "/maintenanceConfigurations", aks.maintenance),
        route("GET", _LOCATION + "/kubernetesVersions", aks.versions),
    ]


def _refused(refusal: Refusal) -> web.Response:
    status, code = _ERRORS.get(refusal.reason, (500, "InternalServerError"))
    return answer({"error": {"code": code, "message": refusal.message}}, status, pause(refusal))


class _Aks:
    def __init__(self, clouds: Clouds, clock: Clock) -> None:
        self._clouds = clouds
        self._clock = clock

    def _cluster(self, request: web.Request) -> Cluster:
        return admit(self._clouds.find(_CLUSTER.format(**request.match_info)))

    async def get(self, request: web.Request) -> web.Response:
        return answer(cluster_body(self._cluster(request)))

    async def put(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        body = orjson.loads(await request.read())
        _check_etag(request, cluster)
        for wanted in body["properties"].get("agentPoolProfiles") or ():
            if (
                wanted.get("orchestratorVersion")
                != pool_body(cluster, cluster.pool(wanted["name"]))["orchestratorVersion"]
            ):
                raise Refusal("unknown", "Played clusters change the versions of pools by way of agentPools only.")
        version = body["properties"]["kubernetesVersion"]
        if version != cluster.version:
            self._clouds.begin(cluster, self._clock.now(), version=version)
        return answer(cluster_body(cluster))

    async def list_pools(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        return answer({"value": [pool_resource(cluster, pool) for pool in cluster.pools]})

    async def get_pool(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        return answer(pool_resource(cluster, cluster.pool(request.match_info["pool"])))

    async def put_pool(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pool = cluster.pool(request.match_info["pool"])
        body = orjson.loads(await request.read())
        _check_etag(request, cluster)
        version = body["properties"]["orchestratorVersion"]
        if version != pool.version:
            self._clouds.begin(cluster, self._clock.now(), pool=pool.name, version=version)
        return answer(pool_resource(cluster, pool))

    async def upgrade_image(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pool = cluster.pool(request.match_info["pool"])
        newest = self._newest_image(pool)
        if newest != pool.image:
            self._clouds.begin(cluster, self._clock.now(), pool=pool.name, image=newest)
        return web.Response(status=202)

    async def pool_upgrades(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pool = cluster.pool(request.match_info["pool"])
        latest = f"{pool.family}-{self._newest_image(pool)}"
        properties = {"kubernetesVersion": pool.version, "osType": "Linux", "latestNodeImageVersion": latest}
        return answer({"properties": properties})

    def _newest_image(self, pool: Pool) -> str:
        return self._clouds.images("aks", pool.family, pool.version)[-1]

    async def maintenance(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        windows = [{"name": name, "properties": {"maintenanceWindow": w}} for name, w in cluster.maintenance.items()]
        return answer({"value": windows})

    async def versions(self, request: web.Request) -> web.Response:
        minors: dict[str, list[str]] = {}
        for version in sorted(self._clouds.versions["aks"], key=order):
            minors.setdefault(version.rpartition(".")[0], []).append(version)
        values = [
            {
                "version": minor,
                "capabilities": {"supportPlan": ["KubernetesOfficial"]},
                "patchVersions": {patch: {"upgrades": []} for patch in patches},
            }
            for minor, patches in minors.items()
        ]
        return answer({"values": values})


def _check_etag(request: web.Request, cluster: Cluster) -> None:
    condition = request.headers.get("If-Match", "*").strip('"')
    if condition not in ("*", _etag(cluster)):
        raise Refusal("changed", "The resource has changed since it was read.")


def _etag(cluster: Cluster) -> str:
    return f"generation-{cluster.generation}"


def cluster_body(cluster: Cluster) -> Mapping[str, Any]:
    """A managed cluster."""
    wanted = cluster.last()
    going = wanted is not None and wanted.state != "Succeeded" and wanted.version
    properties = {
        **_state(cluster, None),
        "powerState": {"code": "Running" if cluster.running else "Stopped"},
        "kubernetesVersion": wanted.version if wanted is not None and going else cluster.version,
        "currentKubernetesVersion": cluster.version,
        "supportPlan": "AKSLongTermSupport" if cluster.long_term_support else "KubernetesOfficial",
        "agentPoolProfiles": [{"name": pool.name, **pool_body(cluster, pool)} for pool in cluster.pools],
    }
    return {
        "id": cluster.id,
        "name": cluster.name,
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": cluster.region,
        "eTag": _etag(cluster),
        "properties": properties,
    }


def pool_resource(cluster: Cluster, pool: Pool) -> Mapping[str, Any]:
    """An agent pool as a resource of its own."""
    properties = {**pool_body(cluster, pool), "eTag": _etag(cluster)}
    return {"id": f"{cluster.id}/agentPools/{pool.name}", "name": pool.name, "properties": properties}


def pool_body(cluster: Cluster, pool: Pool) -> Mapping[str, Any]:
    """The properties of an agent pool."""
    wanted = cluster.last(pool.name)
    going = wanted is not None and wanted.state != "Succeeded" and wanted.version
    return {
        **_state(cluster, pool),
        "count": pool.count,
        "osType": "Linux",
        "mode": "System" if pool is cluster.pools[0] else "User",
        "orchestratorVersion": wanted.version if wanted is not None and going else pool.version,
        "currentOrchestratorVersion": pool.version,
        "nodeImageVersion": f"{pool.family}-{pool.image}" if pool.image else None,
    }


def _state(cluster: Cluster, pool: Pool | None) -> Mapping[str, Any]:
    """How far a cluster or pool is. While a pool is at work, so is its cluster; but not the other way round."""
    under_way = cluster.under_way
    if under_way is not None and (pool is None or under_way.pool == pool.name):
        return {"provisioningState": _progressive(under_way, pool)}
    last = cluster.last("" if pool is None else pool.name)
    if last is None or last.state == "Succeeded":
        return {"provisioningState": "Succeeded"}
    error = {"code": _FAILURES[last.reason], "message": last.message}
    return {"provisioningState": "Failed", "status": {"provisioningError": error}}


def _progressive(operation: Operation, pool: Pool | None) -> str:
    if operation.foreign or bool(operation.pool) != (pool is not None):
        return "Updating"
    return "Upgrading" if operation.version else "UpgradingNodeImageVersion"
