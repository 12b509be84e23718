"""Reading OpenAPI schemas that refer to each other.

The patch functions walk a schema next to a value. Schemas of built-in kinds hold ``$ref`` members
(``#/components/schemas/io.k8s.api.core.v1.PodSpec``), bare or wrapped in ``allOf`` of one, which
are followed only where a value leads to them. Extensions stand on the field that refers, not on
what it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Schema = Mapping[str, Any]

UNTYPED: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a value of which nothing is known."""


class Lookup(Protocol):
    """Finds the schema a ``$ref`` names; the reference is passed as it stands in the schema."""

    def __call__(self, reference: str, /) -> Schema: ...


def no_references(reference: str, /) -> Schema:
    """The lookup of schemas that refer to nothing, as those of custom resources."""
    raise LookupError(f"schema reference {reference!r}, but this schema was said to have none")


def reference(schema: Schema) -> str | None:
    """What a schema refers to, itself or as the only part of an ``allOf``."""
    name = schema.get("$ref")
    if name is None and len(parts := schema.get("allOf", ())) == 1:
        name = parts[0].get("$ref")
    return name


def resolve(schema: Schema, lookup: Lookup) -> Schema:
    """The schema itself, or what it refers to."""
    while (name := reference(schema)) is not None:
        schema = lookup(name)
    return schema


def member(schema: Schema, name: str) -> Schema:
    """The unresolved schema of a field of an object, declared or of a map's values."""
    declared = schema.get("properties")
    if declared is not None and name in declared:
        field: Schema = declared[name]
        return field
    values = schema.get("additionalProperties")
    return values if isinstance(values, Mapping) else UNTYPED
