"""Namespaces on their way in and out.

A new namespace gets what belongs into it. A deleted one is Terminating until everything in it is
gone: its content is deleted once, then each object that goes is a reason to look again. The last
look finds nothing and takes the ``kubernetes`` finalizer away, and with it the namespace. What it
waits for until then stands in its conditions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object
from echelon.apiserver.deletion import is_namespace
from echelon.apiserver.errors import StatusError, qualified
from echelon.apiserver.lifecycle.provisioning import Provisioner
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.metadata import Summary
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
            left = await self._empty(name)
            if left:
                await self._report(name, left)
            else:
                await self._rewrite(name, _without_finalizer)

    async def _empty(self, namespace: str) -> dict[str, list[Summary]]:
        """Delete what is in a namespace; what is left, by resource."""
        left: dict[str, list[Summary]] = {}
        for definition in self._objects.registry.definitions():
            if not (definition.namespaced and definition.keeps_objects):
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
                if not gone:
                    left.setdefault(qualified(definition.plural, definition.group), []).append(record.summary)
        return left

    async def _report(self, name: str, left: dict[str, list[Summary]]) -> None:
        """Say in the namespace's conditions what it waits for."""
        finalizers = Counter(
            finalizer for summaries in left.values() for summary in summaries for finalizer in summary.finalizers
        )
        content = ", ".join(f"{resource} has {len(found)} resource instances" for resource, found in left.items())
        held = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in finalizers.items())
        now = format_time(self._objects.clock.now())
        wanted = {
            "NamespaceContentRemaining": ("SomeResourcesRemain", f"Some resources are remaining: {content}"),
            "NamespaceFinalizersRemaining": (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {held}",
            ),
        }
        if not finalizers:
            del wanted["NamespaceFinalizersRemaining"]
        await self._rewrite(name, lambda namespace: _set_conditions(namespace, wanted, now))

    async def _rewrite(self, name: str, change: Callable[[Object], bool]) -> None:
        definition = self._objects.registry.get("", "namespaces")
        if definition is not None:
            await self._objects.rewrite(definition, "", name, change)


def _set_conditions(namespace: Object, wanted: dict[str, tuple[str, str]], now: str) -> bool:
    status = namespace.setdefault("status", {})
    known = {condition["type"]: condition for condition in status.get("conditions") or []}
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastTransitionTime": known[kind]["lastTransitionTime"] if kind in known else now,
            "reason": reason,
            "message": message,
        }
        for kind, (reason, message) in wanted.items()
    ]
    changed: bool = conditions != status.get("conditions")
    status["conditions"] = conditions
    return changed


def _without_finalizer(namespace: Object) -> bool:
    finalizers = (namespace.get("spec") or {}).get("finalizers") or []
    if FINALIZER not in finalizers:
        return False
    finalizers.remove(FINALIZER)
    if not finalizers:
        del namespace["spec"]["finalizers"]
    return True
