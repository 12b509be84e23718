"""The way in for whoever plays: clusters, faults, versions and the clock, as JSON under ``/play``.

* ``GET /play`` is everything there is.
* ``PUT /play/cluster`` plays a cluster (see ``model.Cluster``), ``DELETE /play/cluster?id=…`` ends one.
* ``PATCH /play/cluster?id=…`` changes fields of one: ``{"running": false}``, ``{"faults": {"drain": true}}``
  (faults that are not named are off).
* ``PUT /play/versions`` says what clouds offer: ``{"aks": ["1.31.1"]}``.
* ``POST /play/image`` offers a node image: ``{"cloud": "aks", "family": …, "version": "1.31", "image": …}``.
* ``POST /play/operation?id=…`` lets somebody else be at work at a cluster: ``{"seconds": 600}``.
* ``POST /play/clock`` lets time pass: ``{"seconds": 3600}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from echelon.testing.fakeclouds.clock import Clock
from echelon.testing.fakeclouds.model import BadCluster, CloudName, Clouds, Cluster, Operation, Refusal, cluster_of

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _Image(msgspec.Struct, forbid_unknown_fields=True):
    cloud: CloudName
    family: str
    version: str
    image: str


class _Seconds(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


def routes(clouds: Clouds, clock: Clock) -> list[web.RouteDef]:
    """The routes of the way in."""
    control = _Control(clouds, clock)
    return [
        web.get("/play", _checked(control.show)),
        web.put("/play/cluster", _checked(control.put)),
        web.patch("/play/cluster", _checked(control.change)),
        web.delete("/play/cluster", _checked(control.remove)),
        web.put("/play/versions", _checked(control.offer)),
        web.post("/play/image", _checked(control.publish)),
        web.post("/play/operation", _checked(control.disturb)),
        web.post("/play/clock", _checked(control.advance)),
    ]


def _checked(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return web.Response(status=404, text=refusal.message)
        except (BadCluster, msgspec.DecodeError, msgspec.ValidationError) as error:
            return web.Response(status=400, text=str(error))

    return handle


def _json(content: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")


class _Control:
    def __init__(self, clouds: Clouds, clock: Clock) -> None:
        self._clouds = clouds
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        clouds = self._clouds
        return _json({"now": self._clock.now(), "versions": clouds.versions, "clusters": clouds.clusters})

    async def put(self, request: web.Request) -> web.Response:
        cluster = cluster_of(msgspec.json.decode(await request.read()))
        self._clouds.add(cluster)
        return _json(cluster)

    async def change(self, request: web.Request) -> web.Response:
        cluster = self._named(request)
        changes = msgspec.json.decode(await request.read(), type=dict[str, Any])
        changed = cluster_of({**msgspec.to_builtins(cluster), **changes, "id": cluster.id})
        self._clouds.add(changed)
        return _json(changed)

    async def remove(self, request: web.Request) -> web.Response:
        self._clouds.remove(self._named(request).id)
        return _json({})

    async def offer(self, request: web.Request) -> web.Response:
        self._clouds.versions.update(msgspec.json.decode(await request.read(), type=dict[CloudName, list[str]]))
        return _json(self._clouds.versions)

    async def publish(self, request: web.Request) -> web.Response:
        image = msgspec.json.decode(await request.read(), type=_Image)
        self._clouds.publish(image.cloud, image.family, image.version, image.image)
        return _json(image)

    async def disturb(self, request: web.Request) -> web.Response:
        cluster = self._named(request)
        seconds = msgspec.json.decode(await request.read(), type=_Seconds).seconds
        operation = Operation(
            id=f"foreign-{len(cluster.operations) + 1}", began=self._clock.now(), seconds=seconds, foreign=True
        )
        cluster.operations.append(operation)
        return _json(operation)

    async def advance(self, request: web.Request) -> web.Response:
        self._clock.advance(msgspec.json.decode(await request.read(), type=_Seconds).seconds)
        self._clouds.settle(self._clock.now())
        return _json({"now": self._clock.now()})

    def _named(self, request: web.Request) -> Cluster:
        return self._clouds.find(request.query.get("id", ""))
