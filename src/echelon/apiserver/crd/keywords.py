"""The keywords of a schema, node by node: allowed, consistent, and their rules usable.

Structure is checked apart (``structure``). Rules are compiled (``rule_errors``) only for a schema that
is otherwise right, since a rule means nothing without the types around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.cel.runtime import CompileError
from echelon.apiserver.schema.fieldpath import FieldPathError, resolve_field_path
from echelon.apiserver.schema.rules import compile_message, compile_rule, seen_by_rules
from echelon.apiserver.schema.structural import (
    EMBEDDED_RESOURCE,
    LIST_MAP_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVE_UNKNOWN,
    VALIDATIONS,
    References,
    Structural,
    refuse_references,
)

Node = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_METADATA = frozenset(("apiVersion", "kind", "metadata"))


class Place(msgspec.Struct, frozen=True):
    """Where in the schema a node is, as far as it matters to its keywords.

    ``no_default`` says why the node may have no default, ``unmatched`` is the list or map whose
    elements correspond to no old ones, so that rules below cannot use ``oldSelf``.
    """

    path: str
    root: bool = False
    in_metadata: bool = False
    no_default: str = ""
    unmatched: str = ""

    def below(self, step: str, **changes: Any) -> Place:
        return msgspec.structs.replace(self, path=self.path + step, root=False, **changes)


def keyword_errors(path: str, schema: Node) -> list[FieldError]:
    """What is wrong with keywords, the rules' own evaluation aside."""
    return [error for node, place in _nodes(schema, Place(path, root=True)) for error in _about_node(node, place)]


def rule_errors(path: str, schema: Node) -> list[FieldError]:
    """What is wrong with the rules of a schema that is otherwise valid."""
    return [error for node, place in _tree(schema, Place(path, root=True)) for error in _about_rules(node, place)]


def _tree(node: Node, place: Place) -> Iterator[tuple[Node, Place]]:
    """The nodes that have a type of their own."""
    yield node, place
    yield from (found for child, below in _children(node, place) for found in _tree(child, below))


def _nodes(node: Node, place: Place) -> Iterator[tuple[Node, Place]]:
    """All nodes, those that only check values included."""
    yield node, place
    for child, below in _children(node, place):
        yield from _nodes(child, below)
    if isinstance(node.get("not"), Mapping):
        yield from _nodes(node["not"], place.below(".not"))
    for keyword in ("allOf", "oneOf", "anyOf"):
        for index, branch in enumerate(node.get(keyword) or ()):
            yield from _nodes(branch, place.below(f".{keyword}[{index}]"))


def _children(node: Node, place: Place) -> Iterator[tuple[Node, Place]]:
    additional, items = node.get("additionalProperties"), node.get("items")
    if isinstance(additional, Mapping):
        why = "inside additionalProperties applying to object metadata" if place.in_metadata else place.no_default
        yield additional, place.below(".additionalProperties", no_default=why)
    for name, child in (node.get("properties") or {}).items():
        step = f".properties[{name}]"
        if (place.root or node.get(EMBEDDED_RESOURCE)) and name in _METADATA:
            why = f"in top-level {name}" if place.root else place.no_default
            yield child, place.below(step, in_metadata=True, no_default=why)
        else:
            yield child, place.below(step)
    if isinstance(items, Mapping):
        matched = node.get(LIST_TYPE) == "map"
        yield items, place.below(".items", unmatched=place.unmatched if matched else place.unmatched or place.path)


def _about_node(node: Node, place: Place) -> Iterator[FieldError]:
    yield from _about_support(node, place)
    if node.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield wording.forbidden(f"{place.path}.uniqueItems", detail)
    if node.get("properties") and node.get("additionalProperties") not in (None, True):
        detail = "additionalProperties and properties are mutual exclusive"
        yield wording.forbidden(f"{place.path}.additionalProperties", detail)
    if node.get(PRESERVE_UNKNOWN) is False:
        yield wording.invalid(f"{place.path}.{PRESERVE_UNKNOWN}", False, "must be true or undefined")
    yield from _about_map_type(node, place.path)
    yield from _about_list_type(node, place.path)
    if node.get(LIST_TYPE) == "map":
        yield from _about_map_list(node, place.path)
    for index, rule in enumerate(node.get(VALIDATIONS) or ()):
        yield from _about_rule_texts(rule, node, f"{place.path}.{VALIDATIONS}[{index}]")


