"""``anyOf``, ``oneOf``, ``allOf`` and ``not``.

When no branch of an ``anyOf`` or ``oneOf`` holds, the errors of the branch that came closest are
told. Closest is the one with the most passed checks, counted as Kubernetes' validator counts them;
the count is taken only when it is needed, by walking the value once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from echelon.apiserver.schema import wording
from echelon.apiserver.schema.faults import Check, Fault, Faults
from echelon.apiserver.schema.structural import Structural

if TYPE_CHECKING:
    from echelon.apiserver.schema.validation import Checks

ChecksOf = Callable[[Structural], "Checks"]


def compile_combinations(node: Structural, kind: type, checks_of: ChecksOf) -> Check | None:
    """The combinations of a node, for values of one Python type."""
    any_of, one_of, all_of = (_Branches(node.branches(name), checks_of) for name in ("anyOf", "oneOf", "allOf"))
    negated = node.negated()
    if not (any_of or one_of or all_of or negated):
        return None

    def check_combinations(value: Any, path: str, faults: Faults) -> None:
        if any_of:
            any_of.check_any(value, path, faults)
        if one_of:
            one_of.check_one(value, path, faults)
        if all_of:
            all_of.check_all(value, path, faults)
        if negated is not None and not _faults_of(checks_of(negated), value, path):
            faults.append(_fault(path, "must not validate the schema (not)"))

    return check_combinations


def _fault(path: str, detail: str) -> Fault:
    return Fault(wording.invalid(None, "", f"{wording.quote(path)} {detail}"))


def _faults_of(checks: Checks, value: Any, path: str) -> Faults:
    found: Faults = []
    check = checks[type(value)]
    if check is not None:
        check(value, path, found)
    return found


class _Branches:
    """The schemas under one keyword."""

    def __init__(self, nodes: Sequence[Structural], checks_of: ChecksOf) -> None:
        self.nodes = nodes
        self.checks = [checks_of(node) for node in nodes]

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def check_any(self, value: Any, path: str, faults: Faults) -> None:
        failed = []
        for checks in self.checks:
            found = _faults_of(checks, value, path)
            if not found:
                return
            failed.append(found)
        faults.append(_fault(path, "must validate at least one schema (anyOf)"))
        faults += self._closest(value, failed)

    def check_one(self, value: Any, path: str, faults: Faults) -> None:
        results = [_faults_of(checks, value, path) for checks in self.checks]
        valid = sum(not found for found in results)
        if valid == 1:
            return
        seen = f"Found {valid} valid alternatives" if valid else "Found none valid"
        faults.append(_fault(path, f"must validate one and only one schema (oneOf). {seen}"))
        if not valid:
            faults += self._closest(value, results)

    def check_all(self, value: Any, path: str, faults: Faults) -> None:
        results = [_faults_of(checks, value, path) for checks in self.checks]
        valid = sum(not found for found in results)
        if valid == len(results):
            return
        for found in results:
            faults += found
        faults.append(_fault(path, f"must validate all the schemas (allOf){'' if valid else '. None validated'}"))

    def _closest(self, value: Any, results: Sequence[Faults]) -> Faults:
        counts = [count_matches(node, value) for node in self.nodes]
        return results[counts.index(max(counts))]


def count_matches(node: Structural, value: Any) -> int:
    """How many checks of Kubernetes' validator pass, which is its measure of how close a value comes."""
    fits = _type_fits(node, value)
    if value is None:
        return int(fits)
    count = 4 if not isinstance(value, str | int | float) or isinstance(value, bool) else 5
    if node.types or node.format:
        count += 1 + fits
    if (isinstance(value, str) and node.format) or (isinstance(value, int | float) and not isinstance(value, bool)):
        count += 1
    elif isinstance(value, list):
        count += 2 + (sum(count_matches(node.items, item) for item in value) if node.items else 0)
    elif isinstance(value, dict):
        children = [(node.child(name), item) for name, item in value.items()]
        count += 1 + sum(count_matches(child, item) for child, item in children if child is not None)
    count += sum(count_matches(branch, value) for branch in node.branches("allOf"))
    for keyword in ("anyOf", "oneOf"):
        count += max((count_matches(branch, value) for branch in node.branches(keyword)), default=0)
    return count


def _type_fits(node: Structural, value: Any) -> bool:
    types = node.types
    match value:
        case None:
            return not types or node.nullable or "null" in types
        case bool():
            name = "boolean"
        case str():
            name = "string"
        case int():
            name = "integer"
        case float():
            name = "integer" if value.is_integer() else "number"
        case list():
            name = "array"
        case _:
            name = "object"
    return not types or name in types or (name == "integer" and "number" in types)
