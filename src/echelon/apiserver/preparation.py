"""What the server does to an object before it is stored: pure steps on values, no storage.

On create: server-owned metadata is set, status is dropped where it has an endpoint of its own.
On update: what the update may not touch is carried over from the old object. Then the object is
pruned, defaulted and validated, always at the version of the request.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from random import Random

import msgspec

from echelon.apiserver import metadata as meta
from echelon.apiserver.authentication import User
from echelon.apiserver.body import cannot_be_handled, field_warnings, refuse_strictly
from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.errors import FieldError, bad_request, invalid
from echelon.apiserver.query import WriteOptions
from echelon.apiserver.registry import Served

_UIDS = Random(secrets.randbits(256))
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_PREFIX_LIMIT = 63 - _SUFFIX_LENGTH
_STATUS_KEPT_ON_CREATE = frozenset({("", "nodes")})
_CARRIED = ("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "deletionGracePeriodSeconds")


class Write(msgspec.Struct):
    """The circumstances of one write. ``user`` is whose it is; None for the server itself.

    ``applying`` says that server-side apply has settled who owns which field. ``warnings`` collects
    what the client should be told.
    """

    served: Served
    namespace: str
    options: WriteOptions
    manager: str = ""
    user: User | None = None
    subresource: str = ""
    applying: bool = False
    duplicates: Sequence[str] = ()
    warnings: list[str] = []

    @property
    def definition(self) -> ResourceDefinition:
        return self.served.definition


def ordered(obj: Object, api_version: str, kind: str, metadata: Object) -> Object:
    """The object with its head first, as it must be stored."""
    head: Object = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    head.update((key, value) for key, value in obj.items() if key not in head)
    return head


def check_namespace(obj: Object, write: Write) -> None:
    """Let the request's namespace stand in the object.

    Raises:
        StatusError: 400 when the object names another one.
    """
    if not write.definition.namespaced:
        return
    if obj["metadata"].setdefault("namespace", write.namespace) not in (write.namespace, "", None):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    obj["metadata"]["namespace"] = write.namespace


def check_name(obj: Object, name: str) -> None:
    """Raises: StatusError: 400 when the object has another name than the path."""
    given = obj["metadata"].get("name")
    if not given:
        raise (
            bad_request("name must be provided")
            if given is None
            else bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        )
    if given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def _new_uid() -> str:
    """An identifier that nobody else has; it is no secret, so one question to the system is enough for all."""
    return str(uuid.UUID(int=_UIDS.getrandbits(128), version=4))


def generated_name(prefix: str) -> str:
    """The prefix with a random ending, short enough for a label."""
    ending = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return prefix[:_PREFIX_LIMIT] + ending


def prepare_new(obj: Object, write: Write, now: datetime) -> Object:
    """The object to create.

    Raises:
        StatusError: 400 or 422 when it may not be.
    """
    definition = write.definition
    check_types(obj, write)
    given = obj["metadata"]
    if given.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    if given.get("generateName") and not given.get("name"):
        given["name"] = generated_name(given["generateName"])
    refine(obj, write)
    given = obj["metadata"]
    metadata: Object = {"name": given.get("name", "")}
    if given.get("generateName"):
        metadata["generateName"] = given["generateName"]
    if definition.namespaced:
        metadata["namespace"] = write.namespace
    elif given.get("namespace"):
        metadata["namespace"] = given["namespace"]
    metadata["uid"] = _new_uid()
    metadata["resourceVersion"] = ""
    if definition.generation:
        metadata["generation"] = 1
    metadata["creationTimestamp"] = format_time(now)
    for field in ("labels", "annotations", "ownerReferences", "finalizers", "managedFields"):
        if field in given:
            metadata[field] = given[field]
    if write.served.version.status and (definition.group, definition.plural) not in _STATUS_KEPT_ON_CREATE:
        obj.pop("status", None)
    new = ordered(obj, obj["apiVersion"], obj["kind"], metadata)
    definition.hooks.prepare_create(new)
    errors = meta.validate_new(metadata, definition)
    errors += validate(new, None, write)
    refuse(errors, new, definition)
    return new


def prepare_changed(obj: Object, old: Object, write: Write) -> Object:
    """The object to store in place of ``old``, both at the request's version.

    Raises:
        StatusError: 400 or 422 when it may not be.
    """
    definition = write.definition
    check_types(obj, write)
    obj = _writable(obj, write)
    refine(obj, write)
    if write.subresource == "status":
        obj = _status_only(obj, old)
    elif write.served.version.status:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    metadata = _carried_over(obj["metadata"], old["metadata"], definition)
    obj = ordered(obj, obj["apiVersion"], obj["kind"], metadata)
    definition.hooks.prepare_update(obj, old)
    if definition.generation and _spec_changed(obj, old, write):
        metadata["generation"] = old["metadata"].get("generation", 0) + 1
    errors = meta.validate_update(metadata, old["metadata"], definition)
    errors += validate(obj, old, write)
    refuse(errors, obj, definition)
    return obj


def check_types(obj: Object, write: Write) -> None:
    """Raises: StatusError: 400 when metadata has fields of the wrong type."""
    fault = meta.type_fault(obj["metadata"])
    if fault is not None:
        raise cannot_be_handled(write.definition.kind, write.served.version.name, fault)


def refine(obj: Object, write: Write) -> None:
    """Prune and default, and tell of unknown and duplicate fields as field validation wants.

    Raises:
        StatusError: 400 in Strict mode.
    """
    schema, options = write.served.version.schema, write.options
    metadata = obj["metadata"]
    unknown = schema.prune(obj)
    unknown += meta.drop_unknown(metadata)
    schema.default(obj)
    if options.field_validation == "Ignore" or not (unknown or write.duplicates):
        return
    faults = field_warnings(dict.fromkeys(unknown), write.duplicates)
    if options.field_validation == "Strict":
        refuse_strictly(write.definition.kind, write.served.version.name, faults)
    write.warnings.extend(faults)


def validate(obj: Object, old: Object | None, write: Write) -> list[FieldError]:
    """What schema and kind have against the object."""
    errors = write.served.version.schema.validate(obj, old)
    return errors + write.definition.hooks.validate(obj, old, write.subresource)


def refuse(errors: list[FieldError], obj: Object, definition: ResourceDefinition) -> None:
    """Raises: StatusError: 422 when there are errors."""
    if errors:
        raise invalid(definition.group, definition.kind, obj["metadata"].get("name", ""), errors)


def _writable(obj: Object, write: Write) -> Object:
    """The part of the object that an update can change: with a status endpoint, all but status or nothing else."""
    if write.subresource == "status":
        return {key: obj[key] for key in ("apiVersion", "kind", "metadata", "status") if key in obj}
    if write.served.version.status:
        return {key: value for key, value in obj.items() if key != "status"}
    return obj


def _status_only(obj: Object, old: Object) -> Object:
    """The old object with the new status, and the new record of field managers."""
    new = dict(old)
    new.pop("status", None)
    if "status" in obj:
        new["status"] = obj["status"]
    new["metadata"] = dict(old["metadata"])
    if "managedFields" in obj["metadata"]:
        new["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
    return new


def _carried_over(given: Object, old: Object, definition: ResourceDefinition) -> Object:
    """New metadata: what the client may set from ``given``, what it left out of the server's own from ``old``."""
    metadata: Object = {}
    for field in old:
        if field in given and field not in ("generation", "deletionTimestamp"):
            metadata[field] = given[field]
        elif field in _CARRIED or field in ("generation", "deletionTimestamp"):
            metadata[field] = old[field]
    for field, value in given.items():
        if field not in metadata and field != "selfLink" and (field != "generation" or not definition.generation):
            metadata[field] = value
    metadata["resourceVersion"] = old.get("resourceVersion", "")
    if "managedFields" in old:
        metadata.setdefault("managedFields", old["managedFields"])
    return metadata


def _spec_changed(obj: Object, old: Object, write: Write) -> bool:
    """Whether the change is one that raises the generation."""
    if write.subresource == "status":
        return False
    if write.definition.builtin:
        return obj.get("spec") != old.get("spec")
    ignored = (
        ("apiVersion", "kind", "metadata", "status")
        if write.served.version.status
        else ("apiVersion", "kind", "metadata")
    )
    return _without(obj, ignored) != _without(old, ignored)


def _without(obj: Object, ignored: tuple[str, ...]) -> Object:
    return {key: value for key, value in obj.items() if key not in ignored}
