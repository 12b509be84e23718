"""A little Kubernetes in memory, for tests of what is built on this package.

``FakeServer`` is an ASGI application to put behind an ``AsgiTransport``. It serves any resource at
the usual paths, without schemas, with what controllers depend on: resource versions and conflicts,
generations, the status subresource, finalizers, label selectors, watches with bookmarks and initial
events. What it is there for are its faults: refuse, delay or drop requests by rule, break watches,
forget history (410), end each watch at once. Whatever is asked is noted in ``requests``.
"""

from __future__ import annotations

import asyncio
import copy
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import jsonpatch
import msgspec

from echelon.api.meta import KubeObject, Resource


class WidgetSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    size: int = 0
    parts: Sequence[str] = ()


class WidgetStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    ready: bool = False
    size: int = 0


class Widget(KubeObject, frozen=True, kw_only=True):
    """A namespaced kind that stands for nothing, to test with."""

    resource: ClassVar[Resource] = Resource("test.echelon.dev", "v1", "widgets", "Widget", True)

    spec: WidgetSpec = WidgetSpec()
    status: WidgetStatus = WidgetStatus()


Object = dict[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>status))?"
)


class Request(msgspec.Struct, frozen=True):
    """A request that was made."""

    method: str
    path: str
    query: Mapping[str, str]
    content: Any = None

    @property
    def watch(self) -> bool:
        return self.query.get("watch") == "true"


class Refusal(Exception):
    """An answer other than success; what a fault rule raises."""

    def __init__(
        self, code: int, reason: str, message: str = "", *, retry_after: int | None = None, cause: str = ""
    ) -> None:
        super().__init__(message or reason)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after
        self.details = {"causes": [{"reason": cause}]} if cause else {}


class Drop(Exception):
    """Break the connection; what a fault rule raises. With ``answer_lost`` the request is carried out first."""

    def __init__(self, *, answer_lost: bool = False) -> None:
        super().__init__("dropped")
        self.answer_lost = answer_lost


_SERVER_OWNED = ("uid", "generation", "creationTimestamp", "resourceVersion")

Fault = Callable[[Request], Awaitable[None]]


class _Target(msgspec.Struct, frozen=True):
    """What a path names."""

    group: str
    plural: str
    namespace: str
    name: str
    subresource: str

    @property
    def bucket(self) -> tuple[str, str]:
        return self.group, self.plural

    def selects(self, obj: Object, selector: str) -> bool:
        metadata = obj["metadata"]
        return (not self.namespace or metadata.get("namespace") == self.namespace) and _matches(
            selector, metadata.get("labels") or {}
        )


class _Event(msgspec.Struct, frozen=True):
    type: str
    bucket: tuple[str, str]
    object: Object
    previous: Object | None
    version: int


