"""The API server as an ASGI application: one Kubernetes cluster's API, over a keyspace.

A request goes through: who asks (401), may they (403), what is it about (404), which handler (405).
Handlers raise ``StatusError`` for whatever is wrong; anything else they raise is logged and answered
with a plain 500. Nothing is waited for but storage and the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import structlog

from echelon.apiserver.access import Access, AccessOptions
from echelon.apiserver.access.audit import Auditor
from echelon.apiserver.access.audit_log import AuditLog
from echelon.apiserver.authentication import (
    ANONYMOUS_USER,
    Attributes,
    Authenticator,
    Authorizer,
    Credentials,
    User,
    denial,
)
from echelon.apiserver.builtin import builtin_definitions
from echelon.apiserver.clock import Clock, SystemClock
from echelon.apiserver.crd import CustomResourceDefinitionHooks
from echelon.apiserver.deadlines import timed_out
from echelon.apiserver.definitions import ResourceDefinition
from echelon.apiserver.discovery import Discovery
from echelon.apiserver.errors import StatusError, bad_request, method_not_allowed, no_such_resource, unauthorized
from echelon.apiserver.handlers.actions import act
from echelon.apiserver.handlers.context import Action, Context, Target
from echelon.apiserver.handlers.delete import delete, delete_collection
from echelon.apiserver.handlers.patch import patch
from echelon.apiserver.handlers.read import get, list_objects
from echelon.apiserver.handlers.scale import get_scale, patch_scale, update_scale
from echelon.apiserver.handlers.watch import watch
from echelon.apiserver.handlers.write import create, update
from echelon.apiserver.lifecycle import Lifecycle, Provisioning
from echelon.apiserver.lifecycle.custom_resources import DEFINITIONS_BUCKET
from echelon.apiserver.metadata import Summary
from echelon.apiserver.objects import Objects
from echelon.apiserver.openapi import OpenAPI
from echelon.apiserver.registry import Registry, Served
from echelon.apiserver.request import Receive, Request, ResourcePath, Scope, Send, parse_path, verb_of
from echelon.apiserver.responses import Answer, failure, page_not_found, send_answer
from echelon.apiserver.selectors import parse_fields
from echelon.apiserver.storage import Closed, Keyspace, StorageError, StorageFull
from echelon.apiserver.streams import Streams
from echelon.apiserver.system import System
from echelon.apiserver.traffic import Passage, Traffic, TrafficOptions, shutting_down

Handler = Callable[[Context, Target], Awaitable[Answer]]
log = structlog.get_logger(__name__)

_MAIN: dict[str, Handler] = {
    "get": get,
    "list": list_objects,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}
_STATUS: dict[str, Handler] = {"get": get, "update": update, "patch": patch}
_SCALE: dict[str, Handler] = {"get": get_scale, "update": update_scale, "patch": patch_scale}
_FINALIZE: dict[str, Handler] = {"update": update}
_ACTION: dict[str, Handler] = {"create": act}


class ApiServer:
    """One cluster's API server. Start it before its first request, close it after the last one."""

    def __init__(
        self,
        keyspace: Keyspace[Summary],
        *,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        access: AccessOptions | None = None,
        audit: AuditLog | None = None,
        definitions: Iterable[ResourceDefinition] | None = None,
        provisioning: Provisioning | None = None,
        git_version: str | Callable[[], str] = "v1.33.0",
        traffic: TrafficOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        registry = Registry(default_definitions(clock) if definitions is None else definitions)
        self.objects = Objects(keyspace, registry, clock)
        provisioning = provisioning or Provisioning()
        root_certificate = provisioning.root_certificate
        self._access = Access(self.objects, access or AccessOptions(), authenticator, authorizer, root_certificate)
        self.authenticator = self._access.authenticator
        self.authorizer = self._access.authorizer
        self.lifecycle = Lifecycle(self.objects, provisioning)
        self._auditor = None if audit is None else Auditor(audit, keyspace.name, clock)
        self._context = Context(self.objects, Streams())
        self._context.actions.update(self._access.actions())
        self._discovery = Discovery(registry, self._action_names)
        self._openapi = OpenAPI(registry)
        version = git_version if callable(git_version) else lambda: git_version
        self._traffic = Traffic(keyspace, traffic or TrafficOptions())
        checks = {"storage": keyspace.check_writable, "lifecycle": self._check_lifecycle, "shutdown": self._check_open}
        self._system = System(version, checks, self._traffic.metrics)

    @property
    def registry(self) -> Registry:
        return self.objects.registry

    def connect(self, group: str, plural: str, subresource: str, action: Action) -> None:
        """Let a function answer the creates of a review kind (empty ``subresource``) or of a subresource."""
        self._context.actions[group, plural, subresource] = action

    async def start(self) -> None:
        """Create what every cluster has, serve the stored custom resources and run the life-cycle controllers."""
        await self._access.start()
        await self.lifecycle.start()

    async def close(self) -> None:
        """End open watches and stop the controllers. The keyspace stays with whoever opened it."""
        self._context.streams.close()
        await self.lifecycle.close()
        await self._access.close()
        self._traffic.close()

    def end_streams(self) -> None:
        """End open watches and take nothing new on, so that connections can be closed; what is under way goes on."""
        self._traffic.stopping = True
        self._context.streams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        sent = _Sent(send)
        passage = self._traffic.begin()
        try:
            answer = await self._answer(request, sent, passage)
        except StatusError as error:
            answer = failure(error)
        except StorageError as error:
            log.error("storage failed", method=request.method, path=request.path, error=str(error))
            answer = failure(_storage_failure(error))
        except asyncio.CancelledError:
            if not passage.visit.expired or passage.visit.task.uncancel():
                raise
            answer = failure(timed_out())
        except RecursionError:
            answer = failure(bad_request("the request nests too deep"))
        except Exception:
            log.exception("request failed", method=request.method, path=request.path)
            answer = failure(_INTERNAL)
        finally:
            self._traffic.release(passage)
        self._traffic.count(request, passage, sent.code if answer is None else answer.code)
        if answer is not None and self._auditor is not None:
            self._auditor.note(request, answer, passage.began)
        if answer is not None and not sent.code:
            await send_answer(send, answer, request)

    async def _answer(self, request: Request, send: Send, passage: Passage) -> Answer | None:
        """The answer, or None when the handler streamed it."""
        request.user = user = await self._authenticate(request)
        request.user = self._access.acting(user, request.headers)
        if request.user is not user:
            request.impersonator = user
        path = parse_path(request.segments)
        if path is None:
            self._authorize(request, Attributes(_path_verb(request.method), path=request.path))
            return await self._non_resource(request)
        request.verb = verb_of(request.method, path, request.query)
        await self._traffic.admit(request, passage)
        self._authorize(request, _attributes(request, path))
        served = self._lookup(path)
        if served is None:
            return self._unknown(path)
        if served.version.deprecation_warning:
            request.warnings.append(served.version.deprecation_warning)
        target = Target(request, served, path.namespace, path.name, path.subresource)
        if request.verb == "watch" and not path.subresource and "watch" in served.definition.verbs:
            self._traffic.found(passage, served, "")
            self._traffic.watch(request, passage)
            await watch(self._context, target, send)
            return None
        handler = self._handler(request, served, path)
        self._traffic.found(passage, served, path.subresource)
        return await handler(self._context, target)

    async def _authenticate(self, request: Request) -> User:
        header = request.header(b"authorization")
        certificate: bytes | None = (request.scope.get("extensions") or {}).get("tls", {}).get("peer_certificate")
        if not header and certificate is None:
            return ANONYMOUS_USER
        scheme, _, token = header.partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        user = await self.authenticator.authenticate(Credentials(bearer, certificate))
        if user is None:
            if not bearer and not (certificate and self._access.takes_certificates):
                return ANONYMOUS_USER
            raise unauthorized()
        return user

    def _authorize(self, request: Request, attributes: Attributes) -> None:
        decision = self.authorizer.decide(request.user, attributes)
        if not decision.allowed:
            raise denial(request.user, attributes, decision)

    def _lookup(self, path: ResourcePath) -> Served | None:
        served = self.registry.find(path.group, path.version, path.resource)
        if served is None:
            return None
        if path.namespace and not served.definition.namespaced:
            return None
        return served

    def _unknown(self, path: ResourcePath) -> Answer:
        if path.group not in self.registry.groups():
            return page_not_found()
        raise no_such_resource()

    def _handler(self, request: Request, served: Served, path: ResourcePath) -> Handler:
        """Raises: StatusError: 404 for an unknown subresource, 405 for a verb it does not have."""
        definition = served.definition
        if path.subresource:
            handlers = self._subresource(served, path.subresource)
        elif definition.virtual:
            handlers = _ACTION
        else:
            handlers = _MAIN
            if request.verb not in definition.verbs:
                raise method_not_allowed()
        handler = handlers.get(request.verb)
        needs_name = request.verb in ("update", "patch") or bool(path.subresource)
        misplaced = (
            definition.namespaced
            and not path.namespace
            and (path.name or request.verb not in ("list", "deletecollection"))
        )
        if handler is None or request.method == "HEAD" or (needs_name and not path.name) or misplaced:
            raise method_not_allowed()
        if handler is create and path.name:
            raise method_not_allowed()
        return handler

    def _subresource(self, served: Served, name: str) -> dict[str, Handler]:
        definition, version = served.definition, served.version
        if name == "status" and version.status:
            return _STATUS
        if name == "scale" and version.scale is not None:
            return _SCALE
        if name == "finalize" and (definition.group, definition.plural) == ("", "namespaces"):
            return _FINALIZE
        if (definition.group, definition.plural, name) in self._context.actions:
            return _ACTION
        raise no_such_resource()

    async def _non_resource(self, request: Request) -> Answer:
        segments = request.segments
        if request.method not in ("GET", "HEAD"):
            return page_not_found()
        if segments[0] in ("api", "apis") and len(segments) <= 3:
            return self._discovery.answer(segments, request.header(b"accept"), request.header(b"if-none-match"))
        if segments[:2] == ["openapi", "v3"]:
            return self._openapi.answer(segments[2:], request.query.get("hash", ""), request.header(b"if-none-match"))
        return self._access.document(segments) or await self._system.answer(segments, request.query)

    async def _check_lifecycle(self) -> None:
        if not self.lifecycle.ready:
            raise shutting_down()

    async def _check_open(self) -> None:
        if self._traffic.stopping:
            raise shutting_down()

    def _action_names(self, group: str, plural: str) -> list[str]:
        return sorted(name for g, p, name in self._context.actions if (g, p) == (group, plural) and name)


def default_definitions(clock: Clock) -> list[ResourceDefinition]:
    """The built-in kinds, CustomResourceDefinitions with their rules among them."""
    return [
        msgspec.structs.replace(definition, hooks=CustomResourceDefinitionHooks())
        if definition.bucket == DEFINITIONS_BUCKET
        else definition
        for definition in builtin_definitions(clock)
    ]


_INTERNAL = StatusError(500, "InternalError", "Internal error occurred: see the log of the server", details={})


def _storage_failure(error: StorageError) -> StatusError:
    if isinstance(error, Closed):
        return shutting_down()
    if isinstance(error, StorageFull):
        return StatusError(507, "InsufficientStorage", f"nothing was stored: {error}", details={})
    message = "Internal error occurred: nothing was stored: see the log of the server"
    return StatusError(500, "InternalError", message, details={})


class _Sent:
    """Passes messages on and remembers with which code an answer has begun; 0 when none has."""

    __slots__ = ("_send", "code")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.code = 0

    async def __call__(self, message: Any) -> None:
        if not self.code:
            self.code = message["status"]
        await self._send(message)


def _path_verb(method: str) -> str:
    return {"GET": "get", "HEAD": "head", "POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}.get(
        method, method.lower()
    )


def _attributes(request: Request, path: ResourcePath) -> Attributes:
    name = path.name
    if request.verb in ("list", "watch") and "fieldSelector" in request.query:
        name = _selected_name(request.query["fieldSelector"])
    itself = path.group == "" and path.resource == "namespaces"
    namespace = path.name if itself else path.namespace
    return Attributes(request.verb, path.group, path.version, path.resource, path.subresource, namespace, name)


def _selected_name(selector: str) -> str:
    """The name that a list or watch is limited to, which counts for access rules that name objects."""
    try:
        return parse_fields(selector, (), True).demanded("metadata.name") or ""
    except StatusError:
        return ""
