"""Objects with the rules of Kubernetes, over a keyspace that knows only keys and bytes.

Handlers and life-cycle controllers alike go through here. Reads see what is durable. A write
compares with the newest state, durable or under way, decides without waiting, and returns once its
own change is durable; so two writes to one object never both succeed on the same state.

After each durable change the observers are told which object changed. They look at the state they
find, not at the change, so a missed or repeated call does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import orjson

from echelon.apiserver import deletion
from echelon.apiserver.clock import Clock, SystemClock
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.errors import already_exists, conflict, forbidden, not_found
from echelon.apiserver.metadata import Summary
from echelon.apiserver.ownership import Ownership
from echelon.apiserver.patch import unchanged
from echelon.apiserver.preparation import (
    Write,
    check_name,
    check_namespace,
    prepare_changed,
    prepare_new,
)
from echelon.apiserver.query import DeleteOptions
from echelon.apiserver.registry import Registry
from echelon.apiserver.storage import Bucket, Keyspace, Record, RevisionMismatch

ObjectRecord = Record[Summary]
ObjectBucket = Bucket[Summary]
Change = Callable[[Object], Object]
"""Makes the new object of an update from a copy of the old one."""
Admission = Callable[[Object, Object | None, Write], None]
"""Looks at an object about to be stored, and at the one it replaces; raises ``StatusError`` to refuse it."""

_NAME_TRIES = 8
IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class Changed(msgspec.Struct, frozen=True):
    """An object that was created, changed or removed; ``before`` and ``after`` are its summaries."""

    definition: ResourceDefinition
    namespace: str
    name: str
    before: Summary | None
    after: Summary | None


class Deleted(msgspec.Struct, frozen=True):
    """The outcome of a delete: the last or the marked state, and whether the object is gone."""

    value: bytes
    gone: bool


class Objects:
    """Create, update and delete objects."""

    def __init__(self, keyspace: Keyspace[Summary], registry: Registry, clock: Clock | None = None) -> None:
        self.keyspace = keyspace
        self.registry = registry
        self.clock = clock or SystemClock()
        self.ownership = Ownership(registry)
        self._observers: list[Callable[[Changed], None]] = []
        self._admissions: list[Admission] = []
        self._buckets: dict[str, ObjectBucket] = {}

    def observe(self, observer: Callable[[Changed], None]) -> None:
        """Have ``observer`` called after every durable change."""
        self._observers.append(observer)

    def admit(self, admission: Admission) -> None:
        """Have ``admission`` asked about every object that a create or update is to store."""
        self._admissions.append(admission)

    def bucket(self, definition: ResourceDefinition) -> ObjectBucket:
        name = definition.bucket
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = self.keyspace.bucket(name)
        return bucket

    def get(self, definition: ResourceDefinition, namespace: str, name: str) -> ObjectRecord:
        """The durable state of an object.

        Raises:
            StatusError: 404 when there is none.
        """
        record = self.bucket(definition).get(namespace, name)
        if record is None:
            raise not_found(definition.group, definition.plural, name)
        return record

    async def create(self, obj: Object, write: Write) -> bytes:
        """Store a new object; its bytes at the storage version.

        Raises:
            StatusError: 400, 403, 404 (namespace), 409 or 422 when it may not be.
        """
        definition = write.definition
        check_namespace(obj, write)
        self._check_namespace_accepts(obj, write)
        generated = not obj["metadata"].get("name")
        for attempt in range(_NAME_TRIES):
            body = orjson.loads(orjson.dumps(obj)) if generated else obj
            new = prepare_new(body, write, self.clock.now())
            for admission in self._admissions:
                admission(new, None, write)
            name: str = new["metadata"]["name"]
            if not write.applying:
                self.ownership.track(None, new, write, self.clock.now())
            new = write.served.write(new)
            taken = self.bucket(definition).latest(write.namespace, name) is not None
            if not taken:
                return await self._insert(new, name, write)
            if not generated or attempt == _NAME_TRIES - 1:
                raise already_exists(definition.group, definition.plural, name)
        raise AssertionError("the last attempt returns or raises")

    async def _insert(self, new: Object, name: str, write: Write) -> bytes:
        definition = write.definition
        if write.options.dry_run:
            del new["metadata"]["resourceVersion"]
            return orjson.dumps(new)
        try:
            record = await self.bucket(definition).put(write.namespace, name, _encoder(new), expected=0)
        except RevisionMismatch:
            raise already_exists(definition.group, definition.plural, name) from None
        self._tell(definition, record, None, record.summary)
        return record.value

    async def update(self, name: str, change: Change, write: Write, *, uid: str | None = None) -> bytes:
        """Replace an object by what ``change`` makes of it; its bytes at the storage version.

        An update that changes nothing writes nothing. One that takes away the last finalizer of a
        deleted object removes it.

        Raises:
            StatusError: 404, 409 (resourceVersion or ``uid`` differ), 400 or 422.
        """
        definition = write.definition
        bucket = self.bucket(definition)
        while True:
            record = bucket.latest(write.namespace, name)
            if record is None:
                raise not_found(definition.group, definition.plural, name)
            old = write.served.read(orjson.loads(record.value))
            new = change(old)
            new["metadata"].setdefault("name", name)
            check_name(new, name)
            check_namespace(new, write)
            self._check_precondition(new, record, uid, write)
            new = prepare_changed(new, old, write)
            for admission in self._admissions:
                admission(new, old, write)
            if not write.applying and new != old:
                self.ownership.track(old, new, write, self.clock.now())
            if unchanged(old, new):
                return record.value
            new = write.served.write(new)
            if write.options.dry_run:
                return orjson.dumps(new)
            try:
                return await self._replace(record, new, definition)
            except RevisionMismatch:
                continue  # someone was faster: a demanded resourceVersion is looked at again

    def _check_precondition(self, new: Object, record: ObjectRecord, uid: str | None, write: Write) -> None:
        definition, name = write.definition, record.key.name
        if uid and uid != record.summary.uid:
            path = "/".join(part for part in (definition.plural, record.key.namespace, name) if part)
            why = (
                f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0, "
                f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {record.summary.uid}"
            )
            raise conflict(definition.group, definition.plural, name, why)
        given = new["metadata"].get("resourceVersion")
        if given and given != str(record.revision):
            raise conflict(definition.group, definition.plural, name)

    async def _replace(self, record: ObjectRecord, new: Object, definition: ResourceDefinition) -> bytes:
        bucket, key = self.bucket(definition), record.key
        if "deletionTimestamp" in new["metadata"] and not deletion.is_held(definition, new):
            stored = await bucket.delete(key.namespace, key.name, _encoder(new), expected=record.revision)
            self._tell(definition, stored, record.summary, None)
        else:
            stored = await bucket.put(key.namespace, key.name, _encoder(new), expected=record.revision)
            self._tell(definition, stored, record.summary, stored.summary)
        return stored.value

    async def rewrite(
        self, definition: ResourceDefinition, namespace: str, name: str, change: Callable[[Object], bool]
    ) -> None:
        """Change an object in place on the server's own account, without validation; nothing when it is gone.

        ``change`` works on the stored form and tells whether it changed anything.
        """
        while True:
            record = self.bucket(definition).latest(namespace, name)
            if record is None:
                return
            obj = orjson.loads(record.value)
            if not change(obj):
                return
            try:
                await self._replace(record, obj, definition)
            except RevisionMismatch:
                continue
            return

    async def delete(
        self, definition: ResourceDefinition, namespace: str, name: str, options: DeleteOptions
    ) -> Deleted:
        """Delete an object, or mark it when something still holds it.

        Raises:
            StatusError: 403 (a namespace that must stay), 404, 409 (a precondition does not hold).
        """
        if deletion.is_namespace(definition) and name in IMMORTAL_NAMESPACES:
            raise forbidden(definition.group, definition.plural, name, "this namespace may not be deleted")
        bucket = self.bucket(definition)
        while True:
            record = bucket.latest(namespace, name)
            if record is None:
                raise not_found(definition.group, definition.plural, name)
            _check_delete_preconditions(definition, record, options)
            decision = deletion.decide(definition, orjson.loads(record.value), options, self.clock.now())
            if options.dry_run or not (decision.gone or decision.changed):
                return Deleted(orjson.dumps(decision.obj), decision.gone)
            try:
                if decision.gone:
                    encode = _encoder(decision.obj)
                    stored = await bucket.delete(namespace, name, encode, expected=record.revision)
                    self._tell(definition, stored, record.summary, None)
                    return Deleted(stored.value, gone=True)
                return Deleted(await self._replace(record, decision.obj, definition), gone=False)
            except RevisionMismatch:
                continue  # someone was faster: decide again on what is there now

    def _check_namespace_accepts(self, obj: Object, write: Write) -> None:
        """New content needs a namespace that exists and is not on its way out."""
        definition = write.definition
        if not definition.namespaced or definition.virtual:
            return
        record = self.keyspace.bucket("/namespaces").latest("", write.namespace)
        if record is None:
            raise not_found("", "namespaces", write.namespace)
        if record.summary.deletion_timestamp is not None:
            why = f"unable to create new content in namespace {write.namespace} because it is being terminated"
            error = forbidden(definition.group, definition.plural, obj["metadata"].get("name", ""), why)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {write.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            error.details = {**(error.details or {}), "causes": [cause]}
            raise error

    def _tell(
        self, definition: ResourceDefinition, record: ObjectRecord, before: Summary | None, after: Summary | None
    ) -> None:
        changed = Changed(self.registry.keeper(definition), record.key.namespace, record.key.name, before, after)
        for observer in self._observers:
            observer(changed)


def _encoder(obj: Object) -> Callable[[int], bytes]:
    metadata = obj["metadata"]

    def encode(revision: int) -> bytes:
        metadata["resourceVersion"] = str(revision)
        return orjson.dumps(obj)

    return encode


def _check_delete_preconditions(definition: ResourceDefinition, record: ObjectRecord, options: DeleteOptions) -> None:
    kind, name = definition.kind, record.key.name
    if options.uid is not None and options.uid != record.summary.uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({record.summary.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(definition.group, kind, name, why)
    if options.resource_version is not None and options.resource_version != str(record.revision):
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({record.revision}). The object might have been modified"
        )
        raise conflict(definition.group, kind, name, why)
