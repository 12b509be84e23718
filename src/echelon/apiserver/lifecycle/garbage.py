"""Owner references: objects go after their owners.

The graph is kept in two maps, made from record summaries and kept up with every change: who depends
on an owner's uid, and which owners an object names. An object is looked at when it or one of its
owners changes:

* it is being deleted in the foreground: its dependents are deleted first, and its finalizer goes
  with the last of them that blocks it;
* it is being deleted and orphans its dependents: they lose their reference, then it its finalizer;
* it names owners, none of which exists any more: it is deleted. References to owners that are gone
  are taken out while another owner remains.

An owner of a kind that is not served counts as existing: nothing is deleted on a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.deletion import FOREGROUND, ORPHAN
from echelon.apiserver.errors import StatusError
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.metadata import Reference, Summary
from echelon.apiserver.objects import Changed, ObjectRecord, Objects
from echelon.apiserver.query import DeleteOptions


class Node(NamedTuple):
    """An object, by where it is stored."""

    group: str
    plural: str
    namespace: str
    name: str


class GarbageCollector:
    """Deletes what has lost its owners."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._dependents: dict[str, set[Node]] = {}
        self._owners: dict[Node, tuple[str, ...]] = {}
        self._waiting_owners: dict[str, Node] = {}
        self._worker: Worker[Node] = Worker("garbage", self._handle)

    def start(self) -> None:
        for definition in self._objects.registry.definitions():
            if definition.keeps_objects:
                self.include(definition)
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    def include(self, definition: ResourceDefinition) -> None:
        """Take the stored objects of a resource into the graph."""
        for record in self._objects.bucket(definition).list():
            node = Node(definition.group, definition.plural, record.key.namespace, record.key.name)
            self._link(node, record.summary)
            if record.summary.owner_references or _is_ending(record.summary):
                self._worker.add(node)

    def observe(self, changed: Changed) -> None:
        definition, after = changed.definition, changed.after
        node = Node(definition.group, definition.plural, changed.namespace, changed.name)
        before_owners = self._owners.get(node, ())
        if after is None:
            self._unlink(node)
            self._look_at_owners(before_owners)
        elif after.owner_references or before_owners:
            self._link(node, after)
            self._look_at_owners(set(before_owners) - set(self._owners.get(node, ())))
            self._worker.add(node)
        if after is not None and _is_ending(after):
            self._worker.add(node)
        if changed.before is not None and (after is None or after.uid != changed.before.uid or _is_ending(after)):
            for dependent in self._dependents.get(changed.before.uid, ()):
                self._worker.add(dependent)

    def _link(self, node: Node, summary: Summary) -> None:
        self._unlink(node)
        if summary.owner_references:
            uids = tuple(reference.uid for reference in summary.owner_references)
            self._owners[node] = uids
            for uid in uids:
                self._dependents.setdefault(uid, set()).add(node)

    def _unlink(self, node: Node) -> None:
        for uid in self._owners.pop(node, ()):
            nodes = self._dependents.get(uid)
            if nodes is not None:
                nodes.discard(node)
                if not nodes:
                    del self._dependents[uid]

    def _look_at_owners(self, uids: Iterable[str]) -> None:
        """An owner that waits for its dependents waits for one less."""
        for uid in uids:
            owner = self._waiting_owners.get(uid)
            if owner is not None:
                self._worker.add(owner)

    async def _handle(self, node: Node) -> None:
        definition = self._objects.registry.get(node.group, node.plural)
        if definition is None:
            return
        record = self._objects.bucket(definition).get(node.namespace, node.name)
        if record is None:
            return  # gone since; the change that removed it was seen
        finalizers = record.summary.finalizers if record.summary.deletion_timestamp else ()
        if ORPHAN in finalizers:
            await self._orphan(definition, record)
        elif FOREGROUND in finalizers:
            await self._delete_dependents_first(definition, node, record)
        elif record.summary.owner_references and record.summary.deletion_timestamp is None:
            await self._follow_owners(definition, record)

    async def _orphan(self, definition: ResourceDefinition, record: ObjectRecord) -> None:
        uid = record.summary.uid
        for dependent in sorted(self._dependents.get(uid, ())):
            await self._drop_references(dependent, {uid})
        await self._drop_finalizer(definition, record, ORPHAN)

    async def _delete_dependents_first(self, definition: ResourceDefinition, node: Node, record: ObjectRecord) -> None:
        uid = record.summary.uid
        blocked = False
        self._waiting_owners[uid] = node
        for dependent in sorted(self._dependents.get(uid, ())):
            summary = self._summary(dependent)
            if summary is None:
                continue
            blocked = blocked or any(
                reference.uid == uid and reference.block_owner_deletion for reference in summary.owner_references
            )
            self._worker.add(dependent)
        if not blocked:
            self._waiting_owners.pop(uid, None)
            await self._drop_finalizer(definition, record, FOREGROUND)

    async def _follow_owners(self, definition: ResourceDefinition, record: ObjectRecord) -> None:
        """Delete an object whose owners are all gone or waiting for it, or take out the references to them."""
        absent, waiting, solid = set(), set(), False
        for reference in record.summary.owner_references:
            owner = self._owner(reference, definition, record.key.namespace)
            if owner is None:
                absent.add(reference.uid)
            elif isinstance(owner, Summary) and owner.deletion_timestamp and FOREGROUND in owner.finalizers:
                waiting.add(reference.uid)
            else:
                solid = True
        node = Node(definition.group, definition.plural, record.key.namespace, record.key.name)
        if solid:
            if absent or waiting:
                await self._drop_references(node, absent | waiting)
            return
        if waiting and self._dependents.get(record.summary.uid):
            propagation = "Foreground"
        else:
            propagation = "Orphan" if ORPHAN in record.summary.finalizers else "Background"
        options = DeleteOptions(uid=record.summary.uid, propagation=propagation)
        try:
            await self._objects.delete(definition, node.namespace, node.name, options)
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def _owner(self, reference: Reference, dependent: ResourceDefinition, namespace: str) -> Summary | bool | None:
        """The owner's summary; None when it does not exist, True when that cannot be known."""
        definition = self._objects.registry.of_kind(reference.api_version, reference.kind)
        if definition is None or definition.virtual or (definition.namespaced and not dependent.namespaced):
            return True
        record = self._objects.bucket(definition).latest(namespace if definition.namespaced else "", reference.name)
        return record.summary if record is not None and record.summary.uid == reference.uid else None

    def _summary(self, node: Node) -> Summary | None:
        definition = self._objects.registry.get(node.group, node.plural)
        record = self._objects.bucket(definition).get(node.namespace, node.name) if definition else None
        return None if record is None else record.summary

    async def _drop_references(self, node: Node, uids: set[str]) -> None:
        definition = self._objects.registry.get(node.group, node.plural)
        if definition is None:
            return

        def change(obj: Object) -> bool:
            references = obj["metadata"].get("ownerReferences") or []
            kept = [reference for reference in references if reference.get("uid") not in uids]
            if kept:
                obj["metadata"]["ownerReferences"] = kept
            else:
                obj["metadata"].pop("ownerReferences", None)
            return len(kept) != len(references)

        await self._objects.rewrite(definition, node.namespace, node.name, change)

    async def _drop_finalizer(self, definition: ResourceDefinition, record: ObjectRecord, finalizer: str) -> None:
        await self._objects.rewrite(
            definition, record.key.namespace, record.key.name, lambda obj: without_finalizer(obj, finalizer)
        )


def without_finalizer(obj: Object, finalizer: str) -> bool:
    """Take a finalizer off an object; whether it was there."""
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        return False
    finalizers.remove(finalizer)
    if not finalizers:
        del obj["metadata"]["finalizers"]
    return True


def _is_ending(summary: Summary) -> bool:
    """Whether an object being deleted waits for what depends on it."""
    return summary.deletion_timestamp is not None and (FOREGROUND in summary.finalizers or ORPHAN in summary.finalizers)
