"""Discovery documents: which groups, versions and resources there are.

Each is given plainly (``/api``, ``/apis``, ``/apis/<group>``, ``/apis/<group>/<version>``) and, on
``/api`` and ``/apis``, aggregated in the version the client asks for. Documents are made when first
asked for and kept as bytes until the registry changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from echelon.apiserver.definitions import Object, ResourceDefinition, group_version
from echelon.apiserver.errors import no_such_resource
from echelon.apiserver.negotiate import Form, discovery_form
from echelon.apiserver.registry import Registry, Served
from echelon.apiserver.responses import Answer, encode, page_not_found

ActionNames = Callable[[str, str], Iterable[str]]
"""Gives the subresources of a group and plural that are answered by actions."""

_ACTION_KINDS: dict[tuple[str, str, str], Object] = {
    ("", "serviceaccounts", "token"): {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
}
"""The kind that an action takes and gives, where it is not the resource's own."""


class Discovery:
    """Answers discovery requests from a registry."""

    def __init__(self, registry: Registry, action_names: ActionNames = lambda group, plural: ()) -> None:
        self._registry = registry
        self._action_names = action_names
        self._documents: dict[tuple[str, ...], bytes] = {}
        self._generation = -1

    def answer(self, segments: list[str], accept: str, if_none_match: str = "") -> Answer:
        """The answer to ``/api…`` or ``/apis…`` with at most a group and a version behind.

        Raises:
            StatusError: 404 for an unknown version, 406.
        """
        form = discovery_form(accept)
        if form.as_ and len(segments) == 1:
            body = self._document(
                ("aggregated", segments[0], form.version), lambda: self._aggregated(segments[0], form)
            )
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            headers = [(b"etag", etag.encode()), (b"vary", b"Accept")]
            if if_none_match == etag:
                return Answer(304, b"", form.content_type, headers)
            return Answer(200, body, form.content_type, headers)
        plain = Form(form.media_type)
        document = self._plain(segments)
        if document is None:
            return page_not_found()
        body = self._document(("plain", *segments), document)
        return Answer(200, encode(body, plain), plain.content_type)

    def _document(self, key: tuple[str, ...], make: Callable[[], Object]) -> bytes:
        if self._generation != self._registry.generation:
            self._documents.clear()
            self._generation = self._registry.generation
        document = self._documents.get(key)
        if document is None:
            document = self._documents[key] = orjson.dumps(make())
        return document

    def _plain(self, segments: list[str]) -> Callable[[], Object] | None:
        groups = self._registry.groups()
        match segments:
            case ["api"]:
                return self._core_versions
            case ["apis"]:
                return self._group_list
            case ["api", version]:
                return self._resource_list("", version, groups)
            case ["apis", group] if group in groups and group:
                return lambda: {"kind": "APIGroup", "apiVersion": "v1", **_group(group, groups[group])}
            case ["apis", group, version] if group:
                return self._resource_list(group, version, groups)
        return None

    def _core_versions(self) -> Object:
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        }

    def _group_list(self) -> Object:
        groups = [_group(name, versions) for name, versions in self._registry.groups().items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _resource_list(self, group: str, version: str, groups: dict[str, list[str]]) -> Callable[[], Object]:
        if version not in groups.get(group, ()):
            raise no_such_resource()
        return lambda: {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version(group, version),
            "resources": [
                entry for served in self._registry.in_version(group, version) for entry in self._resources(served)
            ],
        }

    def _resources(self, served: Served) -> list[Object]:
        definition = served.definition
        main: Object = {
            "name": definition.plural,
            "singularName": definition.singular,
            "namespaced": definition.namespaced,
            "kind": definition.kind,
            "verbs": list(definition.verbs),
        }
        if definition.short_names:
            main["shortNames"] = list(definition.short_names)
        if definition.categories:
            main["categories"] = list(definition.categories)
        return [main] + [
            {
                "name": f"{definition.plural}/{name}",
                "singularName": "",
                "namespaced": definition.namespaced,
                **kind,
                "verbs": verbs,
            }
            for name, kind, verbs in self._subresources(served)
        ]

    def _subresources(self, served: Served) -> list[tuple[str, Object, list[str]]]:
        """Name, kind (with group and version where they differ) and verbs of each subresource."""
        definition, found = served.definition, []
        if (definition.group, definition.plural) == ("", "namespaces"):
            found.append(("finalize", {"kind": definition.kind}, ["update"]))
        if served.version.scale is not None:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
            found.append(("scale", scale, ["get", "patch", "update"]))
        if served.version.status:
            found.append(("status", {"kind": definition.kind}, ["get", "patch", "update"]))
        for name in self._action_names(definition.group, definition.plural):
            kind = _ACTION_KINDS.get((definition.group, definition.plural, name), {"kind": definition.kind})
            found.append((name, kind, ["create"]))
        return found

    def _aggregated(self, root: str, form: Form) -> Object:
        groups = self._registry.groups()
        wanted = {name: versions for name, versions in groups.items() if bool(name) is (root == "apis")}
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": form.api_version,
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
                    "versions": [
                        {
                            "version": version,
                            "resources": [
                                self._aggregated_resource(served) for served in self._registry.in_version(name, version)
                            ],
                            "freshness": "Current",
                        }
                        for version in versions
                    ],
                }
                for name, versions in wanted.items()
            ],
        }

    def _aggregated_resource(self, served: Served) -> Object:
        definition = served.definition
        entry: Object = {
            "resource": definition.plural,
            "responseKind": _kind(definition, served.version.name),
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "singularResource": definition.singular,
            "verbs": list(definition.verbs),
        }
        if definition.short_names:
            entry["shortNames"] = list(definition.short_names)
        if definition.categories:
            entry["categories"] = list(definition.categories)
        subresources: list[dict[str, Any]] = [
            {"subresource": name, "responseKind": _kind(definition, served.version.name) | kind, "verbs": verbs}
            for name, kind, verbs in self._subresources(served)
        ]
        if subresources:
            entry["subresources"] = subresources
        return entry


def _kind(definition: ResourceDefinition, version: str) -> Object:
    return {"group": definition.group, "version": version, "kind": definition.kind}


def _group(name: str, versions: list[str]) -> Object:
    entries = [{"groupVersion": group_version(name, version), "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}
