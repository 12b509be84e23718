"""The face as an ASGI application.

A request goes through: is the path one of ours (404), the method one of the path's (405), who asks (401), what
api-version (400), which fleet (404), which handler. Handlers raise ``ArmError`` for what is wrong with a request,
the hub's complaints (``ApiError``) are told in ARM's words, anything else is logged and answered with a plain 500.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from echelon.api.meta import Clock
from echelon.arm import around, versions
from echelon.arm.around import Answering
from echelon.arm.call import Call, Reply, Rules
from echelon.arm.clusters import ManagedClusters
from echelon.arm.directory import CannotCreate, Directory, Record, read_record
from echelon.arm.errors import ArmError, from_hub, not_allowed, not_found
from echelon.arm.groups import ResourceGroups
from echelon.arm.handlers import fleets
from echelon.arm.ids import FleetId
from echelon.arm.releases import Releases
from echelon.arm.requests import base_of, bearer, body_of
from echelon.arm.router import Match, Route, Router
from echelon.arm.routes import FLEET_ROUTES, Operation
from echelon.arm.signing_in import SigningIn
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Forbidden, Unauthorized

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)


class Face:
    """Serves the fleets of a directory."""

    def __init__(self, directory: Directory, rules: Rules, clock: Clock) -> None:
        self._directory = directory
        self._rules = rules
        self._clock = clock
        routes: list[Route[Operation | Answering]] = []
        routes += [Route(route.method, route.template, route.target) for route in FLEET_ROUTES]
        for part in (
            around.Surroundings(directory),
            ResourceGroups(directory),
            ManagedClusters(directory),
            Releases(directory),
            SigningIn(directory, clock),
        ):
            routes += [Route(route.method, route.template, route.target) for route in part.routes()]
        self._router = Router(routes)

    def serves(self, path: str) -> bool:
        """Whether a path is this application's, whatever comes of it."""
        return self._router.leads_here(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            reply = await self._answer(request)
        except ClientDisconnect:
            return
        except ArmError as error:
            reply = Reply(status=error.status, body=error.body(), headers=error.headers)
        except Exception:
            log.exception("request failed", method=request.method, path=request.url.path)
            failure = ArmError(500, "InternalServerError", "The request failed; the log of the server says why.")
            reply = Reply(status=500, body=failure.body())
        await _response(reply, request)(scope, receive, send)

    async def _answer(self, request: Request) -> Reply:
        path = request.scope["path"]
        match = self._router.find(request.method, path)
        if match is None:
            raise ArmError(404, "InvalidResourceType", f"There is nothing at {path!r}.")
        if match.target is None:
            allowed = ", ".join(match.allowed)
            message = f"The method {request.method} is not allowed at {path!r}; allowed: {allowed}."
            raise ArmError(405, "MethodNotAllowed", message, headers={"Allow": allowed})
        if isinstance(match.target, Operation):
            return await self._operate(request, match, match.target)
        return await match.target(around.Question(request, match.names, await body_of(request), base_of(request)))

    async def _operate(self, request: Request, match: Match[Any], operation: Operation) -> Reply:
        token = bearer(request)
        body = await body_of(request)
        version = request.query_params.get("api-version") or ""
        if operation.versioned:
            version = versions.checked(version, operation.type, operation.action)
        try:
            async with self._fleet(match.names, token) as found:
                if found is None and operation.founds:
                    reply = await self._make(request, match.names, token, body)
                elif found is None and operation.handler is fleets.delete:
                    reply = Reply(status=204)
                elif found is None:
                    raise not_found(str(_asked(match.names) or request.scope["path"]))
                else:
                    reply = await operation.handler(self._call(request, match.names, token, body, version, found))
        except ApiError as error:
            raise from_hub(error, operation.fields) from error
        shown = versions.shaped(reply.body, version) if operation.versioned else reply.body
        return Reply(status=reply.status, body=shown, headers=reply.headers)

    def _call(
        self, request: Request, names: Mapping[str, str], token: str, body: Any, version: str, found: _Found
    ) -> Call:
        return Call(
            names=names,
            query=request.query_params,
            headers=request.headers,
            body=body,
            version=version,
            base=base_of(request),
            directory=self._directory,
            rules=self._rules,
            clock=self._clock,
            token=token,
            hub=found.hub,
            client=found.client,
            fleet=found.fleet,
            record=found.record,
        )

    @asynccontextmanager
    async def _fleet(self, names: Mapping[str, str], token: str) -> AsyncIterator[_Found | None]:
        """The hub of the fleet that a path leads to, spelled as the path does; any, if it leads to no fleet."""
        asked = _asked(names)
        refused: ApiError | None = None
        for hub in self._directory.hubs():
            async with self._directory.connect(hub, token) as client:
                try:
                    record = await read_record(client, hub, self._directory)
                except (Unauthorized, Forbidden) as error:
                    refused = error
                    continue
                if asked is None or record.id.same_as(asked):
                    yield _Found(hub, client, asked or record.id, record)
                    return
        if refused is not None:
            raise refused
        yield None

    async def _make(self, request: Request, names: Mapping[str, str], token: str, body: Any) -> Reply:
        """Make a fleet, by the right to do so on the hub that makes others."""
        asked = _asked(names)
        assert asked is not None
        parts = fleets.founding(asked, body, request.headers)
        async with self._directory.connect(self._directory.own(), token) as client:
            await fleets.check_right(client, "create", asked)
        try:
            hub = await self._directory.create(asked.name.lower())
        except CannotCreate as error:
            raise not_allowed(str(error)) from error
        async with self._directory.connect(hub, token) as client:
            return await fleets.name_hub(client, asked, parts)


class _Found(msgspec.Struct, frozen=True):
    """A fleet, as a request leads to it."""

    hub: str
    client: Client
    fleet: FleetId
    record: Record


def _asked(names: Mapping[str, str]) -> FleetId | None:
    return FleetId(names["subscription"], names["group"], names["fleet"]) if "fleet" in names else None


def _response(reply: Reply, request: Request) -> Response:
    headers = {"x-ms-request-id": request.headers.get("x-ms-client-request-id", ""), **reply.headers}
    headers = {name: value for name, value in headers.items() if value}
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    media_type = None if "Content-Type" in headers else "application/json"
    return Response(content, reply.status, headers, media_type)
