"""What is on the member: objects read from memory, and who is to hear of their changes.

Each kind is watched in each namespace where a Work names an object of it; where that comes to be many
namespaces, in all of them by one watch, if the agent may. A change of an object is
told to all Works that name it, whoever owns it: that is how the agent learns that a workload is ready,
that something was changed or deleted by hand, and that an object which belonged to another placement
is free. A kind that the member does not have yet is waited for by watching its definitions.

Where a watch does not come up (the agent may not list the kind), objects are read one by one, and
``is_watched`` is False: then only looking again shows what has become of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from echelon.api.fields import Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import Key, Unstructured
from echelon.kube.mapper import NoSuchKind
from echelon.kube.tasks import cancel

Object = dict[str, Any]
Scope = tuple[Resource, str | None]  # a kind, and the namespace in which it is watched
Place = tuple[Resource, Key]

SYNC_GRACE = 1.0  # seconds that a first read waits for the watch to come up
WIDE = 16  # from so many namespaces on one watch of all is less than one of each


class DefinitionNames(Value, frozen=True, kw_only=True):
    kind: str = ""


class DefinitionSpec(Value, frozen=True, kw_only=True):
    group: str = ""
    names: DefinitionNames = DefinitionNames()


class DefinitionStatus(Value, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()


class CustomResourceDefinition(KubeObject, frozen=True, kw_only=True):
    """As much of a definition as says which kind has come to be served."""

    resource: ClassVar[Resource] = Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
    )

    spec: DefinitionSpec = DefinitionSpec()
    status: DefinitionStatus = DefinitionStatus()

    @property
    def defines(self) -> tuple[str, str]:
        """The group and kind that it brings."""
        return self.spec.group, self.spec.names.kind

    @property
    def is_established(self) -> bool:
        return any(item.type == "Established" and item.status == "True" for item in self.status.conditions)


class MemberWatch:
    """Reads the objects of a member and tells the Works that name them of their changes."""

    def __init__(self, client: Client, cache: SharedCache, on_change: Callable[[str], None]) -> None:
        """``on_change`` is called with the name of a Work, each time an object that it names has changed."""
        self._client = client
        self._cache = cache
        self._on_change = on_change
        self._informers: dict[Scope, Informer[Object]] = {}
        self._late: dict[Scope, asyncio.Task[None]] = {}
        self._narrow: dict[Resource, set[str]] = {}  # the namespaces in which a kind is watched
        self._wide: set[Resource] = set()  # the namespaced kinds that are watched in all namespaces
        self._widening: dict[Resource, asyncio.Task[None]] = {}
        self._works: dict[Scope, dict[Key, set[str]]] = {}
        self._places: dict[str, set[Place]] = {}
        self._missing: dict[tuple[str, str], set[str]] = {}
        self._definitions: Informer[CustomResourceDefinition] | None = None

    async def resource(self, api_version: str, kind: str, work: str) -> Resource:
        """The resource of a kind; if there is none, the Work hears when there is.

        Raises:
            NoSuchKind: the member does not have it.
        """
        mapper = self._client.mapper
        try:
            return await mapper.resource(api_version, kind)
        except NoSuchKind:
            group = api_version.rpartition("/")[0]
            self._missing.setdefault((group, kind), set()).add(work)
            if not self._is_defined(group, kind):
                raise
        mapper.forget()  # it has come since discovery was last read
        return await mapper.resource(api_version, kind)

    async def read(self, resource: Resource, key: Key, work: str) -> Object | None:
        """An object as it is on the member, as far as is known here; from now on the Work hears of its changes.

        Raises:
            ApiError: the member cannot be asked, or has the kind no longer.
        """
        scope = self._scope(resource, key)
        self._works.setdefault(scope, {}).setdefault(key, set()).add(work)
        self._places.setdefault(work, set()).add((resource, key))
        informer = self._informers.get(scope)
        if informer is None:
            informer = self._watch(scope)
        if not informer.has_synced and scope not in self._late:
            try:
                async with asyncio.timeout(SYNC_GRACE):
                    await informer.wait_for_sync()
            except TimeoutError:
                if self._scope(resource, key) == scope:
                    self._await_sync(scope, informer)
        informer = self._informers.get(self._scope(resource, key), informer)  # the kind may be watched widely by now
        return informer.get(key) if informer.has_synced else await self.read_anew(resource, key)

    async def read_anew(self, resource: Resource, key: Key) -> Object | None:
        """An object as it is on the member now.

        Raises:
            ApiError: the member cannot be asked, or has the kind no longer.
        """
        try:
            return await self._client.get(Unstructured(resource), key)
        except NotFound as error:
            self.check_served(error)
            return None

    def check_served(self, error: NotFound) -> None:
        """Tell an object that is not there from a kind that is not there any more.

        Raises:
            NoSuchKind: the member does not have the kind that was asked for.
        """
        if not error.details.get("name"):
            self._client.mapper.forget()
            raise NoSuchKind(error.message) from error

    def is_watched(self, resource: Resource, key: Key) -> bool:
        """Whether changes of an object are heard of."""
        informer = self._informers.get(self._scope(resource, key))
        return informer is not None and informer.has_synced

    async def retain(self, work: str, places: Iterable[Place]) -> None:
        """A Work names these objects and no others any more."""
        kept = set(places)
        for resource, key in self._places.pop(work, set()) - kept:
            await self._unfollow(work, self._scope(resource, key), key)
        if kept:
            self._places[work] = kept

    async def forget(self, work: str) -> None:
        """A Work is gone."""
        await self.retain(work, ())
        for kind, waiting in list(self._missing.items()):
            waiting.discard(work)
            if not waiting:
                del self._missing[kind]

    async def close(self) -> None:
        await cancel([*self._late.values(), *self._widening.values()])
        self._late.clear()
        self._widening.clear()

    async def _unfollow(self, work: str, scope: Scope, key: Key) -> None:
        keys = self._works[scope]
        keys[key].discard(work)
        if keys[key]:
            return
        del keys[key]
        if keys:
            return
        del self._works[scope]
        await self._unwatch(scope)

    async def _unwatch(self, scope: Scope) -> None:
        resource, namespace = scope
        if namespace is None:
            self._wide.discard(resource)
        else:
            self._narrow[resource].discard(namespace)
        if late := self._late.pop(scope, None):
            await cancel([late])
        if informer := self._informers.pop(scope, None):
            await self._cache.drop(informer)

    def _scope(self, resource: Resource, key: Key) -> Scope:
        """Where an object is watched."""
        return resource, None if resource in self._wide else key[0] or None

    def _watch(self, scope: Scope) -> Informer[Object]:
        resource, namespace = scope
        informer = self._informers[scope] = self._cache.informer(Unstructured(resource), namespace=namespace)
        informer.add_handler(lambda change: self._changed(scope, change))
        if namespace is not None:
            narrow = self._narrow.setdefault(resource, set())
            narrow.add(namespace)
            if len(narrow) >= WIDE and resource not in self._widening:
                self._widening[resource] = asyncio.create_task(self._widen(resource), name=f"all {resource.plural}")
        return informer

    async def _widen(self, resource: Resource) -> None:
        """Watch a kind in all namespaces, and in each no more once that is up: an agent that may not keeps the many."""
        wide: Scope = resource, None
        informer = self._watch(wide)
        await informer.wait_for_sync()
        before = {scope: self._informers[scope] for scope in [*self._works] if scope[0] == resource and scope != wide}
        self._wide.add(resource)
        missed: set[str] = set()
        for scope, narrow in before.items():
            for key, works in self._works.pop(scope).items():
                self._works.setdefault(wide, {}).setdefault(key, set()).update(works)
                if _version(narrow, key) != _version(informer, key):
                    missed |= works
        del self._widening[resource]
        self._tell(missed)
        for scope in before:
            await self._unwatch(scope)

    def _await_sync(self, scope: Scope, informer: Informer[Object]) -> None:
        """What is read one by one meanwhile may change between that and the watch: look again then."""

        async def tell_once_synced() -> None:
            await informer.wait_for_sync()
            self._late.pop(scope, None)
            self._tell({work for works in self._works.get(scope, {}).values() for work in works})

        if scope not in self._late:
            self._late[scope] = asyncio.create_task(tell_once_synced(), name=f"sync of {scope[0].plural}")

    def _changed(self, scope: Scope, change: Change[Object]) -> None:
        if not change.initial:
            self._tell(self._works.get(scope, {}).get(change.kind.key(change.object), ()))

    def _is_defined(self, group: str, kind: str) -> bool:
        """Whether a definition of a kind is known; the first question begins to watch them."""
        if self._definitions is None:
            self._definitions = self._cache.informer(CustomResourceDefinition)
            self._definitions.add_handler(self._definition_changed)
        return any(each.is_established and each.defines == (group, kind) for each in self._definitions.list())

    def _definition_changed(self, change: Change[CustomResourceDefinition]) -> None:
        definition = change.new
        if definition is None or not definition.is_established:
            return
        if waiting := self._missing.pop(definition.defines, None):
            self._client.mapper.forget()
            self._tell(waiting)

    def _tell(self, works: Iterable[str]) -> None:
        for work in sorted(works):
            self._on_change(work)


def _version(informer: Informer[Object], key: Key) -> str:
    """The version of an object that an informer holds; empty when it holds none."""
    found = informer.get(key)
    return "" if found is None else informer.kind.meta(found).resource_version
