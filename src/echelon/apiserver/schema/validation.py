"""The validation pass: is a value what its schema says?

A node is compiled to ``Checks``, a table from the Python type of a JSON value to the check of such
values, ``None`` when there is nothing to check. An object looks its fields' tables up and calls only
what is there, so a plain string field costs two dictionary look-ups. Tables are filled when first
used, which ends the recursion of recursive types and keeps unused parts of large schemas free.

What is checked, in which order and in which words, follows the validator that Kubernetes uses for
custom resources (``k8s.io/kube-openapi/pkg/validation``): type, combinations (anyOf, oneOf, allOf,
not), then the keywords of the value's own type, then enum, then the fields and items. A failed
check does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from echelon.apiserver.schema import wording
from echelon.apiserver.schema.combinations import compile_combinations
from echelon.apiserver.schema.defaulting import copy_json, fill_of
from echelon.apiserver.schema.embedded import check_embedded
from echelon.apiserver.schema.faults import Check, Fault, Faults, step_out
from echelon.apiserver.schema.formats import string_format
from echelon.apiserver.schema.known import LONG, Known, digest_of, known_of
from echelon.apiserver.schema.listtype import compile_list_type
from echelon.apiserver.schema.patterns import PatternError, compile_pattern
from echelon.apiserver.schema.pruning import prune_of
from echelon.apiserver.schema.structural import Structural

JSON_TYPES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}
_NATIVE_FORMATS: dict[type, str] = {int: "int64", float: "float64"}
_LARGEST_FLOAT32 = 3.4028234663852886e38


class Checks(dict[type, Check | None]):
    """The checks of a node by the Python type of the value, compiled when first asked for."""

    def __init__(self, node: Structural) -> None:
        super().__init__()
        self._node = node

    def __missing__(self, kind: type) -> Check | None:
        if kind not in JSON_TYPES:
            raise TypeError(f"a {kind.__name__} is not a JSON value")
        check = self[kind] = _in_sequence(_checks_of(self._node, kind))
        return check


def checks_of(node: Structural) -> Checks:
    checks: Checks = node.compiled("validation", Checks)
    return checks


def _in_sequence(checks: Sequence[Check]) -> Check | None:
    if len(checks) < 2:
        return checks[0] if checks else None

    def check_all(value: Any, path: str, faults: Faults) -> None:
        for check in checks:
            check(value, path, faults)

    return check_all


def _checks_of(node: Structural, kind: type) -> list[Check]:
    compilers: list[Callable[[Structural], Check | None]] = [lambda each: _type_check(each, kind)]
    if kind is type(None):
        compilers.append(_enum_check)
    else:
        compilers.append(lambda each: compile_combinations(each, kind, checks_of))
        compilers += _BY_KIND.get(kind, ())
        compilers.append(_enum_check)
        if kind is dict:
            compilers += (_object_check, _embedded_check)
    return [check for compiler in compilers if (check := compiler(node)) is not None]


def _type_check(node: Structural, kind: type) -> Check | None:
    types, name = node.types, JSON_TYPES[kind]
    if not types or name in types or (kind is int and "number" in types):
        return None
    if kind is type(None) and node.nullable:
        return None
    expected, got = ",".join(types), name
    if node.format and kind not in (str, list, type(None)):
        expected, got = node.format, _NATIVE_FORMATS.get(kind, "")

    def fail(value: Any, path: str, faults: Faults) -> None:
        if kind is float and "integer" in types and value.is_integer():
            return
        faults.append(
            Fault(wording.type_invalid(path or None, got, f'{path} in body must be of type {expected}: "{got}"'))
        )

    return fail


def _enum_check(node: Structural) -> Check | None:
    allowed = node.raw.get("enum")
    if not allowed:
        return None
    # Scalars are compared by type as well: 1 and true are equal to Python.
    scalars = {(type(value) is bool, value) for value in allowed if isinstance(value, str | int | float)}
    others = [value for value in allowed if isinstance(value, list | dict)]

    def check_enum(value: Any, path: str, faults: Faults) -> None:
        if isinstance(value, list | dict):
            if value in others:
                return
        elif value is not None and (type(value) is bool, value) in scalars:
            return
        faults.append(Fault(wording.not_supported(path or None, value, allowed)))

    return check_enum


def _length_check(node: Structural) -> Check | None:
    """Lengths and pattern of a string; the first that fails is the only one told."""
    longest, shortest = node.raw.get("maxLength"), node.raw.get("minLength") or 0
    pattern = node.raw.get("pattern")
    if longest is None and not shortest and not pattern:
        return None
    search, problem = _searcher(pattern) if pattern else (None, "")

    def check_text(value: str, path: str, faults: Faults) -> None:
        if longest is not None and len(value) > longest:
            faults.append(Fault(wording.too_long(path or None, longest)))
        elif len(value) < shortest:
            detail = f"{path} in body should be at least {shortest} chars long"
            faults.append(Fault(wording.invalid(path or None, value, detail)))
        elif pattern and (search is None or search(value) is None):
            detail = f"{path} in body should match '{pattern}{problem}'"
            faults.append(Fault(wording.invalid(path or None, value, detail)))

    return check_text


def _searcher(pattern: str) -> tuple[Callable[[str], object] | None, str]:
    try:
        return compile_pattern(pattern).search, ""
    except PatternError as error:
        return None, f", but pattern is invalid: {error}"


def _format_check(node: Structural) -> Check | None:
    holds = string_format(node.format) if node.format else None
    if holds is None:
        return None
    name = node.format

    def check_format(value: str, path: str, faults: Faults) -> None:
        if not holds(value):
            detail = f"{path} in body must be of type {name}: {wording.quote(value)}"
            faults.append(Fault(wording.type_invalid(path or None, value, detail)))

    return check_format


def _range_check(node: Structural) -> Check | None:
    """Whether a number fits the type and format it is declared to have."""
    whole = node.types == ("integer",)
    if whole:
        limit: float = 2**31 if node.format == "int32" else 2**63
        low, high = -limit, limit - 1
    elif node.types == ("number",) and node.format == "float":
        low, high = -_LARGEST_FLOAT32, _LARGEST_FLOAT32
    else:
        return None
    shape = f"with format {node.format}" if node.format else "(default format)"

    def check_range(value: float, path: str, faults: Faults) -> None:
        if low <= value <= high and not (whole and value != int(value)):
            return
        detail = f"Checked value must be of type {node.types[0]} {shape} in {path}"
        faults.append(Fault(wording.invalid(None, "", detail)))

    return check_range


def _bounds_check(node: Structural) -> Check | None:
    divisor, low, high = (node.raw.get(keyword) for keyword in ("multipleOf", "minimum", "maximum"))
    if divisor is None and low is None and high is None:
        return None
    above, below = bool(node.raw.get("exclusiveMinimum")), bool(node.raw.get("exclusiveMaximum"))

    def fail(value: float, path: str, faults: Faults, detail: str) -> None:
        faults.append(Fault(wording.invalid(path or None, value, f"{path} in body should be {detail}")))

    def check_bounds(value: float, path: str, faults: Faults) -> None:
        if divisor is not None and not _is_multiple(value, divisor):
            fail(value, path, faults, f"a multiple of {wording.number(divisor)}")
        if low is not None and (value <= low if above else value < low):
            fail(value, path, faults, f"greater than {'' if above else 'or equal to '}{wording.number(low)}")
        if high is not None and (value >= high if below else value > high):
            fail(value, path, faults, f"less than {'' if below else 'or equal to '}{wording.number(high)}")

    return check_bounds


def _is_multiple(value: float, divisor: float) -> bool:
    if isinstance(value, int) and float(divisor).is_integer():
        return value % int(divisor) == 0
    quotient = value * (1 / divisor) if divisor < 1 else value / divisor
    return abs(quotient - round(quotient)) <= 1e-9 * max(1.0, abs(quotient))


def _array_check(node: Structural) -> Check | None:
    items = node.items
    item_checks = checks_of(items) if items is not None else None
    least, most = node.raw.get("minItems"), node.raw.get("maxItems")
    unique = bool(node.raw.get("uniqueItems"))
    if item_checks is None and least is None and most is None and not unique:
        return None

    def check_array(value: list[Any], path: str, faults: Faults) -> None:
        if item_checks is not None:
            known = known_of(items) if items is not None and len(value) >= LONG else None
            for index, item in enumerate(value):
                check = item_checks[type(item)]
                if check is None:
                    continue
                digest = None if known is None else digest_of(item)
                if known is not None and known.has(digest):
                    continue
                before = len(faults)
                check(item, f"{path}[{index}]", faults)
                if len(faults) != before:
                    step_out(faults, before, index)
                elif known is not None and digest is not None:
                    _learn(known, digest, items, item)
        if least is not None and len(value) < least:
            detail = f"{path} in body should have at least {least} items"
            faults.append(Fault(wording.invalid(path or None, len(value), detail)))
        if most is not None and len(value) > most:
            faults.append(Fault(wording.too_many(path or None, len(value), most)))
        if unique and any(item in value[:index] for index, item in enumerate(value)):
            faults.append(Fault(wording.invalid(path or None, "", f"{path} in body shouldn't contain duplicates")))

    return check_array


def _learn(known: Known, digest: bytes, node: Structural | None, item: Any) -> None:
    """Remember a valid item, if the other passes have nothing to do with it either."""
    copy = copy_json(item)
    prune_of(node)(copy, "", [])
    fill = None if node is None else fill_of(node)
    if fill is not None:
        fill(copy)
    if copy == item:
        known.add(digest)


def _count_check(node: Structural) -> Check | None:
    least, most = node.raw.get("minProperties"), node.raw.get("maxProperties")
    if least is None and most is None:
        return None

    def check_count(value: dict[str, Any], path: str, faults: Faults) -> None:
        if least is not None and len(value) < least:
            detail = f"{path} in body should have at least {least} properties"
            faults.append(Fault(wording.invalid(path or None, len(value), detail)))
        if most is not None and len(value) > most:
            faults.append(Fault(wording.too_many(path or None, len(value), most)))

    return check_count


def _object_check(node: Structural) -> Check | None:
    fields = {name: checks_of(child) for name, child in node.properties.items()}
    others = checks_of(node.additional) if node.additional is not None else None
    closed = node.forbids_additional
    required = tuple(node.raw.get("required") or ())
    if not fields and others is None and not required and not closed:
        return None

    def check_object(value: dict[str, Any], path: str, faults: Faults) -> None:
        prefix = f"{path}." if path else ""
        for name, item in value.items():
            checks = fields.get(name, others)
            if checks is not None:
                check = checks[type(item)]
                if check is not None:
                    before = len(faults)
                    check(item, prefix + name, faults)
                    if len(faults) != before:
                        step_out(faults, before, name)
            elif closed and name not in fields:
                detail = f"{path}.{name} in body is a forbidden property"
                faults.append(Fault(wording.invalid(path or None, name, detail)))
        for name in required:
            if name not in value:
                faults.append(Fault(wording.required(prefix + name)))

    return check_object


def _embedded_check(node: Structural) -> Check | None:
    return check_embedded if node.embedded else None


_BY_KIND: dict[type, Sequence[Callable[[Structural], Check | None]]] = {
    str: (_length_check, _format_check),
    int: (_range_check, _bounds_check),
    float: (_range_check, _bounds_check),
    list: (_array_check, compile_list_type),
    dict: (_count_check,),
}