def _about_support(node: Node, place: Place) -> Iterator[FieldError]:
    kind = node.get("type")
    if kind and kind not in TYPES:
        yield wording.not_supported(f"{place.path}.type", kind, TYPES)
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        yield wording.forbidden(f"{place.path}.type", detail)
    if node.get("default") is not None and place.no_default:
        yield wording.forbidden(f"{place.path}.default", f"must not be set {place.no_default}")
    for keyword in _UNSUPPORTED:
        if node.get(keyword) is not None:
            yield wording.forbidden(f"{place.path}.{keyword}", f"{keyword} is not supported")
    if isinstance(node.get("items"), list):
        yield wording.forbidden(f"{place.path}.items", "items must be a schema object and not an array")
    if place.in_metadata and node.get(EMBEDDED_RESOURCE):
        yield wording.forbidden(f"{place.path}.{EMBEDDED_RESOURCE}", "must not be used inside of resource meta")


def _typed(node: Node, path: str, wanted: str, because: str) -> Iterator[FieldError]:
    """Complain unless the node has the type that a keyword needs."""
    kind = node.get("type") or ""
    detail = f"must be {wanted} if {because}"
    if not kind:
        yield wording.required(f"{path}.type", detail)
    elif kind != wanted:
        yield wording.invalid(f"{path}.type", kind, detail)


def _about_map_type(node: Node, path: str) -> Iterator[FieldError]:
    kind = node.get(MAP_TYPE)
    if kind is None:
        return
    yield from _typed(node, path, "object", f"{MAP_TYPE} is specified")
    if kind not in ("atomic", "granular"):
        yield wording.not_supported(f"{path}.{MAP_TYPE}", kind, ("atomic", "granular"))


def _about_list_type(node: Node, path: str) -> Iterator[FieldError]:
    kind = node.get(LIST_TYPE)
    if node.get(LIST_MAP_KEYS):
        detail = f"must be map if {LIST_MAP_KEYS} is non-empty"
        if kind is None:
            yield wording.required(f"{path}.{LIST_TYPE}", detail)
        elif kind != "map":
            yield wording.invalid(f"{path}.{LIST_TYPE}", kind, detail)
    if kind is None:
        return
    yield from _typed(node, path, "array", f"{LIST_TYPE} is specified")
    if kind not in ("atomic", "set", "map"):
        yield wording.not_supported(f"{path}.{LIST_TYPE}", kind, ("atomic", "set", "map"))
    items = node.get("items")
    if kind not in ("set", "map") or not isinstance(items, Mapping):
        return
    if items.get("nullable"):
        yield wording.forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {kind}")
    if kind == "set":
        detail = f"must be atomic as item of a list with {LIST_TYPE}=set"
        if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
            yield wording.invalid(f"{path}.items.{LIST_TYPE}", items.get(LIST_TYPE), detail)
        if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
            yield wording.invalid(f"{path}.items.{MAP_TYPE}", items.get(LIST_TYPE), detail)


