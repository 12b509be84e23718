"""The hub's own objects, watched so that placements can select them and learn when they change.

Watching begins when the first placement needs it and covers every kind that could be selected; a
new CustomResourceDefinition adds its kind. Who is told what changed is the placement controller.
Nobody reads before all of it is here: what is only not seen yet would look like what is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from echelon.api.meta import Resource
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import Unstructured
from echelon.placement.selection import Object, is_selectable_kind

_DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
_WATCH = frozenset({"list", "watch"})

# The kind of what changed and its namespace: empty for cluster-scoped objects, None when it is the kind itself
# that came, changed or went.
Listener = Callable[[Resource, str | None], None]


class HubContent:
    """Every object of the hub that a placement could select. Satisfies ``selection.Content``."""

    def __init__(self, client: Client, cache: SharedCache) -> None:
        self._client = client
        self._cache = cache
        self._informers: dict[tuple[str, str], Informer[dict[str, Any]]] = {}
        self._versions: dict[tuple[str, str, str], Resource] = {}
        self._listeners: list[Listener] = []
        self._stale = True
        self._following = False
        self._discovering = asyncio.Lock()

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` whenever an object is added, changed or removed, or a kind is."""
        self._listeners.append(listener)

    async def ready(self) -> None:
        """Watch everything that can be selected; returns once all of it is here."""
        if not self._following:
            self._following = True
            self._cache.informer(Unstructured(_DEFINITIONS)).add_handler(self._definition_changed)
        async with self._discovering:
            if self._stale:
                await self._discover()
        for informer in list(self._informers.values()):
            if not informer.has_synced:
                await informer.wait_for_sync()

    async def _discover(self) -> None:
        self._stale = False
        self._client.mapper.forget()
        try:
            resources = await self._client.mapper.resources()
        except BaseException:
            self._stale = True
            raise
        served: set[tuple[str, str]] = set()
        # A kind is watched in the version that its group prefers, or else in the first that has it.
        for found in sorted(resources, key=lambda found: not found.preferred):
            resource = found.resource
            key = (resource.group, resource.kind)
            if not (found.verbs >= _WATCH and is_selectable_kind(*key)):
                continue
            self._versions[resource.group, resource.version, resource.kind] = resource
            if key not in served:
                served.add(key)
                self._watch(key, resource)
        for key in [key for key in self._informers if key not in served]:
            await self._cache.drop(self._informers.pop(key))
        self._versions = {key: value for key, value in self._versions.items() if (key[0], key[2]) in served}

    def _watch(self, key: tuple[str, str], resource: Resource) -> None:
        if key in self._informers:
            return
        informer = self._cache.informer(Unstructured(resource))
        self._informers[key] = informer
        informer.add_handler(lambda change: self._changed(resource, change))

    def _definition_changed(self, change: Change[dict[str, Any]]) -> None:
        """A kind has come or gone, or is served in other versions."""
        if not change.initial:
            self._stale = True
            self._tell(_DEFINITIONS, "")
            self._tell(_defined_by(change.object), None)

    def _changed(self, resource: Resource, change: Change[dict[str, Any]]) -> None:
        if not change.initial:
            self._tell(resource, change.object["metadata"].get("namespace", ""))

    def _tell(self, resource: Resource, namespace: str | None) -> None:
        for listener in self._listeners:
            listener(resource, namespace)

    # selection.Content

    def resource(self, group: str, version: str, kind: str) -> Resource | None:
        return self._versions.get((group, version, kind))

    def namespaced_resources(self) -> Iterable[Resource]:
        return [informer.kind.resource for informer in self._informers.values() if informer.kind.resource.namespaced]

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        informer = self._informers.get((resource.group, resource.kind))
        return None if informer is None else informer.get((namespace, name))

    def list(self, resource: Resource, namespace: str | None = None) -> Iterable[Object]:
        informer = self._informers.get((resource.group, resource.kind))
        return () if informer is None else informer.list(namespace)


def _defined_by(definition: Object) -> Resource:
    spec = definition["spec"]
    names = spec["names"]
    version = spec["versions"][0]["name"]
    return Resource(spec["group"], version, names["plural"], names["kind"], spec["scope"] == "Namespaced")
