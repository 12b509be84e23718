"""OpenAPI v3: an index, and one document for each group version.

kubectl validates and explains from these, and decides by them how to patch: the media types listed
for PATCH are those a resource takes, and ``fieldValidation`` must be among its parameters. A
document is made when first asked for, kept as bytes with its hash, and made anew only when one of
its resources has changed. ``/openapi/v2`` is not served: clients ask for it in protobuf only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from echelon.apiserver.builtin import openapi as builtin
from echelon.apiserver.builtin.schema import BuiltinSchema
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.handlers.patch import BUILTIN_TYPES, CUSTOM_TYPES
from echelon.apiserver.registry import Registry, Served
from echelon.apiserver.responses import Answer, page_not_found

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SCALE = "io.k8s.api.autoscaling.v1.Scale"
_COMMON = ("ObjectMeta", "ListMeta", "DeleteOptions", "Status")
_JSON = "application/json"


class _Document(msgspec.Struct, frozen=True):
    definitions: tuple[ResourceDefinition, ...]
    body: bytes
    hash: str


class OpenAPI:
    """Answers ``/openapi/v3…`` from a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[tuple[str, str], _Document] = {}
        self._index: tuple[int, bytes] = (-1, b"")

    def answer(self, segments: Sequence[str], hash_: str, if_none_match: str) -> Answer:
        """The answer to a path below ``/openapi/v3``, given as the segments behind it."""
        if not segments:
            return Answer(200, self._paths())
        key = _group_version(segments)
        if key is None or key[1] not in self._registry.groups().get(key[0], ()):
            return page_not_found()
        document = self._document(*key)
        etag = f'"{document.hash}"'
        headers = [(b"etag", etag.encode()), (b"vary", b"Accept")]
        if hash_ and hash_ != document.hash:
            headers.append((b"location", f"{_path(*key)}?hash={document.hash}".encode()))
            return Answer(301, b"", headers=headers)
        if if_none_match == etag:
            return Answer(304, b"", headers=headers)
        return Answer(200, document.body, headers=headers)

    def _paths(self) -> bytes:
        if self._index[0] != self._registry.generation:
            paths = {
                _path(group, version).removeprefix("/openapi/v3/"): {
                    "serverRelativeURL": f"{_path(group, version)}?hash={self._document(group, version).hash}"
                }
                for group, versions in self._registry.groups().items()
                for version in versions
            }
            self._index = (self._registry.generation, orjson.dumps({"paths": paths}))
        return self._index[1]

    def _document(self, group: str, version: str) -> _Document:
        served = self._registry.in_version(group, version)
        definitions = tuple(entry.definition for entry in served)
        kept = self._documents.get((group, version))
        if kept is not None and _same(kept.definitions, definitions):
            return kept
        body = orjson.dumps(document(served))
        made = _Document(definitions, body, hashlib.sha256(body).hexdigest().upper())
        self._documents[group, version] = made
        return made


def _same(old: Sequence[ResourceDefinition], new: Sequence[ResourceDefinition]) -> bool:
    return len(old) == len(new) and all(one is other for one, other in zip(old, new, strict=True))


def _group_version(segments: Sequence[str]) -> tuple[str, str] | None:
    match list(segments):
        case ["api", version]:
            return "", version
        case ["apis", group, version]:
            return group, version
    return None


def _path(group: str, version: str) -> str:
    return f"/openapi/v3/apis/{group}/{version}" if group else f"/openapi/v3/api/{version}"


def document(served: Iterable[Served]) -> Object:
    """The OpenAPI document of the resources of one group version."""
    entries = list(served)
    needed = [f"{_META}.{name}" for name in _COMMON]
    schemas: dict[str, Any] = {}
    for entry in entries:
        schema = entry.version.schema
        if isinstance(schema, BuiltinSchema):
            needed.append(schema.component)
            if not entry.definition.virtual:
                needed.append(f"{schema.component}List")
        else:
            schemas |= _custom_components(entry)
    if any(entry.version.scale is not None for entry in entries):
        needed.append(_SCALE)
    known = builtin.components()
    schemas |= builtin.reachable(name for name in dict.fromkeys(needed) if name in known)
    paths: dict[str, Any] = {}
    for entry in entries:
        paths |= _paths_of(entry)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def component_of(entry: Served) -> str:
    """The name of a kind's schema: its group backwards, version and kind."""
    schema = entry.version.schema
    if isinstance(schema, BuiltinSchema):
        return schema.component
    group = ".".join(reversed(entry.definition.group.split(".")))
    return f"{group}.{entry.version.name}.{entry.definition.kind}"


def _ref(component: str) -> Object:
    return {"$ref": f"#/components/schemas/{component}"}


def _identity(entry: Served, kind: str) -> Object:
    return {"group": entry.definition.group, "version": entry.version.name, "kind": kind}


def _custom_components(entry: Served) -> Object:
    name, definition = component_of(entry), entry.definition
    source = entry.version.schema.openapi
    head = {
        "apiVersion": {"type": "string", "description": "Group and version of the kind."},
        "kind": {"type": "string", "description": "The kind's name, in CamelCase."},
    }
    metadata = {"allOf": [_ref(f"{_META}.ObjectMeta")], "description": "Standard object metadata."}
    properties = {**(source.get("properties") or {}), **head, "metadata": metadata}
    one = {**source, "type": "object", "properties": properties}
    one["x-kubernetes-group-version-kind"] = [_identity(entry, definition.kind)]
    many = {
        "type": "object",
        "description": f"A list of {definition.kind}.",
        "required": ["items"],
        "properties": {
            **head,
            "metadata": {"allOf": [_ref(f"{_META}.ListMeta")], "description": "Standard list metadata."},
            "items": {"type": "array", "items": _ref(name)},
        },
        "x-kubernetes-group-version-kind": [_identity(entry, definition.list_kind)],
    }
    return {name: one, f"{name}List": many}


