"""Defaults in a schema must themselves be valid, and hold nothing that pruning would remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.defaulting import copy_json
from echelon.apiserver.schema.faults import Faults, in_order
from echelon.apiserver.schema.pruning import prune_with
from echelon.apiserver.schema.rules import RuleNode, evaluate_value, has_rules
from echelon.apiserver.schema.structural import References, Structural, refuse_references
from echelon.apiserver.schema.validation import checks_of


def default_errors(path: str, schema: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the defaults of a structural schema."""
    return list(_about(path, Structural(schema, References(refuse_references))))


def _about(path: str, node: Structural) -> Iterator[FieldError]:
    if node.has_default:
        yield from _about_default(f"{path}.default", node)
    if node.items is not None:
        yield from _about(f"{path}.items", node.items)
    for name, child in node.properties.items():
        yield from _about(f"{path}.properties[{name}]", child)


def _about_default(path: str, node: Structural) -> Iterator[FieldError]:
    default = node.raw["default"]
    pruned = copy_json(default)
    prune_with(node, pruned, "", [])
    if pruned != default:
        yield wording.invalid(path, default, "must not have unknown fields")
    faults: Faults = []
    check = checks_of(node)[type(default)]
    if check is not None:
        check(default, path, faults)
    yield from in_order(faults)
    if not faults and has_rules(node.raw):
        rules = RuleNode(node)
        if rules.is_compilable():  # if not, that is told of where the rule stands
            yield from evaluate_value(rules, default, path)