class FakeServer:
    """The application. ``faults`` see every request first and raise ``Refusal`` or ``Drop``, or wait."""

    def __init__(self) -> None:
        self.version = 1  # a list of nothing has a version, too
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.watches_end_at_once = False
        self.streaming_lists = True
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._log: list[_Event] = []
        self._compacted = 0
        self._moved = asyncio.Event()
        self._breaks = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        query = dict(parse_qsl(scope["query_string"].decode()))
        body = (await receive())["body"]
        content = msgspec.json.decode(body) if body else None
        request = Request(scope["method"], scope["path"], query, content)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append(request)
        try:
            try:
                for fault in list(self.faults):
                    await fault(request)
            except Drop as drop:
                if drop.answer_lost:
                    self._answer(request, headers)
                return
            if request.watch:
                await self._watch(request, receive, send)
            else:
                await _respond(send, *self._answer(request, headers))
        except Refusal as refusal:
            await _respond(send, refusal.code, _status(refusal), refusal.retry_after)

    # What tests do to it

    def put(self, path: str, obj: Object) -> Object:
        """Create or replace the object at a path, as somebody else would."""
        target = _target(path)
        return self._store(target, copy.deepcopy(obj))

    def remove(self, path: str) -> None:
        """Remove the object at a path at once, finalizers or not."""
        target = _target(path)
        self._remove(target.bucket, (target.namespace, target.name))

    def get(self, path: str) -> Object | None:
        """The object at a path."""
        target = _target(path)
        return self._objects.get(target.bucket, {}).get((target.namespace, target.name))

    def objects(self, path: str) -> list[Object]:
        """All objects of a collection."""
        target = _target(path)
        return [obj for obj in self._objects.get(target.bucket, {}).values() if target.selects(obj, "")]

    def compact(self) -> None:
        """Forget what happened so far: watches from before now get 410."""
        self._compacted = self.version
        self._log.clear()

    def restart_from_nothing(self) -> None:
        """Lose all objects and count versions from 1 again, as a server whose data was deleted."""
        self.version, self._compacted = 1, 0
        self._objects.clear()
        self._log.clear()
        self.break_watches()

    def break_watches(self) -> None:
        """Break the connections of all watches."""
        self._breaks += 1
        self._wake()

    # Requests

    def _answer(self, request: Request, headers: Mapping[str, str]) -> tuple[int, Object]:
        target = _target(request.path)
        match request.method:
            case "GET" if target.name:
                return 200, self._existing(target)
            case "GET":
                return 200, self._list(target, request.query)
            case "POST":
                return 201, self._create(target, copy.deepcopy(request.content))
            case "PUT":
                return 200, self._update(target, copy.deepcopy(request.content))
            case "PATCH":
                return 200, self._patch(target, request.content, headers["content-type"])
            case "DELETE" if target.name:
                return 200, self._delete(target, request.content or {})
            case "DELETE":
                return 200, self._delete_all(target, request.query)
            case method:
                raise Refusal(405, "MethodNotAllowed", f"{method} is not allowed")

    def _existing(self, target: _Target) -> Object:
        found = self._objects.get(target.bucket, {}).get((target.namespace, target.name))
        if found is None:
            raise Refusal(404, "NotFound", f'{target.plural} "{target.name}" not found')
        return found

    def _list(self, target: _Target, query: Mapping[str, str]) -> Object:
        version, start = str(self.version), 0
        if "continue" in query:
            version, _, position = query["continue"].partition(":")
            start = int(position)
            if int(version) < self._compacted:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        selector = query.get("labelSelector", "")
        bucket = self._objects.get(target.bucket, {})
        items = [bucket[key] for key in sorted(bucket) if target.selects(bucket[key], selector)]
        end = start + int(query.get("limit", len(items) or 1))
        metadata = {"resourceVersion": version}
        if end < len(items):
            metadata["continue"] = f"{version}:{end}"
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[start:end]}

    def _create(self, target: _Target, obj: Object) -> Object:
        metadata = obj["metadata"]
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        name = metadata["name"]
        if (target.namespace, name) in self._objects.get(target.bucket, {}):
            raise Refusal(409, "AlreadyExists", f'{target.plural} "{name}" already exists')
        obj.pop("status", None)
        return self._store(msgspec.structs.replace(target, name=name), obj)

    def _update(self, target: _Target, obj: Object) -> Object:
        old = self._existing(target)
        asked = obj["metadata"].get("resourceVersion")
        if asked and asked != old["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", f'Operation cannot be fulfilled on {target.plural} "{target.name}"')
        if target.subresource:
            return self._store(target, {**copy.deepcopy(old), "status": obj.get("status", {})})
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
        return self._store(target, obj)

    def _patch(self, target: _Target, patch: Any, content_type: str) -> Object:
        try:
            old = self._existing(target)
        except Refusal:
            if content_type != "application/apply-patch+yaml":
                raise
            return self._create(target, copy.deepcopy(patch))
        if content_type == "application/json-patch+json":
            return self._update(target, jsonpatch.apply_patch(copy.deepcopy(old), patch))
        return self._update(target, merge(copy.deepcopy(old), patch))

    def _delete(self, target: _Target, options: Object) -> Object:
        obj = self._existing(target)
        metadata = obj["metadata"]
        for field, wanted in (options.get("preconditions") or {}).items():
            if metadata[field] != wanted:
                raise Refusal(409, "Conflict", f"Precondition failed: {field} is {metadata[field]}, not {wanted}")
        if not metadata.get("finalizers"):
            self._remove(target.bucket, (target.namespace, target.name))
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if metadata.get("deletionTimestamp"):
            return obj
        obj = copy.deepcopy(obj)
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return self._store(target, obj)

    def _delete_all(self, target: _Target, query: Mapping[str, str]) -> Object:
        for key, obj in list(self._objects.get(target.bucket, {}).items()):
            if target.selects(obj, query.get("labelSelector", "")):
                self._delete(msgspec.structs.replace(target, namespace=key[0], name=key[1]), {})
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    # Storage

    def _store(self, target: _Target, obj: Object) -> Object:
        key = (target.namespace, target.name)
        bucket = self._objects.setdefault(target.bucket, {})
        old = bucket.get(key)
        metadata = obj.setdefault("metadata", {})
        metadata["name"] = target.name
        if target.namespace:
            metadata["namespace"] = target.namespace
        if old is None:
            metadata |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
        else:
            metadata |= {field: old["metadata"][field] for field in _SERVER_OWNED}
            if obj == old:
                return old
            metadata["generation"] += old.get("spec") != obj.get("spec")
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(target.bucket, key)
            return obj
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        bucket[key] = obj
        self._happened("MODIFIED" if old else "ADDED", target.bucket, obj, old)
        return obj

    def _remove(self, bucket: tuple[str, str], key: tuple[str, str]) -> None:
        obj = self._objects[bucket].pop(key)
        self.version += 1
        last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._happened("DELETED", bucket, last, obj)

    def _happened(self, type_: str, bucket: tuple[str, str], obj: Object, previous: Object | None) -> None:
        self._log.append(_Event(type_, bucket, obj, previous, self.version))
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    # Watches

    async def _watch(self, request: Request, receive: Receive, send: Send) -> None:
        target, query = _target(request.path), request.query
        streaming = query.get("sendInitialEvents") == "true"
        if streaming and not self.streaming_lists:
            raise Refusal(422, "Invalid", "sendInitialEvents is forbidden for watch")
        position = int(query.get("resourceVersion") or 0) or self.version
        if position > self.version:
            raise Refusal(504, "Timeout", "Too large resource version", cause="ResourceVersionTooLarge")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        selector = query.get("labelSelector", "")
        if streaming:
            position = self.version
            await self._send_initial(target, selector, send)
        if position < self._compacted:
            gone = Refusal(410, "Expired", f"too old resource version: {position} ({self._compacted})")
            await _send_event(send, "ERROR", _status(gone))
        elif not self.watches_end_at_once:
            gone_away = asyncio.ensure_future(receive())
            limit = asyncio.ensure_future(asyncio.sleep(float(query["timeoutSeconds"])))
            try:
                if not await self._send_changes(target, selector, position, send, gone_away, limit):
                    return  # without the end of the answer: a broken connection
            finally:
                gone_away.cancel()
                limit.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _send_initial(self, target: _Target, selector: str, send: Send) -> None:
        for obj in self._objects.get(target.bucket, {}).values():
            if target.selects(obj, selector):
                await _send_event(send, "ADDED", obj)
        metadata = {
            "resourceVersion": str(self.version),
            "annotations": {"k8s.io/initial-events-end": "true"},
        }
        await _send_event(send, "BOOKMARK", {"kind": "Bookmark", "apiVersion": "v1", "metadata": metadata})

    async def _send_changes(
        self,
        target: _Target,
        selector: str,
        position: int,
        send: Send,
        gone_away: asyncio.Future[Any],
        limit: asyncio.Future[Any],
    ) -> bool:
        """Send what happens until the client goes or the time is over; False if the watch was broken."""
        breaks = self._breaks
        while not gone_away.done() and not limit.done():
            if breaks != self._breaks:
                return False
            for event in [event for event in self._log if event.version > position]:
                position = event.version
                for type_ in _seen_as(event, target, selector):
                    await _send_event(send, type_, event.object)
            moved = asyncio.ensure_future(self._moved.wait())
            await asyncio.wait({moved, gone_away, limit}, return_when=asyncio.FIRST_COMPLETED)
            moved.cancel()
        return True


