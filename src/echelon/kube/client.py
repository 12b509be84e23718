"""The client: what a program does to the objects of one API server.

Objects are typed by their struct (``MemberCluster``) or are dicts (``Unstructured(resource)``, or a
dict whose resource is found by discovery). Changes to typed objects travel as patches::

    changed = msgspec.structs.replace(binding, spec=…)
    binding = await client.patch_object(binding, changed)      # no request when nothing changed
    binding = await client.patch_status(binding, with_status)

A write's answer is shown to ``observers`` (the cache is one) before it is returned, so a controller
that reads the cache afterwards sees its own write. Failures are ``ApiError``; see ``rest`` for what
is retried, which is little.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from echelon.api.meta import LabelSelector, ObjectMeta, Resource
from echelon.kube.errors import Expired, NotFound, Undecodable, from_status
from echelon.kube.kinds import (
    INITIAL_EVENTS_END,
    Key,
    Kind,
    KindLike,
    Name,
    Unstructured,
    key_of,
    kind_of,
    selector_text,
)
from echelon.kube.mapper import Mapper
from echelon.kube.patches import COMPOSITE, ApplyPatch, MergePatch, Patch, applied, difference
from echelon.kube.rest import TIMEOUT, BeforeWrite, RateLimit, Rest
from echelon.kube.transport import EMPTY, Transport

T = TypeVar("T")
Labels = LabelSelector | Mapping[str, str] | None
Observer = Callable[[Kind[Any], Any], None]
Propagation = Literal["Background", "Foreground", "Orphan"]

_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
PAGE_SIZE = 500
WATCH_SLACK = 15.0  # seconds that a server may be late in ending a watch


class ObjectList(msgspec.Struct, Generic[T], frozen=True):
    """All objects that a list asked for, and the version at which that was so."""

    items: Sequence[T]
    resource_version: str


EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """Something that happened; a bookmark has no object and tells how far the watch has come."""

    type: EventType
    object: T | None
    resource_version: str
    initial_events_end: bool = False


class VersionInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What a server says of itself at ``/version``."""

    major: str
    minor: str
    git_version: str
    platform: str = ""


class _IssuedToken(msgspec.Struct):
    token: str

    def __repr__(self) -> str:
        return "_IssuedToken(…)"


class _TokenRequest(msgspec.Struct):
    status: _IssuedToken


class _Typed(msgspec.Struct):
    kind: str = ""


class _Bookmark(msgspec.Struct):
    metadata: ObjectMeta