_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "name of the object",
    "schema": {"type": "string", "uniqueItems": True},
}
_NAMESPACE = {**_NAME, "name": "namespace", "description": "namespace of the object"}


def _query(name: str, type_: str, description: str) -> Object:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": type_, "uniqueItems": True},
    }


_PRETTY = _query("pretty", "string", "Accepted for compatibility.")
_DRY_RUN = _query("dryRun", "string", "All: go through every step of the request but storing it.")
_WRITE = [
    _DRY_RUN,
    _query("fieldManager", "string", "Who the changed fields belong to."),
    _query("fieldValidation", "string", "What happens to unknown and duplicate fields: Ignore, Warn or Strict."),
]
_FORCE = _query("force", "boolean", "Take fields from other managers when applying.")
_LIST = [
    _query("allowWatchBookmarks", "boolean", "Send BOOKMARK events in a watch."),
    _query("continue", "string", "Token of the next chunk of a list."),
    _query("fieldSelector", "string", "Which objects, by their fields."),
    _query("labelSelector", "string", "Which objects, by their labels."),
    _query("limit", "integer", "How many objects at most in one answer."),
    _query("resourceVersion", "string", "Which state to read, or from where to watch."),
    _query("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    _query("sendInitialEvents", "boolean", "Begin a watch with what exists."),
    _query("timeoutSeconds", "integer", "When the watch ends."),
    _query("watch", "boolean", "Stream changes instead of listing."),
]
_DELETE = [
    _DRY_RUN,
    _query("gracePeriodSeconds", "integer", "Seconds before the object goes."),
    _query("propagationPolicy", "string", "What happens to dependents: Orphan, Background or Foreground."),
]


def _paths_of(entry: Served) -> Object:
    definition = entry.definition
    root = f"/apis/{definition.group}/{entry.version.name}" if definition.group else f"/api/{entry.version.name}"
    everywhere = f"{root}/{definition.plural}"
    base = f"{root}/namespaces/{{namespace}}/{definition.plural}" if definition.namespaced else everywhere
    shared = [_PRETTY, *([_NAMESPACE] if definition.namespaced else [])]
    build = _Operations(entry)
    paths: Object = {base: build.collection(shared)}
    if definition.virtual:
        return paths
    if definition.namespaced:
        paths[everywhere] = {"parameters": [_PRETTY], "get": build.operation("list", _LIST, list_=True)}
    paths[f"{base}/{{name}}"] = build.item([*shared, _NAME])
    if entry.version.status:
        paths[f"{base}/{{name}}/status"] = build.subresource([*shared, _NAME])
    if entry.version.scale is not None:
        scale = _Operations(entry, _SCALE, {"group": "autoscaling", "version": "v1", "kind": "Scale"})
        paths[f"{base}/{{name}}/scale"] = scale.subresource([*shared, _NAME])
    return paths


class _Operations:
    """Path items of one resource."""

    def __init__(self, entry: Served, component: str | None = None, identity: Object | None = None) -> None:
        self._verbs = entry.definition.verbs
        self._component = component or component_of(entry)
        self._identity = identity or _identity(entry, entry.definition.kind)
        self._patch_types = BUILTIN_TYPES if entry.definition.builtin else CUSTOM_TYPES

    def operation(
        self,
        action: str,
        parameters: Sequence[Object] = (),
        *,
        list_: bool = False,
        body: Object | None = None,
        result: str = "",
        code: str = "200",
    ) -> Object:
        component = result or (f"{self._component}List" if list_ else self._component)
        made: Object = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": self._identity}
        if parameters:
            made["parameters"] = list(parameters)
        if body is not None:
            made["requestBody"] = {"content": body}
        made["responses"] = {code: {"description": "OK", "content": {_JSON: {"schema": _ref(component)}}}}
        return made

    def collection(self, shared: list[Object]) -> Object:
        item: Object = {"parameters": shared}
        if "list" in self._verbs:
            item["get"] = self.operation("list", _LIST, list_=True)
        if "create" in self._verbs:
            item["post"] = self.operation("post", _WRITE, body=self._own_body(), code="201")
        if "deletecollection" in self._verbs:
            item["delete"] = self.operation(
                "deletecollection", [*_DELETE, *_LIST], body=_delete_body(), result=f"{_META}.Status"
            )
        return item

    def item(self, shared: list[Object]) -> Object:
        item = self.subresource(shared)
        if "delete" in self._verbs:
            item["delete"] = self.operation("delete", _DELETE, body=_delete_body(), result=f"{_META}.Status")
        return item

    def subresource(self, shared: list[Object]) -> Object:
        item: Object = {"parameters": shared}
        if "get" in self._verbs:
            item["get"] = self.operation("get")
        if "update" in self._verbs:
            item["put"] = self.operation("put", _WRITE, body=self._own_body())
        if "patch" in self._verbs:
            body = {type_: {"schema": {"type": "object"}} for type_ in self._patch_types}
            item["patch"] = self.operation("patch", [*_WRITE, _FORCE], body=body)
        return item

    def _own_body(self) -> Object:
        return {"*/*": {"schema": _ref(self._component)}}


def _delete_body() -> Object:
    return {"*/*": {"schema": _ref(f"{_META}.DeleteOptions")}}
