"""Namespaces on their way in and out.

A new namespace gets what belongs into it. A deleted one is Terminating until everything in it is
gone: its content is deleted once, then each object that goes is a reason to look again. The last
look finds nothing and takes the ``kubernetes`` finalizer away, and with it the namespace.
"""

from __future__ import annotations

from echelon.apiserver.definitions import Object
from echelon.apiserver.deletion import is_namespace
from echelon.apiserver.errors import StatusError
from echelon.apiserver.lifecycle.provisioning import Provisioner
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.objects import Changed, Objects
from echelon.apiserver.query import DeleteOptions

FINALIZER = "kubernetes"


class NamespaceController:
    """Fills new namespaces and empties deleted ones."""

    def __init__(self, objects: Objects, provisioner: Provisioner) -> None:
        self._objects = objects
        self._provisioner = provisioner
        self._terminating: set[str] = set()
        self._worker: Worker[str] = Worker("namespaces", self._handle)

    def start(self) -> None:
        for record in self._objects.keyspace.bucket("/namespaces").list():
            self._worker.add(record.key.name)
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    def observe(self, changed: Changed) -> None:
        if is_namespace(changed.definition):
            self._worker.add(changed.name)
        elif changed.after is None and (changed.namespace in self._terminating or self._provisioner.concerns(changed)):
            self._worker.add(changed.namespace)

    async def _handle(self, name: str) -> None:
        record = self._objects.keyspace.bucket("/namespaces").get("", name)
        if record is None:
            self._terminating.discard(name)
        elif record.summary.deletion_timestamp is None:
            await self._provisioner.namespace(name)
        else:
            self._terminating.add(name)
            if await self._empty(name):
                await self._finalize(name)

    async def _empty(self, namespace: str) -> bool:
        """Delete what is in a namespace; whether nothing is left."""
        left = 0
        for definition in self._objects.registry.definitions():
            if not definition.namespaced or definition.virtual:
                continue
            for record in self._objects.bucket(definition).list(namespace):
                gone = False
                if record.summary.deletion_timestamp is None:
                    try:
                        options = DeleteOptions(uid=record.summary.uid, propagation="Background")
                        gone = (await self._objects.delete(definition, namespace, record.key.name, options)).gone
                    except StatusError as error:
                        if error.code not in (404, 409):
                            raise
                        gone = True
                left += not gone
        return left == 0

    async def _finalize(self, name: str) -> None:
        definition = self._objects.registry.get("", "namespaces")
        if definition is not None:
            await self._objects.rewrite(definition, "", name, _without_finalizer)


def _without_finalizer(namespace: Object) -> bool:
    finalizers = (namespace.get("spec") or {}).get("finalizers") or []
    if FINALIZER not in finalizers:
        return False
    finalizers.remove(FINALIZER)
    if not finalizers:
        del namespace["spec"]["finalizers"]
    return True
