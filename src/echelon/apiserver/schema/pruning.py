"""The pruning pass: remove fields that the schema does not know.

Under ``x-kubernetes-preserve-unknown-fields`` unknown fields stay, and only what is specified below
them is pruned. Where the schema ends (``additionalProperties: true``, items without a schema)
scalars stay and the fields of objects go, as in Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from echelon.apiserver.schema.embedded import TYPE_AND_METADATA, prune_metadata
from echelon.apiserver.schema.known import LONG, digest_of, known_of
from echelon.apiserver.schema.structural import Structural

Prune = Callable[[Any, str, list[str]], None]


def prune_with(node: Structural | None, value: Any, path: str, removed: list[str]) -> None:
    """Prune a value in place; the paths of what went are added to ``removed``."""
    prune_of(node)(value, path, removed)


def prune_of(node: Structural | None) -> Prune:
    """The pass of a node; of one that is shared, a door to it that opens when used."""
    if node is None:
        return _prune_unspecified
    if not node.shared:
        compiled: Prune = node.compiled("pruning", _compile)
        return compiled

    def prune_shared(value: Any, path: str, removed: list[str]) -> None:
        node.compiled("pruning", _compile)(value, path, removed)

    return prune_shared


def _prune_unspecified(value: Any, path: str, removed: list[str]) -> None:
    if isinstance(value, dict):
        removed += [_join(path, name) for name in value]
        value.clear()
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _prune_unspecified(item, f"{path}[{index}]", removed)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _compile(node: Structural) -> Prune:
    fields = {name: prune_of(child) for name, child in node.properties.items()}
    others = prune_of(node.additional) if node.allows_additional else None
    items = _compile_items(node)
    embedded, preserve = node.embedded, node.preserve

    def prune(value: Any, path: str, removed: list[str]) -> None:
        if type(value) is list:
            items(value, path, removed)
        if type(value) is not dict:
            return
        unknown = None
        for name, item in value.items():
            if embedded and name in TYPE_AND_METADATA:
                if name == "metadata":
                    prune_metadata(item, _join(path, name), removed)
                continue
            child = fields.get(name, others)
            if child is not None:
                kind = type(item)
                if kind is dict or kind is list:
                    child(item, f"{path}.{name}" if path else name, removed)
            elif not preserve:
                unknown = [name] if unknown is None else [*unknown, name]
        if unknown:
            for name in unknown:
                removed.append(_join(path, name))
                del value[name]

    return prune


def _compile_items(node: Structural) -> Prune:
    """The pass of the elements. Below preserved fields the elements' own schema only adds, never removes."""
    if node.items is None and node.preserve:
        return _keep
    each, child = node.items, prune_of(node.items)

    def prune_items(value: list[Any], path: str, removed: list[str]) -> None:
        known = known_of(each) if each is not None and len(value) >= LONG else None
        for index, item in enumerate(value):
            kind = type(item)
            if kind is dict or kind is list:
                if known is not None and known.has(digest_of(item)):
                    continue
                child(item, f"{path}[{index}]", removed)

    return prune_items


def _keep(value: Any, path: str, removed: list[str]) -> None:
    return None