def _about_map_list(node: Node, path: str) -> Iterator[FieldError]:
    keys: Sequence[str] = node.get(LIST_MAP_KEYS) or ()
    items = node.get("items")
    if not keys:
        yield wording.required(f"{path}.{LIST_MAP_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield wording.required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
    if not isinstance(items, Mapping):
        return
    if items.get("type") != "object":
        detail = f"must be object if parent array's {LIST_TYPE} is map"
        yield wording.invalid(f"{path}.items.type", items.get("type") or "", detail)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield wording.invalid(f"{path}.{LIST_MAP_KEYS}", keys, "entries must all be names of item properties")
        else:
            yield from _about_map_key(key, properties[key], items, path)
        if key in keys[:index]:
            yield wording.invalid(f"{path}.{LIST_MAP_KEYS}", keys, "must not contain duplicate entries")


def _about_map_key(key: str, child: Node, items: Node, path: str) -> Iterator[FieldError]:
    at = f"{path}.items.properties[{key}]"
    if child.get("type") in ("array", "object"):
        detail = f"must be a scalar type if parent array's {LIST_TYPE} is map"
        yield wording.invalid(f"{at}.type", items.get("type"), detail)
    if child.get("default") is None and key not in (items.get("required") or ()):
        detail = f"this property is in {LIST_MAP_KEYS}, so it must have a default or be a required property"
        yield wording.required(f"{at}.default", detail)
    if child.get("nullable"):
        detail = f"this property is in {LIST_MAP_KEYS}, so it cannot be nullable"
        yield wording.forbidden(f"{at}.nullable", detail)


def _broken(text: str) -> bool:
    return "\n" in text or "\r" in text


def _about_rule_texts(rule: Node, node: Node, path: str) -> Iterator[FieldError]:
    text, message = str(rule.get("rule") or "").strip(), str(rule.get("message") or "")
    if not text:
        yield wording.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield wording.invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _broken(message.strip()):
        yield wording.invalid(f"{path}.message", message, "must not contain line breaks")
    elif _broken(text) and not message.strip():
        yield wording.required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = str(rule.get("messageExpression") or "")
    if expression and not expression.strip():
        yield wording.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") and rule["reason"] not in _REASONS:
        yield wording.not_supported(f"{path}.reason", rule["reason"], _REASONS)
    yield from _about_field_path(str(rule.get("fieldPath") or ""), node, f"{path}.fieldPath")


def _about_field_path(field_path: str, node: Node, path: str) -> Iterator[FieldError]:
    if not field_path:
        return
    if not field_path.strip():
        yield wording.invalid(path, field_path, "must be non-empty if specified")
    if _broken(field_path):
        yield wording.invalid(path, field_path, "must not contain line breaks")
    try:
        resolve_field_path(field_path, Structural(node, References(refuse_references)))
    except FieldPathError:
        yield wording.invalid(path, field_path, "must be a valid path")


def _about_rules(node: Node, place: Place) -> Iterator[FieldError]:
    raw_rules: Sequence[Node] = node.get(VALIDATIONS) or ()
    if not raw_rules:
        return
    seen = seen_by_rules(Structural(node, References(refuse_references)), root=place.root)
    for index, raw in enumerate(raw_rules):
        yield from _about_rule(raw, seen, place, f"{place.path}.{VALIDATIONS}[{index}]")


def _about_rule(raw: Node, seen: Structural, place: Place, path: str) -> Iterator[FieldError]:
    if raw.get("messageExpression"):
        try:
            compile_message(raw, seen)
        except CompileError as error:
            yield wording.invalid(f"{path}.messageExpression", _shown(raw), str(error))
    try:
        rule = compile_rule({**raw, "messageExpression": ""}, seen)
    except CompileError as error:
        yield wording.invalid(f"{path}.rule", _shown(raw), str(error))
        return
    if rule.program.uses_old_self and place.unmatched:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.unmatched}"
        yield wording.invalid(f"{path}.rule", raw["rule"], detail)
    if not rule.program.uses_old_self and raw.get("optionalOldSelf") is not None:
        detail = "may not be set if oldSelf is not used in rule"
        yield wording.invalid(f"{path}.optionalOldSelf", raw["optionalOldSelf"], detail)


def _shown(raw: Node) -> wording.Record:
    """A rule as Kubernetes quotes it: all fields of its internal type."""
    return wording.Record(
        Rule=raw.get("rule", ""),
        Message=raw.get("message", ""),
        MessageExpression=raw.get("messageExpression", ""),
        Reason=raw.get("reason"),
        FieldPath=raw.get("fieldPath", ""),
        OptionalOldSelf=raw.get("optionalOldSelf"),
    )
