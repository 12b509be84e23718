"""The hub's own objects, watched so that placements can select them and learn when they change.

Watching begins when the first placement needs it and covers every kind that could be selected; a
new CustomResourceDefinition adds its kind. Who is told what changed is the placement controller.
"""

from __future__ import annotations

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

Listener = Callable[[Resource, Object], None]


class HubContent:
    """Every object of the hub that a placement could select. Satisfies ``selection.Content``."""

    def __init__(self, client: Client, cache: SharedCache) -> None:
        self._client = client
        self._cache = cache
        self._informers: dict[tuple[str, str], Informer[dict[str, Any]]] = {}
        self._versions: dict[tuple[str, str, str], Resource] = {}
        self._listeners: list[Listener] = []
        self._stale = True
        self._ready = False

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` with every object that is added, changed or removed."""
        self._listeners.append(listener)

    async def ready(self) -> None:
        """Watch everything that can be selected; returns once all of it is here."""
        if not self._ready:
            self._cache.informer(Unstructured(_DEFINITIONS)).add_handler(self._definition_changed)
            self._ready = True
        if self._stale:
            self._stale = False
            await self._discover()
        for informer in list(self._informers.values()):
            if not informer.has_synced:
                await informer.wait_for_sync()

    async def _discover(self) -> None:
        self._client.mapper.forget()
        served: set[tuple[str, str]] = set()
        for found in await self._client.mapper.resources():
            resource = found.resource
            key = (resource.group, resource.kind)
            if not (found.verbs >= _WATCH and is_selectable_kind(*key)):
                continue
            self._versions[resource.group, resource.version, resource.kind] = resource
            if found.preferred:
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
            self._tell(_DEFINITIONS, change.object)

    def _changed(self, resource: Resource, change: Change[dict[str, Any]]) -> None:
        if not change.initial:
            self._tell(resource, change.object)

    def _tell(self, resource: Resource, obj: Object) -> None:
        for listener in self._listeners:
            listener(resource, obj)

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
