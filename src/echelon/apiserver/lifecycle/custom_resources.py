"""CustomResourceDefinitions: accepted, served, and cleaned up after.

A definition is looked at when it, or another one of its group, changes. Its status says which names
it got; once it is established its resource is served, each version anew when the definition
changes. A deleted definition is served until its last object is gone, then it goes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
import structlog

from echelon.apiserver.clock import format_time
from echelon.apiserver.crd import definition_of, is_established, observed_status
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.deletion import CLEANUP
from echelon.apiserver.errors import StatusError
from echelon.apiserver.lifecycle.garbage import without_finalizer
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.objects import Changed, Objects
from echelon.apiserver.query import DeleteOptions

GROUP, PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"
DEFINITIONS_BUCKET = f"{GROUP}/{PLURAL}"
log = structlog.get_logger(__name__)
_Change = Callable[[Object], bool]


class CustomResourceController:
    """Keeps the registry in step with the stored definitions."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._served: dict[str, tuple[int, ResourceDefinition]] = {}
        self._terminating: set[str] = set()
        self._worker: Worker[str] = Worker("custom-resources", self._handle)

    def start(self) -> None:
        """Serve what was established before, at once; then look at every definition."""
        for crd in self._definitions():
            if is_established(crd):
                self._serve(crd)
            self._worker.add(crd["metadata"]["name"])
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    def observe(self, changed: Changed) -> None:
        definition = changed.definition
        if (definition.group, definition.plural) == (GROUP, PLURAL):
            self._worker.add(changed.name)
            if changed.after is None:
                for crd in self._definitions():  # names may have become free
                    self._worker.add(crd["metadata"]["name"])
        elif changed.after is None and (name := f"{definition.plural}.{definition.group}") in self._terminating:
            self._worker.add(name)

    def _definitions(self) -> Iterator[Object]:
        for record in self._objects.keyspace.bucket(DEFINITIONS_BUCKET).list():
            yield orjson.loads(record.value)

    async def _handle(self, name: str) -> None:
        record = self._objects.keyspace.bucket(DEFINITIONS_BUCKET).get("", name)
        if record is None:
            self._withdraw(name)
            return
        crd = orjson.loads(record.value)
        if record.summary.deletion_timestamp is not None:
            self._terminating.add(name)
            await self._clean_up(name)
            return
        others = (other for other in self._definitions() if other["metadata"]["name"] != name)
        status = observed_status(crd, others, format_time(self._objects.clock.now()))
        if is_established(crd | {"status": status}):
            self._serve(crd | {"status": status})
        if status != crd.get("status"):
            await self._rewrite(name, lambda obj: _set_status(obj, status))

    def _serve(self, crd: Object) -> None:
        name, generation = crd["metadata"]["name"], crd["metadata"].get("generation", 0)
        served = self._served.get(name)
        if served is not None and served[0] == generation:
            return
        try:
            definition = definition_of(crd)
        except ValueError:
            log.warning("a stored definition cannot be served", name=name, exc_info=True)
            return
        self._objects.registry.add(definition)
        self._served[name] = (generation, definition)

    def _withdraw(self, name: str) -> None:
        self._terminating.discard(name)
        served = self._served.pop(name, None)
        if served is not None:
            self._objects.registry.remove(served[1].group, served[1].plural)

    async def _clean_up(self, name: str) -> None:
        """Delete the objects of a resource; without any left, let the definition go."""
        served = self._served.get(name)
        left = 0
        if served is not None:
            definition = served[1]
            for record in self._objects.bucket(definition).list():
                try:
                    options = DeleteOptions(uid=record.summary.uid)
                    key = record.key
                    left += not (await self._objects.delete(definition, key.namespace, key.name, options)).gone
                except StatusError as error:
                    if error.code not in (404, 409):
                        raise
        if left == 0:
            await self._rewrite(name, lambda obj: without_finalizer(obj, CLEANUP))

    async def _rewrite(self, name: str, change: _Change) -> None:
        definition = self._objects.registry.get(GROUP, PLURAL)
        if definition is not None:
            await self._objects.rewrite(definition, "", name, change)


def _set_status(crd: Object, status: Object) -> bool:
    if crd.get("status") == status:
        return False
    crd["status"] = status
    return True
