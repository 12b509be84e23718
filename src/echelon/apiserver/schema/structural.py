"""The tree of a structural schema.

A ``Structural`` is one node: the schema of one value, with its children reachable as nodes. It is a
thin reading of the OpenAPI dict, made lazily: references are resolved when a node is first reached
and shared by name, so that recursive types (``JSONSchemaProps``) and large ones (``PodSpec``) cost
nothing until a value needs them. The passes over values (``validation``, ``pruning``,
``defaulting``, ``listtype``, ``embedded``) are compiled from these nodes, each on first use, and kept on the node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from echelon.apiserver.schema.formats import known_format

OpenAPI = Mapping[str, Any]
Resolve = Callable[[str], OpenAPI]

INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
EMBEDDED_RESOURCE = "x-kubernetes-embedded-resource"
LIST_TYPE = "x-kubernetes-list-type"
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
VALIDATIONS = "x-kubernetes-validations"

_ANNOTATIONS = frozenset(("$ref", "description", "title", "example", "externalDocs"))


class UnknownReference(LookupError):
    """A schema refers to another one that cannot be found."""


def refuse_references(name: str) -> OpenAPI:
    """The resolver of schemas that must be complete in themselves."""
    raise UnknownReference(f"the schema refers to {name!r}; references are not supported here")


class References:
    """Resolves references and keeps one node a name, so that recursive types end in themselves."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self._nodes: dict[str, Structural] = {}

    def node(self, schema: OpenAPI) -> Structural:
        """The node of a schema; of a reference without overriding siblings, the shared one."""
        name = _sole_reference(schema)
        if name is None:
            return Structural(self._inlined(schema), self)
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = Structural(self._inlined(self.resolve(name)), self, shared=True)
        return found

    def _inlined(self, schema: OpenAPI) -> OpenAPI:
        """The schema with a reference at its top replaced by what it refers to, siblings winning."""
        while "$ref" in schema or _wrapped_reference(schema):
            name = schema["$ref"] if "$ref" in schema else schema["allOf"][0]["$ref"]
            siblings = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            schema = {**self.resolve(name), **siblings}
        return schema


def _wrapped_reference(schema: OpenAPI) -> bool:
    """Whether the schema is ``allOf: [{$ref}]``, the form Kubernetes publishes references with a default in."""
    parts: Sequence[OpenAPI] = schema.get("allOf") or ()
    return len(parts) == 1 and parts[0].keys() == {"$ref"} and "type" not in schema


def _sole_reference(schema: OpenAPI) -> str | None:
    name = schema.get("$ref")
    if name is None and _wrapped_reference(schema):
        name = schema["allOf"][0]["$ref"]
        return name if schema.keys() <= _ANNOTATIONS | {"allOf"} else None
    return name if name is not None and schema.keys() <= _ANNOTATIONS else None


class Structural:
    """One node of a structural schema. ``shared`` marks a node that may be part of itself."""

    def __init__(self, raw: OpenAPI, references: References, *, shared: bool = False) -> None:
        self.raw = raw
        self.references = references
        self.shared = shared
        self.nullable: bool = bool(raw.get("nullable"))
        self.int_or_string: bool = bool(raw.get(INT_OR_STRING)) or raw.get("format") == "int-or-string"
        self.preserve: bool = bool(raw.get(PRESERVE_UNKNOWN))
        self.embedded: bool = bool(raw.get(EMBEDDED_RESOURCE))
        self.has_default: bool = raw.get("default") is not None
        self.list_type: str | None = raw.get(LIST_TYPE)
        self.list_map_keys: Sequence[str] = raw.get(LIST_MAP_KEYS) or ()
        self.passes: dict[str, Any] = {}  # the compiled passes, by name

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types a value may have; empty when any will do."""
        if self.int_or_string:
            return ("integer", "string")
        declared = self.raw.get("type")
        if not declared:
            return ()
        return (declared,) if isinstance(declared, str) else tuple(declared)

    @cached_property
    def format(self) -> str:
        """The format, empty when none is declared or the one declared means nothing for the type."""
        declared = self.raw.get("format") or ""
        return declared if declared and not self.int_or_string and known_format(declared, self.types) else ""

    @cached_property
    def properties(self) -> dict[str, Structural]:
        return {name: self.references.node(schema) for name, schema in (self.raw.get("properties") or {}).items()}

    @cached_property
    def items(self) -> Structural | None:
        schema = self.raw.get("items")
        return self.references.node(schema) if isinstance(schema, Mapping) else None

    @cached_property
    def additional(self) -> Structural | None:
        """The schema of further properties; ``None`` when they are unspecified, allowed or forbidden as such."""
        schema = self.raw.get("additionalProperties")
        return self.references.node(schema) if isinstance(schema, Mapping) else None

    @property
    def allows_additional(self) -> bool:
        """Whether further properties are part of the schema, of whatever type."""
        return self.raw.get("additionalProperties") not in (None, False)

    @property
    def forbids_additional(self) -> bool:
        return self.raw.get("additionalProperties") is False

    def branches(self, keyword: str) -> list[Structural]:
        """The schemas under ``allOf``, ``anyOf`` or ``oneOf``."""
        return [self.references.node(schema) for schema in self.raw.get(keyword) or ()]

    def negated(self) -> Structural | None:
        schema = self.raw.get("not")
        return self.references.node(schema) if schema is not None else None

    def child(self, name: str) -> Structural | None:
        """The schema of a field, whether it is a property or one of the further ones."""
        return self.properties.get(name) or self.additional

    def compiled(self, name: str, compile_pass: Callable[[Structural], Any]) -> Any:
        """A pass of this node, compiled on first use."""
        if name not in self.passes:
            self.passes[name] = compile_pass(self)
        return self.passes[name]
