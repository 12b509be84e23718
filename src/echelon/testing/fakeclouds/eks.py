"""What Echelon uses of EKS, and of SSM, where AWS publishes node images.

The region of a request is in its signature. A token that was used before gives the update of the first time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from echelon.testing.fakeclouds.answers import Handler, answer, pause, played
from echelon.testing.fakeclouds.clock import Clock
from echelon.testing.fakeclouds.model import Clouds, Cluster, Operation, Refusal, admit

_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/")
_ERRORS: Mapping[str, tuple[int, str]] = {
    "not-found": (404, "ResourceNotFoundException"),
    "conflict": (409, "ResourceInUseException"),
    "stopped": (400, "InvalidRequestException"),
    "quota": (400, "ResourceLimitExceededException"),
    "version": (400, "InvalidParameterException"),
    "throttled": (429, "ThrottlingException"),
    "denied": (403, "AccessDeniedException"),
    "unknown": (501, "ServerException"),
}
_FAILURES = {"drain": "PodEvictionFailure", "internal": "Unknown"}
_IMAGES = re.compile(
    r"/aws/service/eks/optimized-ami/(?P<version>[\d.]+)/amazon-linux-2023/(?P<arch>x86_64|arm64)/(?P<kind>\w+)"
    r"/recommended/release_version"
)


def routes(clouds: Clouds, clock: Clock) -> list[web.RouteDef]:
    """The routes of AWS."""
    eks = _Eks(clouds, clock)

    def route(method: str, path: str, handler: Handler) -> web.RouteDef:
        return web.route(method, path, played(handler, _refused))

    cluster, groups = "/clusters/{name}", "/clusters/{name}/node-groups"
    return [
        route("GET", cluster, eks.get),
        route("POST", cluster + "/updates", eks.update),
        route("GET", cluster + "/updates/{update}", eks.get_update),
        route("GET", groups, eks.list_groups),
        route("GET", groups + "/{group}", eks.get_group),
        route("POST", groups + "/{group}/update-version", eks.update_group),
        route("POST", cluster + "/insights", eks.insights),
        route("GET", "/cluster-versions", eks.versions),
        route("POST", "/", eks.parameter),
    ]


def _refused(refusal: Refusal) -> web.Response:
    status, code = _ERRORS.get(refusal.reason, (500, "ServerException"))
    return answer({"message": refusal.message}, status, {"x-amzn-ErrorType": code, **pause(refusal)})


class _Eks:
    def __init__(self, clouds: Clouds, clock: Clock) -> None:
        self._clouds = clouds
        self._clock = clock

    def _cluster(self, request: web.Request) -> Cluster:
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        if scope is None:
            raise Refusal("denied", "The request is not signed.")
        return admit(self._clouds.find(f"eks://{scope['region']}/{request.match_info['name']}"))

    async def get(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        under_way = cluster.under_way
        content = {
            "name": cluster.name,
            "arn": f"arn:aws:eks:{cluster.place}:111122223333:cluster/{cluster.name}",
            "version": cluster.version,
            "status": "UPDATING" if under_way is not None and not under_way.pool else "ACTIVE",
            "upgradePolicy": {"supportType": "EXTENDED" if cluster.long_term_support else "STANDARD"},
        }
        return answer({"cluster": content})

    async def update(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        body = orjson.loads(await request.read())
        self._check_groups(cluster, body["version"])
        operation = self._clouds.begin(
            cluster, self._clock.now(), version=body["version"], token=body["clientRequestToken"]
        )
        return answer({"update": _update(operation)})

    def _check_groups(self, cluster: Cluster, version: str) -> None:
        """Kubelets may be three minor versions behind, not more."""
        for pool in cluster.pools:
            if int(version.split(".")[1]) - int(pool.version.split(".")[1]) > 3:
                raise Refusal("version", f"Nodegroup {pool.name} must be updated before the cluster can be.")

    async def get_update(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pool = request.query.get("nodegroupName", "")
        for operation in cluster.operations:
            if operation.id == request.match_info["update"] and operation.pool == pool:
                return answer({"update": _update(operation)})
        raise Refusal("not-found", f"No update found for ID: {request.match_info['update']}")

    async def list_groups(self, request: web.Request) -> web.Response:
        return answer({"nodegroups": [pool.name for pool in self._cluster(request).pools]})

    async def get_group(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        pool = cluster.pool(request.match_info["group"])
        under_way = cluster.under_way
        busy = under_way is not None and under_way.pool == pool.name
        content = {
            "nodegroupName": pool.name,
            "clusterName": cluster.name,
            "version": pool.version,
            "releaseVersion": pool.image,
            "amiType": pool.family or "CUSTOM",
            "status": "UPDATING" if busy else "ACTIVE",
            "scalingConfig": {"desiredSize": pool.count},
        }
        return answer({"nodegroup": content})

    async def update_group(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        body = orjson.loads(await request.read())
        operation = self._clouds.begin(
            cluster,
            self._clock.now(),
            pool=request.match_info["group"],
            version=body.get("version", ""),
            image=body.get("releaseVersion", ""),
            token=body["clientRequestToken"],
        )
        return answer({"update": _update(operation)})

    async def insights(self, request: web.Request) -> web.Response:
        return answer({"insights": self._cluster(request).insights})

    async def versions(self, request: web.Request) -> web.Response:
        versions = [
            {"clusterVersion": version, "clusterType": "eks", "versionStatus": "STANDARD_SUPPORT"}
            for version in self._clouds.versions["eks"]
        ]
        return answer({"clusterVersions": versions})

    async def parameter(self, request: web.Request) -> web.Response:
        """The one call of SSM."""
        target = request.headers.get("X-Amz-Target", "")
        name = orjson.loads(await request.read()).get("Name", "")
        found = _IMAGES.fullmatch(name)
        images = [] if found is None else self._clouds.images("eks", _ami_type(found), found["version"])
        if target != "AmazonSSM.GetParameter" or not images:
            return answer({"__type": "ParameterNotFound", "message": f"{name} was not found."}, 400)
        return answer({"Parameter": {"Name": name, "Type": "String", "Value": images[-1], "Version": len(images)}})


def _ami_type(path: re.Match[str]) -> str:
    architecture = {"x86_64": "x86_64", "arm64": "ARM_64"}[path["arch"]]
    return f"AL2023_{architecture}_{path['kind'].upper()}"


def _update(operation: Operation) -> Mapping[str, Any]:
    errors = []
    if operation.state == "Failed":
        errors.append({"errorCode": _FAILURES[operation.reason], "errorMessage": operation.message, "resourceIds": []})
    return {
        "id": operation.id,
        "status": {"Running": "InProgress", "Succeeded": "Successful", "Failed": "Failed"}[operation.state],
        "type": "VersionUpdate",
        "params": [{"type": "Version", "value": operation.version or operation.image}],
        "createdAt": operation.began.timestamp(),
        "errors": errors,
    }
