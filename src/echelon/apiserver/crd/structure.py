"""Is a schema structural?

A structural schema has a tree of types outside of any ``anyOf``, ``oneOf``, ``allOf`` and ``not``;
those may only add value checks, for fields that the tree has. That makes pruning, defaulting and
server-side apply possible: the place of a value alone tells its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.patterns import PatternError, compile_pattern
from echelon.apiserver.schema.structural import (
    EMBEDDED_RESOURCE,
    INT_OR_STRING,
    LIST_MAP_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVE_UNKNOWN,
    VALIDATIONS,
)

Node = Mapping[str, Any]

_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_INT_OR_STRING_BRANCHES = [{"type": "integer"}, {"type": "string"}]

# Keywords that only the tree may have, and what a value check must have in their place.
_TREE_KEYWORDS = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    PRESERVE_UNKNOWN: "must be false to be structural",
    EMBEDDED_RESOURCE: "must be false to be structural",
    INT_OR_STRING: "must be false to be structural",
    LIST_MAP_KEYS: "must be empty to be structural",
    LIST_TYPE: "must be undefined to be structural",
    MAP_TYPE: "must be undefined to be structural",
    VALIDATIONS: "must be empty to be structural",
}


def structure_errors(path: str, schema: Node) -> list[FieldError]:
    """Everything that keeps a schema from being structural, sorted by message as Kubernetes does."""
    errors = [*_about_tree(path, schema, _ROOT), *_about_completeness(schema, schema, path, path)]
    return sorted(errors, key=str)


def _about_tree(path: str, node: Node, level: str) -> Iterator[FieldError]:
    items, additional = node.get("items"), node.get("additionalProperties")
    if node.get("type") == "array" and items is None:
        yield wording.required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _about_tree(f"{path}.items", items, _ITEM)
    for name, child in _properties(node).items():
        yield from _about_tree(f"{path}.properties[{name}]", child, _FIELD)
    if additional is not None and level == _ROOT:
        yield wording.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, Mapping):
        yield from _about_tree(f"{path}.additionalProperties", additional, _FIELD)
    yield from _about_extensions(path, node)
    yield from _about_values(path, node)
    yield from _about_type(path, node, level)
    yield from _about_metadata(path, node, level)


def _about_extensions(path: str, node: Node) -> Iterator[FieldError]:
    if not node.get(INT_OR_STRING):
        return
    for extension in (PRESERVE_UNKNOWN, EMBEDDED_RESOURCE):
        if node.get(extension):
            yield wording.invalid(f"{path}.{extension}", True, f"must be false if {INT_OR_STRING} is true")


def _about_type(path: str, node: Node, level: str) -> Iterator[FieldError]:
    kind, embedded = node.get("type") or "", bool(node.get(EMBEDDED_RESOURCE))
    if embedded and kind != "object":
        detail = f"must be object if {EMBEDDED_RESOURCE} is true"
        at = f"{path}.type"
        yield wording.invalid(at, kind, detail) if kind else wording.required(at, detail)
    elif not kind and not node.get(INT_OR_STRING) and not node.get(PRESERVE_UNKNOWN):
        yield wording.required(f"{path}.type", f"must not be empty {level}")
    if embedded and node.get("additionalProperties") is not None:
        detail = f"must not be used if {EMBEDDED_RESOURCE} is set"
        yield wording.forbidden(f"{path}.additionalProperties", detail)
    if embedded and not node.get(PRESERVE_UNKNOWN) and not _properties(node):
        detail = f"must not be empty if {EMBEDDED_RESOURCE} is true without {PRESERVE_UNKNOWN}"
        yield wording.required(f"{path}.properties", detail)
    if level == _ROOT and kind and kind != "object":
        yield wording.invalid(f"{path}.type", kind, "must be object at the root")


def _about_metadata(path: str, node: Node, level: str) -> Iterator[FieldError]:
    """``apiVersion``, ``kind`` and ``metadata`` of an object are given; a schema may only narrow names."""
    properties = _properties(node)
    if level != _ROOT and not node.get(EMBEDDED_RESOURCE):
        return
    for name in ("kind", "apiVersion"):
        if name in properties and properties[name].get("type") != "string":
            shown = properties[name].get("type") or ""
            yield wording.invalid(f"{path}.properties[{name}].type", shown, "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    at = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        yield wording.invalid(f"{at}.type", metadata.get("type") or "", "must be object")
    if level == _ROOT:
        allowed = _properties(metadata).keys() <= {"name", "generateName"}
        further = metadata.keys() - {"type", "properties", "default"}
        if further or not allowed:
            detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield wording.forbidden(at, detail)


def _about_values(path: str, node: Node) -> Iterator[FieldError]:
    """The value checks of a node and all below them."""
    for keyword in ("anyOf", "allOf", "oneOf"):
        branches = node.get(keyword) or ()
        if keyword == "anyOf" and node.get("anyOf") == _INT_OR_STRING_BRANCHES:
            continue
        for index, branch in enumerate(branches):
            first_may = keyword == "allOf" and index == 0
            yield from _about_nested(f"{path}.{keyword}[{index}]", branch, int_or_string=first_may)
    if isinstance(node.get("not"), Mapping):
        yield from _about_nested(f"{path}.not", node["not"])
    pattern = node.get("pattern")
    if pattern:
        try:
            compile_pattern(pattern)
        except PatternError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            yield wording.invalid(f"{path}.pattern", pattern, detail)


def _about_nested(path: str, node: Node, *, int_or_string: bool = False) -> Iterator[FieldError]:
    if int_or_string and node.get("anyOf") == _INT_OR_STRING_BRANCHES:
        node = {key: value for key, value in node.items() if key != "anyOf"}
    yield from _about_values(path, node)
    if isinstance(node.get("items"), Mapping):
        yield from _about_nested(f"{path}.items", node["items"])
    for name, child in _properties(node).items():
        yield from _about_nested(f"{path}.properties[{name}]", child)
    for keyword, detail in _TREE_KEYWORDS.items():
        absent = node.get(keyword) is None if "undefined" in detail else not node.get(keyword)
        if not absent:
            yield wording.forbidden(f"{path}.{keyword}", detail)
    if "metadata" in _properties(node):
        yield wording.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _about_completeness(checks: Node, tree: Node | None, tree_path: str, path: str) -> Iterator[FieldError]:
    """Fields that value checks name must be in the tree."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(checks.get(keyword) or ()):
            yield from _about_nested_completeness(branch, tree, tree_path, f"{path}.{keyword}[{index}]")
    if isinstance(checks.get("not"), Mapping):
        yield from _about_nested_completeness(checks["not"], tree, tree_path, f"{path}.not")


def _about_nested_completeness(checks: Node, tree: Node | None, tree_path: str, path: str) -> Iterator[FieldError]:
    if tree is None:
        yield wording.required(tree_path, f"because it is defined in {path}")
        return
    yield from _about_completeness(checks, tree, tree_path, path)
    if isinstance(checks.get("items"), Mapping):
        items = tree.get("items")
        below = items if isinstance(items, Mapping) else None
        yield from _about_nested_completeness(checks["items"], below, f"{tree_path}.items", f"{path}.items")
    for name, child in _properties(checks).items():
        step = f".properties[{name}]"
        yield from _about_nested_completeness(child, _properties(tree).get(name), tree_path + step, path + step)


def _properties(node: Node) -> Mapping[str, Node]:
    properties: Mapping[str, Node] = node.get("properties") or {}
    return properties
