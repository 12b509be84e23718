"""Objects made from the schemas of a server's kinds, right in most fields and wrong in some."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1 << 63, -(1 << 70), 1e308, 0.5, [], {}, [None], [[]], [{}], {"": {}}, {"a": None}),
    *({"$patch": "delete"}, {"name": 1}, "", "\0", "x" * 300, "é😀", "A_b", "../..", "1Gi", "-5m", "nope", "*"),
    *("2026-01-31T08:00:00Z", "99999-99-99", "10.0.0.1", "system:masters", "Always", "TCP", "In", "${a}", "((", "%"),
)
"""Values that fit somewhere, or nowhere."""

_NAMES = ("a", "b", "name", "key", "x.example.com/y", "kubernetes.io/z", "", "UPPER", "é")


Components = Mapping[str, Mapping[str, Any]]
"""Schemas that others refer to, by name."""


def from_schema(
    schema: Mapping[str, Any], chance: random.Random, depth: int = 0, components: Components = MappingProxyType({})
) -> Any:
    """A value of a schema; about one in twelve is something else."""
    while reference := schema.get("$ref") or next((part.get("$ref") for part in schema.get("allOf", ())), None):
        schema = components[reference.rpartition("/")[2]]
    if depth > 9 or chance.random() < 0.08:
        return chance.choice(ODD)
    if schema.get("enum") and chance.random() < 0.8:
        return chance.choice(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return chance.choice((3, "25%", "http"))
    match schema.get("type"):
        case "object":
            return _object(schema, chance, depth, components)
        case "array":
            items = schema.get("items") or {}
            return [from_schema(items, chance, depth + 1, components) for _ in range(chance.choice((0, 1, 1, 2)))]
        case "string":
            return chance.choice(("a", "b", "app", "1", "2026-01-31T08:00:00Z", "100m", "YQ==", "nginx:1"))
        case "integer" | "number":
            return chance.choice((0, 1, 2, 80, 30000, 65536))
        case "boolean":
            return chance.random() < 0.5
        case _:
            return chance.choice(ODD)


def _object(schema: Mapping[str, Any], chance: random.Random, depth: int, components: Components) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    wanted = min(1.0, 3.0 / (len(properties) or 1))
    found = {
        name: from_schema(below, chance, depth + 1, components)
        for name, below in properties.items()
        if (name in required and chance.random() < 0.97) or chance.random() < wanted
    }
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping):
        for _ in range(chance.choice((0, 1, 2))):
            found[chance.choice(_NAMES)] = from_schema(extra, chance, depth + 1, components)
    if chance.random() < 0.05:
        found[chance.choice(_NAMES)] = chance.choice(ODD)
    return found


def object_of(
    api_version: str,
    kind: str,
    name: str,
    schema: Mapping[str, Any],
    chance: random.Random,
    components: Components = MappingProxyType({}),
) -> Any:
    """An object of a kind, with metadata that can mostly be taken."""
    made = from_schema({**schema, "type": "object"}, chance, 0, components)
    if not isinstance(made, dict) or chance.random() < 0.03:
        return made
    metadata = made.get("metadata") if chance.random() < 0.2 else {}
    if isinstance(metadata, dict):
        metadata = {**metadata, "name": name}
        if chance.random() < 0.2:
            metadata[chance.choice(_METADATA)] = chance.choice(ODD)
    made.update(apiVersion=api_version, kind=kind, metadata=metadata)
    return made


def damaged(value: Any, chance: random.Random, rate: float = 0.04) -> Any:
    """A value with some of its parts replaced, removed or doubled."""
    if chance.random() < rate:
        return chance.choice(ODD)
    if isinstance(value, dict):
        kept = {key: damaged(item, chance, rate) for key, item in value.items() if chance.random() > rate}
        if chance.random() < rate:
            kept[chance.choice(_NAMES)] = chance.choice(ODD)
        return kept
    if isinstance(value, list):
        items = [damaged(item, chance, rate) for item in value]
        return items + items if chance.random() < rate else items
    return value


_METADATA = (
    *("labels", "annotations", "finalizers", "ownerReferences", "generateName", "managedFields", "uid", "name"),
    *("resourceVersion", "generation", "deletionTimestamp", "creationTimestamp", "namespace", "unknown"),
)
