"""Object metadata: its summary beside every stored record, and the rules it must keep.

The rules, their order and their words are those of ``k8s.io/apimachinery`` object meta validation.
"""

from __future__ import annotations

from typing import Any

import msgspec

from echelon.apiserver import names
from echelon.apiserver.body import go_kind
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.errors import FieldError, forbidden_field, invalid_value, required, too_long

ANNOTATIONS_LIMIT = 256 * 1024


class Reference(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An owner reference."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Summary(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What selectors and controllers ask of a stored object, without decoding the rest."""

    uid: str = ""
    labels: dict[str, str] = {}
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Reference, ...] = ()


class _Stored(msgspec.Struct, gc=False):
    metadata: Summary


_decode = msgspec.json.Decoder(_Stored).decode


def summarize(value: bytes) -> Summary:
    """The summary of a stored object."""
    return _decode(value).metadata


class _Shape(msgspec.Struct, rename="camel", gc=False):
    """The types of metadata fields, to check what a client sends."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    self_link: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Reference] | None = None
    finalizers: list[str] | None = None
    managed_fields: Any = None


FIELDS = frozenset(_Shape.__struct_encode_fields__)
_COLLECTIONS = frozenset({"labels", "annotations", "ownerReferences", "finalizers"})
_GO_TYPES = {"labels": "string", "annotations": "string", "generation": "int64", "deletionGracePeriodSeconds": "int64"}


def type_fault(metadata: Object) -> str | None:
    """What Go's decoder would say of metadata whose fields have the wrong types; None when all is well."""
    try:
        msgspec.convert(metadata, _Shape)
    except msgspec.ValidationError as error:
        path = str(error).rpartition("$.")[2].rstrip("`").partition("[")[0] or "metadata"
        value = metadata.get(path)
        if isinstance(value, dict):
            value = next((item for item in value.values() if not isinstance(item, str)), value)
        elif isinstance(value, list) and value:
            value = next((item for item in value if not isinstance(item, str | dict)), value[0])
        type_ = _GO_TYPES.get(path, "string")
        return (
            f"json: cannot unmarshal {go_kind(value)} into Go struct field ObjectMeta.metadata.{path} of type {type_}"
        )
    return None


def drop_unknown(metadata: Object) -> list[str]:
    """Remove fields that metadata does not have, and empty ones; the paths of the unknown."""
    unknown = [key for key in metadata if key not in FIELDS]
    for key in unknown:
        del metadata[key]
    for key in [key for key, value in metadata.items() if value is None or (not value and key in _COLLECTIONS)]:
        del metadata[key]
    return [f"metadata.{key}" for key in unknown]


def validate_new(metadata: Object, definition: ResourceDefinition) -> list[FieldError]:
    """What is wrong with the metadata of an object about to be created."""
    errors: list[FieldError] = []
    rule = names.NAME_RULES[definition.name_rule]
    prefix = metadata.get("generateName")
    if prefix:
        masked = prefix[:-1] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        errors += [invalid_value("metadata.generateName", prefix, fault) for fault in rule(masked)]
    name = metadata.get("name")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid_value("metadata.name", name, fault) for fault in rule(name)]
    if not definition.namespaced and metadata.get("namespace"):
        errors.append(forbidden_field("metadata.namespace", "not allowed on this type"))
    return errors + _common(metadata, definition)


def validate_update(metadata: Object, old: Object, definition: ResourceDefinition) -> list[FieldError]:
    """What is wrong with metadata that is to replace ``old``.

    Kubernetes runs these rules twice on an update, and clients see each cause twice.
    """
    errors = _common(metadata, definition)
    if metadata.get("deletionTimestamp") or old.get("deletionTimestamp"):
        before = old.get("finalizers") or []
        added = sorted(set(metadata.get("finalizers") or []) - set(before))
        if added:
            listed = ", ".join(f'"{finalizer}"' for finalizer in added)
            why = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}"
            )
            errors.append(forbidden_field("metadata.finalizers", why))
    for field in _IMMUTABLE:
        if metadata.get(field) != old.get(field):
            errors.append(invalid_value(f"metadata.{field}", metadata.get(field), "field is immutable"))
    return errors + errors


_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def _common(metadata: Object, definition: ResourceDefinition) -> list[FieldError]:
    errors: list[FieldError] = []
    if "labels" in metadata:
        for key, value in metadata["labels"].items():
            errors += [invalid_value("metadata.labels", key, fault) for fault in names.qualified_name(key)]
            errors += [invalid_value("metadata.labels", value, fault) for fault in names.label_value(value)]
    if "annotations" in metadata:
        errors += _annotation_faults(metadata["annotations"])
    if "ownerReferences" in metadata:
        errors += _owner_faults(metadata["ownerReferences"])
    if "finalizers" in metadata:
        errors += _finalizer_faults(metadata["finalizers"], definition.builtin)
    return errors


def _annotation_faults(annotations: dict[str, str]) -> list[FieldError]:
    errors: list[FieldError] = []
    size = 0
    for key, value in annotations.items():
        errors += [invalid_value("metadata.annotations", key, fault) for fault in names.qualified_name(key.lower())]
        size += len(key) + len(value)
    if size > ANNOTATIONS_LIMIT // 4 and _byte_size(annotations) > ANNOTATIONS_LIMIT:
        errors.append(too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return errors


def _byte_size(annotations: dict[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def _owner_faults(references: list[Object]) -> list[FieldError]:
    errors: list[FieldError] = []
    controller = None
    for reference in references:
        for field, why in _OWNER_FIELDS:
            if not reference.get(field):
                errors.append(invalid_value(f"metadata.ownerReferences.{field}", reference.get(field) or "", why))
        if reference.get("controller"):
            if controller is not None:
                why = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {reference.get('kind')}/{reference.get('name')}"
                )
                errors.append(invalid_value("metadata.ownerReferences", references, why))
            controller = f"{reference.get('kind')}/{reference.get('name')}"
    return errors


_OWNER_FIELDS = (
    ("apiVersion", "version must not be empty"),
    ("kind", "must not be empty"),
    ("name", "must not be empty"),
    ("uid", "must not be empty"),
)


def _finalizer_faults(finalizers: list[str], builtin: bool) -> list[FieldError]:
    errors = [
        invalid_value("metadata.finalizers", finalizer, fault)
        for finalizer in finalizers
        for fault in names.qualified_name(finalizer)
    ]
    if builtin:
        for index, finalizer in enumerate(finalizers):
            if not names.is_standard_or_qualified_finalizer(finalizer):
                why = "name is neither a standard finalizer name nor is it fully qualified"
                errors.append(invalid_value(f"metadata.finalizers[{index}]", finalizer, why))
    return errors