class _RawEvent(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


_raw_event = msgspec.json.Decoder(_RawEvent)
_bookmark = msgspec.json.Decoder(_Bookmark)


class Watch(Generic[T]):
    """The events of one stream, in order; ends when the server ends it."""

    def __init__(self, kind: Kind[T], lines: AsyncIterator[bytes]) -> None:
        self._kind = kind
        self._lines = lines

    def __aiter__(self) -> Watch[T]:
        return self

    async def __anext__(self) -> WatchEvent[T]:
        line = await anext(self._lines)
        try:
            event = _raw_event.decode(line)
            match event.type:
                case "ADDED" | "MODIFIED" | "DELETED":
                    obj = self._kind.decode(event.object)
                    return WatchEvent(event.type, obj, self._kind.meta(obj).resource_version)
                case "BOOKMARK":
                    metadata = _bookmark.decode(event.object).metadata
                    ended = metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                    return WatchEvent("BOOKMARK", None, metadata.resource_version, ended)
                case _:
                    raise from_status(msgspec.json.decode(event.object))
        except msgspec.DecodeError as error:
            raise Undecodable(f"watch of {self._kind.resource.plural}: {error}") from error


class Client:
    """Reads and writes the objects of one API server.

    ``field_manager`` names the writer of fields; ``before_write`` is called with method and path
    before each write (see ``rest``).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        field_manager: str = "echelon",
        before_write: BeforeWrite | None = None,
        rate_limit: RateLimit | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.field_manager = field_manager
        self.observers: list[Observer] = []
        self._transport = transport
        self._rest = Rest(transport, before_write=before_write, rate_limit=rate_limit, timeout=timeout)
        self.mapper = Mapper(self._rest)

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    # Reading

    async def get(self, kind: KindLike[T], name: Name) -> T:
        """An object, as it is on the server now. Raises NotFound."""
        found = kind_of(kind)
        answer = await self._rest.request("get", "GET", _path(found.resource, key_of(name)))
        return found.decode(answer.body)

    async def list(
        self, kind: KindLike[T], *, namespace: str | None = None, labels: Labels = None, fields: str = ""
    ) -> ObjectList[T]:
        """All objects that match, page by page. Pages that expire in between are read again, as a whole."""
        query = _selection(labels, fields)
        try:
            return await self._list(kind_of(kind), namespace, query | {"limit": str(PAGE_SIZE)})
        except Expired:
            return await self._list(kind_of(kind), namespace, query)

    async def _list(self, kind: Kind[T], namespace: str | None, query: Mapping[str, str]) -> ObjectList[T]:
        path = _path(kind.resource, (namespace or "", ""))
        items: list[T] = []
        page_query = dict(query)
        while True:
            answer = await self._rest.request("list", "GET", path, query=page_query)
            page = kind.decode_page(answer.body)
            items += page.items or ()
            if not page.metadata.continue_:
                return ObjectList(items, page.metadata.resource_version)
            page_query["continue"] = page.metadata.continue_

    @asynccontextmanager
    async def watch(
        self,
        kind: KindLike[T],
        *,
        resource_version: str = "",
        namespace: str | None = None,
        labels: Labels = None,
        fields: str = "",
        initial_events: bool = False,
        timeout: float = 300.0,
    ) -> AsyncIterator[Watch[T]]:
        """What happens after ``resource_version``, until the server ends the watch after ``timeout`` seconds.

        With ``initial_events`` the objects that exist come first, as ADDED, up to a bookmark with
        ``initial_events_end``. An ERROR event is raised. Reflectors make a lasting watch of this.
        """
        found = kind_of(kind)
        query = _selection(labels, fields) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(timeout)),
        }
        if resource_version:
            query["resourceVersion"] = resource_version
        if initial_events:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        path = _path(found.resource, (namespace or "", ""))
        async with self._rest.stream("watch", path, query=query, timeout=timeout + WATCH_SLACK) as stream:
            yield Watch(found, stream.lines())

    async def get_raw(self, path: str, *, query: Mapping[str, str] = EMPTY, accept: str = "application/json") -> bytes:
        """The body of the answer at any path."""
        return (await self._rest.request("get", "GET", path, query=query, accept=accept)).body

    async def version(self) -> VersionInfo:
        """What the server is."""
        return msgspec.json.decode(await self.get_raw("/version"), type=VersionInfo)

    # Writing

    async def create(self, obj: T, kind: Kind[T] | None = None) -> T:
        """Create an object. Raises AlreadyExists."""
        found = await self._kind(obj, kind)
        content = found.plain(obj)
        namespace = content.get("metadata", {}).get("namespace", "")
        return await self._write("create", "POST", _path(found.resource, (namespace, "")), found, content)

    async def update(self, obj: T, kind: Kind[T] | None = None, *, subresource: str | None = None) -> T:
        """Replace an object whole; raises Conflict if it has changed since it was read.

        Fields that a struct does not name are lost: for kinds that Echelon does not own, use a patch.
        """
        found = await self._kind(obj, kind)
        path = _path(found.resource, found.key(obj), subresource)
        return await self._write("update", "PUT", path, found, found.plain(obj))

    async def update_status(self, obj: T, kind: Kind[T] | None = None) -> T:
        """Replace an object's status; raises Conflict if the object has changed since it was read."""
        return await self.update(obj, kind, subresource="status")

    async def patch(
        self, kind: KindLike[T], name: Name, patch: Patch, *, subresource: str | None = None, dry_run: bool = False
    ) -> T:
        """Change an object, or with ``dry_run`` see what would become of it.

        Raises NotFound, except for an ApplyPatch, which creates.
        """
        found = kind_of(kind)
        query = {"force": "true"} if isinstance(patch, ApplyPatch) and patch.force else {}
        if dry_run:
            query["dryRun"] = "All"
        path = _path(found.resource, key_of(name), subresource)
        return await self._write("patch", "PATCH", path, found, patch.content, patch.content_type, query)

    async def patch_object(self, old: T, new: T, kind: Kind[T] | None = None, *, lock: bool = False) -> T:
        """Send what differs between two values of an object, status aside; nothing when they are equal.

        With ``lock`` the patch holds only if the object is still at ``old``'s resource version
        (raises Conflict). Gives the object as it is then.
        """
        found = await self._kind(old, kind)
        ignored = ("apiVersion", "kind", "status")
        changes = {field: change for field, change in _difference(old, new).items() if field not in ignored}
        return await self._patch_difference(found, old, changes, None, lock)

    async def patch_status(self, old: T, new: T, kind: Kind[T] | None = None, *, lock: bool = False) -> T:
        """Send what differs between the status of two values of an object; as ``patch_object``."""
        found = await self._kind(old, kind)
        changes = {field: change for field, change in _difference(old, new).items() if field == "status"}
        return await self._patch_difference(found, old, changes, "status", lock)

    async def _patch_difference(
        self, kind: Kind[T], old: T, changes: dict[str, Any], subresource: str | None, lock: bool
    ) -> T:
        if not changes:
            return old
        if lock:
            changes.setdefault("metadata", {})["resourceVersion"] = kind.meta(old).resource_version
        return await self.patch(kind, kind.key(old), MergePatch(changes), subresource=subresource)

    async def apply(
        self, obj: T, kind: Kind[T] | None = None, *, force: bool = True, subresource: str | None = None
    ) -> T:
        """Server-side apply: create the object or make its fields as given. Raises Conflict without ``force``."""
        found = await self._kind(obj, kind)
        content = applied(found.plain(obj), subresource)
        return await self.patch(found, found.key(obj), ApplyPatch(content, force), subresource=subresource)

    async def delete(
        self,
        kind: KindLike[Any],
        name: Name,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation | None = None,
        grace_period: int | None = None,
        missing_ok: bool = False,
    ) -> None:
        """Delete an object; with ``uid`` or ``resource_version``, only if it is that one (raises Conflict).

        ``grace_period`` is the time in seconds that a pod has to end.
        """
        found = kind_of(kind)
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        content = _delete_options(
            propagation, {key: value for key, value in preconditions.items() if value}, grace_period
        )
        try:
            answer = await self._rest.request("delete", "DELETE", _path(found.resource, key_of(name)), content=content)
        except NotFound:
            if not missing_ok:
                raise
            return
        if msgspec.json.decode(answer.body, type=_Typed).kind == found.resource.kind:  # not gone yet: finalizers
            self._observe(found, found.decode(answer.body))

    async def delete_all(
        self,
        kind: KindLike[Any],
        *,
        namespace: str | None = None,
        labels: Labels = None,
        fields: str = "",
        propagation: Propagation | None = None,
    ) -> None:
        """Delete all objects that match."""
        path = _path(kind_of(kind).resource, (namespace or "", ""))
        query = _selection(labels, fields)
        content = _delete_options(propagation, {})
        await self._rest.request("deletecollection", "DELETE", path, query=query, content=content)

    async def issue_token(self, account: Name, seconds: int) -> str:
        """A new token of a service account, good for so many seconds or for less, as the server will have it."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = _path(_ACCOUNTS, key_of(account), "token")
        answer = await self._rest.request("create", "POST", path, content=request)
        return msgspec.json.decode(answer.body, type=_TokenRequest).status.token

    async def _write(
        self,
        verb: str,
        method: str,
        path: str,
        kind: Kind[T],
        content: Any,
        content_type: str = "application/json",
        query: Mapping[str, str] = EMPTY,
    ) -> T:
        query = {"fieldManager": self.field_manager, **query}
        answer = await self._rest.request(verb, method, path, query=query, content=content, content_type=content_type)
        obj = kind.decode(answer.body)
        if "dryRun" not in query:
            self._observe(kind, obj)
        return obj

    def _observe(self, kind: Kind[T], obj: T) -> None:
        for observer in self.observers:
            observer(kind, obj)

    async def _kind(self, obj: T, kind: Kind[T] | None) -> Kind[T]:
        if kind is not None:
            return kind
        if isinstance(obj, dict):
            resource = await self.mapper.resource(obj["apiVersion"], obj["kind"])
            return Unstructured(resource)  # type: ignore[return-value]  # T is a dict here
        return kind_of(type(obj))


def _path(resource: Resource, key: Key, subresource: str | None = None) -> str:
    namespace, name = key
    return resource.path(quote(namespace, safe=""), quote(name, safe=":"), subresource)


def _difference(old: T, new: T) -> Mapping[str, Any]:
    assert isinstance(old, COMPOSITE)
    assert isinstance(new, COMPOSITE)
    return difference(old, new)


def _selection(labels: Labels, fields: str) -> dict[str, str]:
    selection = {"labelSelector": selector_text(labels), "fieldSelector": fields}
    return {key: value for key, value in selection.items() if value}


def _delete_options(
    propagation: Propagation | None, preconditions: Mapping[str, str], grace_period: int | None = None
) -> dict[str, Any] | None:
    options: dict[str, Any] = {} if grace_period is None else {"gracePeriodSeconds": grace_period}
    if propagation:
        options["propagationPolicy"] = propagation
    if preconditions:
        options["preconditions"] = preconditions
    return {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