def _target(path: str) -> _Target:
    found = _PATH.fullmatch(path)
    if found is None:
        raise Refusal(404, "NotFound", "the server could not find the requested resource")
    parts = found.groupdict(default="")
    return _Target(parts["group"], parts["plural"], parts["namespace"], parts["name"], parts["subresource"])


def _seen_as(event: _Event, target: _Target, selector: str) -> Iterator[str]:
    """How an event looks to a watch with a selector: an object that ceases to match is gone for it."""
    if event.bucket != target.bucket:
        return
    before = event.previous is not None and target.selects(event.previous, selector)
    after = event.type != "DELETED" and target.selects(event.object, selector)
    if after:
        yield "MODIFIED" if before else "ADDED"
    elif before:
        yield "DELETED"


def _matches(selector: str, labels: Mapping[str, str]) -> bool:
    for term in filter(None, re.split(r",(?![^(]*\))", selector)):
        if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
            key, operator, values = found.groups()
            holds = (labels.get(key) in values.split(",")) == (operator == "in")
        elif "=" in term:
            key, _, value = term.partition("=")
            holds = labels.get(key) == value
        else:
            holds = (term.lstrip("!") in labels) != term.startswith("!")
        if not holds:
            return False
    return True


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386; works in place where it can."""
    if not isinstance(patch, dict):
        return patch
    merged = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _status(refusal: Refusal) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": str(refusal),
        "reason": refusal.reason,
        "details": refusal.details,
        "code": refusal.code,
    }


async def _respond(send: Send, code: int, content: Object, retry_after: int | None = None) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(content)})


async def _send_event(send: Send, type_: str, obj: Object) -> None:
    line = msgspec.json.encode({"type": type_, "object": obj}) + b"\n"
    await send({"type": "http.response.body", "body": line, "more_body": True})
