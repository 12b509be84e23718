"""What Echelon uses of the Kubernetes Engine API, version 1, over HTTP.

Every write is answered with an operation. One that has failed is DONE all the same, and has an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from echelon.testing.fakeclouds.answers import Handler, answer, pause, played
from echelon.testing.fakeclouds.clock import Clock
from echelon.testing.fakeclouds.model import Clouds, Cluster, Operation, Refusal, admit

_LOCATION = "/v1/projects/{project}/locations/{location}"
_ERRORS: Mapping[str, tuple[int, str]] = {
    "not-found": (404, "NOT_FOUND"),
    "conflict": (400, "FAILED_PRECONDITION"),
    "stopped": (400, "FAILED_PRECONDITION"),
    "quota": (403, "PERMISSION_DENIED"),
    "version": (400, "INVALID_ARGUMENT"),
    "throttled": (429, "RESOURCE_EXHAUSTED"),
    "denied": (403, "PERMISSION_DENIED"),
    "unknown": (501, "UNIMPLEMENTED"),
}
_FAILED_PRECONDITION, _INTERNAL = 9, 13


def routes(clouds: Clouds, clock: Clock) -> list[web.RouteDef]:
    """The routes of Google."""
    gke = _Gke(clouds, clock)

    def route(method: str, path: str, handler: Handler) -> web.RouteDef:
        return web.route(method, path, played(handler, _refused))

    cluster = _LOCATION + "/clusters/{name}"
    return [
        route("GET", cluster, gke.get),
        route("PUT", cluster, gke.update),
        route("PUT", cluster + "/nodePools/{pool}", gke.update_pool),
        route("GET", _LOCATION + "/operations", gke.list_operations),
        route("GET", _LOCATION + "/operations/{operation}", gke.get_operation),
        route("GET", _LOCATION + "/serverConfig", gke.server_config),
    ]


def _refused(refusal: Refusal) -> web.Response:
    status, name = _ERRORS.get(refusal.reason, (500, "INTERNAL"))
    return answer({"error": {"code": status, "message": refusal.message, "status": name}}, status, pause(refusal))


class _Gke:
    def __init__(self, clouds: Clouds, clock: Clock) -> None:
        self._clouds = clouds
        self._clock = clock

    def _cluster(self, request: web.Request) -> Cluster:
        part = request.match_info
        return admit(self._clouds.find(f"gke://{part['project']}/{part['location']}/{part['name']}"))

    async def get(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pools = [
            {
                "name": pool.name,
                "version": pool.version,
                "initialNodeCount": pool.count,
                "status": "RUNNING",
                "config": {"imageType": pool.family},
            }
            for pool in cluster.pools
        ]
        content = {
            "name": cluster.name,
            "location": cluster.place,
            "currentMasterVersion": cluster.version,
            "status": "RUNNING" if cluster.under_way is None else "RECONCILING",
            "nodePools": pools,
            "etag": f"generation-{cluster.generation}",
            "maintenancePolicy": {"window": cluster.maintenance} if cluster.maintenance else {},
        }
        return answer(content)

    async def update(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        update = orjson.loads(await request.read())["update"]
        if list(update) != ["desiredMasterVersion"]:
            raise Refusal("unknown", f"Played clusters update desiredMasterVersion only, not {', '.join(update)}.")
        version = update["desiredMasterVersion"]
        return answer(_operation(cluster, self._clouds.begin(cluster, self._clock.now(), version=version)))

    async def update_pool(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        body = orjson.loads(await request.read())
        operation = self._clouds.begin(
            cluster, self._clock.now(), pool=request.match_info["pool"], version=body["nodeVersion"]
        )
        return answer(_operation(cluster, operation))

    async def list_operations(self, request: web.Request) -> web.Response:
        found = [_operation(c, operation) for c in self._located(request) for operation in c.operations]
        return answer({"operations": found})

    async def get_operation(self, request: web.Request) -> web.Response:
        for cluster in self._located(request):
            for operation in cluster.operations:
                if operation.id == request.match_info["operation"]:
                    return answer({**_operation(admit(cluster), operation), **self._progress(cluster, operation)})
        raise Refusal("not-found", f"Operation {request.match_info['operation']} was not found.")

    def _progress(self, cluster: Cluster, operation: Operation) -> Mapping[str, Any]:
        """How many nodes are done, as far as time tells."""
        if not operation.pool or operation.state != "Running":
            return {}
        total = cluster.pool(operation.pool).count
        share = (self._clock.now() - operation.began).total_seconds() / (operation.seconds * cluster.faults.slow or 1)
        done = 0 if cluster.faults.wedge else min(int(share * total), total)
        metrics = {"NODES_TOTAL": total, "NODES_COMPLETE": done}
        return {"progress": {"metrics": [{"name": name, "intValue": str(count)} for name, count in metrics.items()]}}

    def _located(self, request: web.Request) -> list[Cluster]:
        where = (request.match_info["project"], request.match_info["location"])
        return [c for c in self._clouds.clusters if c.cloud == "gke" and (c.scope, c.place) == where]

    async def server_config(self, request: web.Request) -> web.Response:
        versions = self._clouds.versions["gke"]
        return answer({"validMasterVersions": versions, "validNodeVersions": versions})


def _operation(cluster: Cluster, operation: Operation) -> Mapping[str, Any]:
    target = f"https://container.googleapis.com/v1/projects/{cluster.scope}/locations/{cluster.place}/clusters/"
    target += cluster.name + (f"/nodePools/{operation.pool}" if operation.pool else "")
    kind = "UPDATE_CLUSTER" if operation.foreign else "UPGRADE_NODES" if operation.pool else "UPGRADE_MASTER"
    content: dict[str, Any] = {
        "name": operation.id,
        "operationType": kind,
        "status": "RUNNING" if operation.state == "Running" else "DONE",
        "targetLink": target,
        "startTime": operation.began.isoformat(),
    }
    if operation.ended is not None:
        content["endTime"] = operation.ended.isoformat()
    if operation.state == "Failed":
        code = _FAILED_PRECONDITION if operation.reason == "drain" else _INTERNAL
        content["error"] = {"code": code, "message": operation.message}
    return content
