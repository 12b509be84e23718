"""OpenAPI of the built-in types, made from the table.

Two forms of the same facts:

* ``components()`` - for publishing: every type under its name, referring to others by ``$ref``.
* ``structural(key)`` - for walking next to a value (patches, server-side apply): one schema with all
  types in place. Types are shared, not copied, so the form is small in memory and far too large as
  text: never serialise it. The schema inside a CustomResourceDefinition, which contains itself, is
  left open there.

What server-side apply and strategic merge patches ask of a field stands on that field in both:
``x-kubernetes-list-type``, ``-list-map-keys``, ``-map-type``, ``-patch-strategy``, ``-patch-merge-key``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from echelon.apiserver.builtin import notation
from echelon.apiserver.builtin.notation import Field, Type

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_NAMED_SCALARS: dict[str, tuple[str, Schema]] = {
    "time": (f"{_META}.Time", {"type": "string", "format": "date-time"}),
    "microtime": (f"{_META}.MicroTime", {"type": "string", "format": "date-time"}),
    "fields": (f"{_META}.FieldsV1", {"type": "object"}),
    "quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
    ),
    "intorstring": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    "raw": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"type": "object"}),
}
"""Scalars that are published as components of their own."""

_OPEN: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_PLAIN_SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "json": _OPEN,
    "schema-or-list": _OPEN,
    "schema-or-bool": _OPEN,
    "schema-or-strings": _OPEN,
}
_STRUCTURAL_SCALARS: dict[str, Schema] = _PLAIN_SCALARS | {
    "time": {"type": "string", "format": "date-time"},
    "microtime": {"type": "string", "format": "date-time"},
    "quantity": {"x-kubernetes-int-or-string": True},
    "intorstring": {"x-kubernetes-int-or-string": True},
    "fields": {"type": "object", "x-kubernetes-map-type": "atomic", **_OPEN},
    "raw": {"type": "object", **_OPEN},
}


@cache
def components() -> Mapping[str, Schema]:
    """Every component of the built-in kinds by its name, lists included."""
    made = {name: dict(schema) for name, schema in _NAMED_SCALARS.values()}
    for name in notation.PACKAGES:
        for entry in notation.package(name).types.values():
            made[entry.component] = _object(entry, _reference)
            if entry.kind:
                made[f"{entry.component}List"] = _list_of(entry)
    return made


def resolve(reference: str) -> Schema:
    """The component a ``$ref`` names.

    Raises:
        KeyError: there is none.
    """
    return components()[reference.removeprefix(REFERENCE)]


def reachable(names: Iterable[str]) -> dict[str, Schema]:
    """These components and all they refer to, directly or not."""
    found: dict[str, Schema] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = components()[name]
            waiting.extend(_references(found[name]))
    return found


@cache
def structural(key: str) -> Schema:
    """The schema of a type with everything it refers to in place."""
    if key == notation.SELF_CONTAINING:
        return {"type": "object", **_OPEN}
    return _object(notation.find(key), _in_place)


def flattened(entry: Type) -> list[Field]:
    """The fields of a type as JSON has them, those of inlined types among them."""
    fields: list[Field] = []
    for field in entry.fields:
        fields.extend(flattened(notation.find(field.type.name)) if field.inline else [field])
    return fields


def group_version_kind(entry: Type) -> dict[str, str]:
    return {"group": entry.group, "version": entry.version, "kind": entry.name}


def _object(entry: Type, leaf: Callable[[str], Schema]) -> Schema:
    properties: Schema = dict(_identity()) if entry.kind else {}
    required = []
    for field in flattened(entry):
        properties[field.name] = _property(field, leaf)
        if field.required:
            required.append(field.name)
    schema: Schema = {"type": "object"}
    if entry.description:
        schema["description"] = entry.description
    schema["properties"] = properties
    if required:
        schema["required"] = sorted(required)
    if entry.atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    if entry.kind:
        schema["x-kubernetes-group-version-kind"] = [group_version_kind(entry)]
    return schema


def _identity() -> Schema:
    return {
        "apiVersion": {"type": "string", "description": "Group and version of the kind, as in apps/v1."},
        "kind": {"type": "string", "description": "The kind's name, in CamelCase."},
    }


def _property(field: Field, leaf: Callable[[str], Schema]) -> Schema:
    schema = _wrapped(field, leaf)
    if "$ref" in schema:
        schema = {"allOf": [schema]}
    schema["description"] = field.description
    if field.default is not None:
        schema["default"] = orjson.loads(field.default)
    elif _is_plain_struct(field):
        schema["default"] = {}
    if field.list_type:
        schema["x-kubernetes-list-type"] = field.list_type
    if field.map_keys:
        schema["x-kubernetes-list-map-keys"] = list(field.map_keys)
    if field.atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    if field.patch_strategy:
        schema["x-kubernetes-patch-strategy"] = ",".join(field.patch_strategy)
    if field.merge_key:
        schema["x-kubernetes-patch-merge-key"] = field.merge_key
    return schema


def _is_plain_struct(field: Field) -> bool:
    """Whether the field is never absent in Kubernetes' own types: an object held neither by pointer nor in a list."""
    scalar = field.type.name in _PLAIN_SCALARS or field.type.name in _NAMED_SCALARS
    return not (field.type.wrap or scalar or notation.find_enum(field.type.name))


def _wrapped(field: Field, leaf: Callable[[str], Schema]) -> Schema:
    schema = dict(leaf(field.type.name))
    for layer in reversed(field.type.wrap):
        match layer:
            case "[]":
                schema = {"type": "array", "items": schema}
            case "{}":
                schema = {"type": "object", "additionalProperties": schema}
    return schema


def _reference(name: str) -> Schema:
    if name in _PLAIN_SCALARS:
        return _PLAIN_SCALARS[name]
    if name in _NAMED_SCALARS:
        return {"$ref": REFERENCE + _NAMED_SCALARS[name][0]}
    return _enum(name) or {"$ref": REFERENCE + notation.find(name).component}


def _in_place(name: str) -> Schema:
    if name in _STRUCTURAL_SCALARS:
        return _STRUCTURAL_SCALARS[name]
    return _enum(name) or structural(name)


def _enum(name: str) -> Schema | None:
    enum = notation.find_enum(name)
    return None if enum is None else {"type": "string", "enum": sorted(enum.values)}


def _list_of(entry: Type) -> Schema:
    return {
        "type": "object",
        "description": f"A list of {entry.name} objects.",
        "properties": _identity()
        | {
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": {"$ref": REFERENCE + entry.component},
            },
            "metadata": {"allOf": [{"$ref": REFERENCE + f"{_META}.ListMeta"}], "description": "Facts about the list."},
        },
        "required": ["items"],
        "x-kubernetes-group-version-kind": [group_version_kind(entry) | {"kind": f"{entry.name}List"}],
    }


def _references(schema: Any) -> list[str]:
    found: list[str] = []
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found.append(reference.removeprefix(REFERENCE))
        for value in schema.values():
            found.extend(_references(value))
    elif isinstance(schema, list):
        for value in schema:
            found.extend(_references(value))
    return found
