"""Updates may keep what was already wrong.

A schema that became stricter must not lock existing objects: Kubernetes ignores an error on update
when the part it was raised in is unchanged. Parts correspond by field name, and by key in map
lists; the elements of other lists correspond to nothing, so such a list counts as one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from echelon.apiserver.schema.faults import Faults, Step
from echelon.apiserver.schema.listtype import identity, map_key
from echelon.apiserver.schema.structural import Structural


def without_unchanged(faults: Faults, node: Structural, value: Any, old: Any) -> Faults:
    """The faults that were not already there, as far as parts correspond."""
    return [fault for fault in faults if not _unchanged(fault.steps[::-1], node, value, old)]


def _unchanged(steps: Sequence[Step], node: Structural, value: Any, old: Any) -> bool:
    """Whether the innermost part on the way to a fault that has a counterpart is equal to it."""
    for depth, step in enumerate(steps):
        if depth == 0 and step in ("apiVersion", "kind"):
            return False
        child = node.items if isinstance(step, int) else node.child(step)
        counterpart = corresponding(node, value, old, step)
        if child is None or counterpart is ABSENT:
            break
        node, value, old = child, value[step], counterpart
    return bool(value == old)


ABSENT = object()


def corresponding(node: Structural, value: Any, old: Any, step: Step) -> Any:
    """What a field or element of the new value was in the old one, ``ABSENT`` when nothing."""
    if isinstance(step, str):
        return old.get(step, ABSENT) if isinstance(old, dict) else ABSENT
    if node.list_type != "map" or not isinstance(old, list):
        return ABSENT
    wanted = identity(map_key(value[step], node.list_map_keys))
    for item in old:
        if isinstance(item, dict) and identity(map_key(item, node.list_map_keys)) == wanted:
            return item
    return ABSENT
