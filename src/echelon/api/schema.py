"""Structural OpenAPI v3 schemas from the structs of the vocabulary.

A struct becomes an object whose properties are its fields, under their wire names. What the type of
a field cannot say comes from the ``Field`` markers beside it (see ``fields``). Schemas are plain
JSON values; parts are shared between them, so they must not be changed.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from echelon.api.fields import Field, Rule
from echelon.api.meta import KubeObject

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
RULES = "x-kubernetes-validations"

SIMPLE_TYPES: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "format": "byte"},
    msgspec.Raw: {"type": "object", PRESERVE: True},
    Any: {PRESERVE: True},
}
INT_OR_STRING: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}

# What a marker's attribute is called in a schema.
KEYWORDS: Mapping[str, str] = {
    "format": "format",
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "list_type": "x-kubernetes-list-type",
    "map_type": "x-kubernetes-map-type",
}

HEAD: Schema = {
    "apiVersion": {
        "type": "string",
        "description": "Group and version of the API in which this object is written down.",
    },
    "kind": {"type": "string", "description": "Kind of this object."},
    "metadata": {"type": "object"},
}


def kind_schema(kind: type[KubeObject], version: str) -> Schema:
    """The schema of a kind in one version."""
    schema = struct_schema(kind, version)
    return {**schema, "properties": {**HEAD, **schema["properties"]}}


@cache
def struct_schema(struct: type[msgspec.Struct], version: str) -> Schema:
    """The schema of a struct wherever it stands, described by its docstring."""
    head = HEAD if issubclass(struct, KubeObject) else {}
    properties: Schema = {}
    required: list[str] = []
    for field in msgspec.structs.fields(struct):
        markers = markers_of(field.type)
        if field.encode_name in head or any(version in marker.absent_from for marker in markers):
            continue
        properties[field.encode_name] = field_schema(field, version)
        if is_required(field, markers):
            required.append(field.encode_name)
    schema: Schema = {"description": prose(inspect.getdoc(struct) or ""), "type": "object", "properties": properties}
    if required:
        schema["required"] = sorted(required)
    return with_rules(schema, getattr(struct, "rules", ()))


def field_schema(field: FieldInfo, version: str) -> Schema:
    """The schema of one field: that of its type and, if it has a default that says something, the default."""
    schema = type_schema(field.type, version)
    if isinstance(field.default, str | int) and field.default:
        schema = {**schema, "default": field.default}
    for marker in markers_of(field.type):
        differing = marker.per_version.get(version, {})
        schema = {key: value for key, value in {**schema, **differing}.items() if value is not None}
    return schema


def is_required(field: FieldInfo, markers: Sequence[Field]) -> bool:
    """Whether an object without the field is refused: it has no default, unless a marker says otherwise."""
    return next((marker.required for marker in markers if marker.required is not None), field.required)


def markers_of(annotation: Any) -> tuple[Field, ...]:
    """The markers of a type, the innermost first."""
    if get_origin(annotation) is not Annotated:
        return ()
    return tuple(marker for marker in annotation.__metadata__ if isinstance(marker, Field))


def type_schema(annotation: Any, version: str) -> Schema:
    """The schema of a type with all its markers."""
    if get_origin(annotation) is not Annotated:
        return plain_schema(annotation, version)
    schema = type_schema(annotation.__origin__, version)
    for marker in markers_of(annotation):
        schema = mark(schema, marker)
    return schema


def plain_schema(annotation: Any, version: str) -> Schema:
    """The schema of a type without markers of its own."""
    if annotation in SIMPLE_TYPES:
        return SIMPLE_TYPES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return union_schema([argument for argument in arguments if argument is not type(None)], version)
    if origin is tuple or origin is Sequence:
        return {"type": "array", "items": type_schema(arguments[0], version)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": type_schema(arguments[1], version)}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return struct_schema(annotation, version)
    raise TypeError(f"{annotation} has no schema")


def union_schema(members: Sequence[Any], version: str) -> Schema:
    """The schema of a union without its None: one type, or a number that may be given as text."""
    if len(members) == 1:
        return type_schema(members[0], version)
    if set(members) == {int, str}:
        return INT_OR_STRING
    raise TypeError(f"a union of {members} has no structural schema")


def mark(schema: Schema, marker: Field) -> Schema:
    """The schema with what a marker adds."""
    marked = dict(schema)
    if marker.description:
        marked["description"] = marker.description
    for attribute, keyword in KEYWORDS.items():
        value = getattr(marker, attribute)
        if value is not None:
            marked[keyword] = value
    if marker.list_map_keys:
        marked["x-kubernetes-list-map-keys"] = list(marker.list_map_keys)
    if marker.embedded:
        marked["x-kubernetes-embedded-resource"] = True
    return with_rules(marked, marker.rules)


def with_rules(schema: Schema, rules: Sequence[Rule]) -> Schema:
    """The schema with these CEL rules behind those that it has."""
    if not rules:
        return schema
    added = [{"rule": rule.rule, "message": rule.message} for rule in rules]
    return {**schema, RULES: [*schema.get(RULES, ()), *added]}


def prose(docstring: str) -> str:
    """A docstring as a description: a line a paragraph, without the marks of code."""
    paragraphs = docstring.replace("``", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
