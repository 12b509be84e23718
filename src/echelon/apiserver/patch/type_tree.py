"""Types for server-side apply, read from OpenAPI schemas.

A ``Type`` says how values are taken apart into fields that managers can own one by one. Of objects:
``granular`` ones (the default) are, ``atomic`` ones are owned as a whole. Of lists: maps (items told
apart by keys) and sets are, atomic ones (the default) are not. The schema says so by
``x-kubernetes-map-type``, ``x-kubernetes-list-type`` and ``x-kubernetes-list-map-keys``; where a
built-in kind has no list type, the patch strategy and merge key of strategic merge patch count.
Where the schema knows nothing, objects are granular and lists atomic.

Types are made on first use, since schemas may refer to themselves, and those of referred schemas
are made once for a tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from echelon.apiserver.patch.schema_tree import Lookup, Schema, no_references, reference, resolve

ANY_SCALAR = "any"


class MapShape:
    """How objects of a type are taken apart. ``declared`` are the fields the schema names."""

    def __init__(self, tree: TypeTree, schema: Schema, *, atomic: bool, open_below: bool) -> None:
        self._tree = tree
        self._open_below = open_below
        self._fields: dict[str, Type] = {}
        self.atomic = atomic
        self.declared: Mapping[str, Schema] = schema.get("properties") or {}
        self._others: Schema | bool | None = schema.get("additionalProperties")

    @cached_property
    def others(self) -> Type | None:
        """The type of members that are not declared; None when there can be none."""
        if isinstance(self._others, Mapping):
            return self._tree.type_of(self._others, open_below=self._open_below)
        if self._others or (self._others is None and (self._open_below or not self.declared)):
            return DEDUCED
        return None

    def field(self, name: str) -> Type:
        """The type of a member; anything goes for one that should not be there."""
        known = self._fields.get(name)
        if known is None:
            schema = self.declared.get(name)
            if schema is None:
                return self.others or DEDUCED
            known = self._fields[name] = self._tree.type_of(schema, open_below=self._open_below)
        return known

    def always_present(self, name: str) -> bool:
        """Whether an absent member reads as an empty one: then nobody owns its mere existence.

        The schemas of built-in kinds show by a default ``{}`` which fields are plain structs in
        Kubernetes' own types, and those are never absent there.
        """
        schema = self.declared.get(name)
        return schema is not None and schema.get("default") == {}


class ListShape:
    """How lists of a type are taken apart: as a whole, as a set, or by the ``keys`` of their items."""

    def __init__(self, tree: TypeTree, schema: Schema, *, open_below: bool) -> None:
        self._tree = tree
        self._open_below = open_below
        self._items: Schema | None = schema.get("items")
        kind = schema.get("x-kubernetes-list-type")
        self.keys: tuple[str, ...] = ()
        if kind is not None:
            self.atomic = kind == "atomic"
            if kind == "map":
                self.keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
        else:
            strategies = schema.get("x-kubernetes-patch-strategy", "").split(",")
            self.atomic = "merge" not in strategies
            if not self.atomic and "x-kubernetes-patch-merge-key" in schema:
                self.keys = (schema["x-kubernetes-patch-merge-key"],)

    @cached_property
    def item(self) -> Type:
        return UNTYPED if self._items is None else self._tree.type_of(self._items, open_below=self._open_below)

    @cached_property
    def key_defaults(self) -> Mapping[str, Any]:
        """What a key that an item leaves out stands for."""
        declared = self.item.map.declared if self.item.map else {}
        return {key: declared[key]["default"] for key in self.keys if "default" in declared.get(key, {})}


class Type:
    """What a value may be and how each is taken apart: a scalar, a list, an object, or any of them."""

    __slots__ = ("list", "map", "scalar")

    def __init__(self, scalar: str | None, list_shape: ListShape | None, map_shape: MapShape | None) -> None:
        self.scalar = scalar
        self.list = list_shape
        self.map = map_shape


class TypeTree:
    """The types of one kind in one version."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._referred: dict[str, Type] = {}

    def root(self, schema: Schema) -> Type:
        """The type of whole objects, with the metadata that all kinds have."""
        schema = resolve(schema, self._lookup)
        open_ = schema.get("x-kubernetes-preserve-unknown-fields") is True or "properties" not in schema
        return self.type_of(_identified(schema), open_below=open_)

    def type_of(self, schema: Schema, *, open_below: bool = False) -> Type:
        """``open_below``: a schema above keeps unknown fields, which those it holds inherit."""
        name = reference(schema)
        if name is None:
            return self._inline(schema, open_below)
        known = self._referred.get(name)
        if known is None:
            known = self._referred[name] = self._referred_type(name)
        map_type = schema.get("x-kubernetes-map-type")
        if map_type is None or known.map is None:
            return known
        target = resolve(schema, self._lookup)
        shape = MapShape(self, target, atomic=map_type == "atomic", open_below=False)
        return Type(known.scalar, known.list, shape)

    def _referred_type(self, name: str) -> Type:
        if name.endswith(".api.resource.Quantity"):
            return SCALAR
        if name.endswith(".runtime.RawExtension"):
            return UNTYPED
        return self._inline(resolve(self._lookup(name), self._lookup), open_below=False)

    def _inline(self, schema: Schema, open_below: bool) -> Type:
        open_below = open_below or schema.get("x-kubernetes-preserve-unknown-fields") is True
        if schema.get("x-kubernetes-embedded-resource"):
            schema = _identified(schema)
        kind = schema.get("type")
        lists = maps = None
        if kind in ("array", None):
            lists = ListShape(self, schema, open_below=open_below)
        if kind in ("object", None):
            atomic = schema.get("x-kubernetes-map-type") == "atomic"
            maps = MapShape(self, schema, atomic=atomic, open_below=open_below)
        return Type(_scalar(kind, schema), lists, maps)


def _identified(schema: Schema) -> Schema:
    """The schema of an object of some kind, with the fields that all kinds have."""
    properties = {"apiVersion": _STRING, "kind": _STRING, **(schema.get("properties") or {})}
    if reference(properties.get("metadata", {})) is None:
        properties["metadata"] = METADATA
    return {**schema, "properties": properties}


def _scalar(kind: str | None, schema: Schema) -> str | None:
    match kind:
        case "integer" | "number":
            return "number"
        case "boolean":
            return "boolean"
        case "string":
            return "string" if schema.get("format", "") in ("", "byte") else ANY_SCALAR
        case None:
            return ANY_SCALAR
        case _:
            return None


_FREE = TypeTree(no_references)

SCALAR = Type(ANY_SCALAR, None, None)

DEDUCED = _FREE.type_of({"additionalProperties": True})
"""Of values that no schema describes: objects are granular, lists atomic."""

UNTYPED = _FREE.type_of({"additionalProperties": True, "x-kubernetes-map-type": "atomic"})
"""Of values that are always taken as a whole."""

_STRING: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_INTEGER: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_STRINGS: Schema = {"type": "object", "additionalProperties": _STRING}

METADATA: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"), _STRING),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
        **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), _INTEGER),
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {
                "type": "object",
                "x-kubernetes-map-type": "atomic",
                "properties": {
                    **dict.fromkeys(("apiVersion", "kind", "name", "uid"), _STRING),
                    **dict.fromkeys(("controller", "blockOwnerDeletion"), _BOOLEAN),
                },
            },
        },
        "managedFields": {"type": "array", "items": {"type": "object"}},
    },
}
"""``ObjectMeta``, for kinds whose schemas leave the metadata open, as those of custom resources do."""
