"""What overrides make of an object for one member.

Pure. Overrides apply in the order in which they are given, the rules of one in theirs, the operations
of a rule in theirs; a rule that is not for the member is left out, and one that deletes ends it: the
object does not go to the member. Operations are those of RFC 6902, strictly: what is replaced or
removed has to be there, and so has the parent of what is added.

In the texts of a value ``${MEMBER-CLUSTER-NAME}`` stands for the name of the member and
``${MEMBER-CLUSTER-LABEL-KEY-x}`` for the value of its label x. What cannot be done raises
``OverrideFailed``, whose message is shown on the binding and the placement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jsonpatch
import msgspec

from echelon.api.override import JSONPatchOverride, OverrideRule
from echelon.placement.overrides.matching import Identity, Override, is_for

NAME_VARIABLE: Final = "${MEMBER-CLUSTER-NAME}"
_LABEL_VARIABLE = re.compile(r"\$\{MEMBER-CLUSTER-LABEL-KEY-([^{}]+)\}")


class OverrideFailed(Exception):
    """An override that cannot be applied; the message is for the user."""


class Member(msgspec.Struct, frozen=True):
    """The member that an object is made for."""

    name: str
    labels: Mapping[str, str]


def overridden(obj: dict[str, Any], identity: Identity, overrides: Sequence[Override], member: Member) -> Any | None:
    """The object as the member gets it, None when it does not get it. ``obj`` is used up.

    Args:
        obj: the object as it was selected.
        identity: of the object.
        overrides: those that hit it, in the order in which they apply.
        member: who it is for.

    Raises:
        OverrideFailed: an operation cannot be carried out, or two overrides name the object.
    """
    _check_single(identity, overrides)
    for override in overrides:
        for position, rule in enumerate(override.rules):
            if not is_for(rule, member.labels):
                continue
            if rule.override_type == "Delete":
                return None
            for number, operation in enumerate(rule.json_patch_overrides):
                where = f"operation {number} of rule {position} of {override}"
                obj = _patched(obj, identity, operation, member, where)
    return obj


def _check_single(identity: Identity, overrides: Sequence[Override]) -> None:
    """No two overrides of a kind may name the same object: which of them is to win is not for the hub to say."""
    for named in (
        [override for override in overrides if identity in override.objects],
        [override for override in overrides if identity.namespace in override.namespaces],
    ):
        by_kind: dict[str, Override] = {}
        for override in named:
            other = by_kind.setdefault(override.kind, override)
            if other is not override:
                raise OverrideFailed(
                    f"{identity}: the resource has been selected by both {other.parent} and {override.parent}, "
                    f"which is not supported; have one {override.kind.removesuffix('Snapshot')} select it"
                )


def _patched(
    obj: dict[str, Any], identity: Identity, operation: JSONPatchOverride, member: Member, where: str
) -> dict[str, Any]:
    what = f"{where} ({operation.operator} {operation.path})"
    content: dict[str, Any] = {"op": operation.operator, "path": operation.path}
    if operation.operator == "remove":
        if operation.value is not msgspec.UNSET:
            raise OverrideFailed(f"{what} has a value; remove takes none")
    elif operation.value is msgspec.UNSET:
        raise OverrideFailed(f"{what} has no value; {operation.operator} needs one")
    else:
        content["value"] = _filled(operation.value, member, what)
    try:
        return jsonpatch.JsonPatch([content]).apply(obj, in_place=True)  # type: ignore[no-any-return]
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise OverrideFailed(f"{what} does not fit {identity}: {error}") from error


def _filled(value: Any, member: Member, what: str) -> Any:
    """A copy of a value with the variables in its texts replaced."""

    def label(match: re.Match[str]) -> str:
        key = match[1]
        if key not in member.labels:
            raise OverrideFailed(f"{what} asks for the label {key}, which member {member.name} does not have")
        return member.labels[key]

    match value:
        case str():
            return _LABEL_VARIABLE.sub(label, value.replace(NAME_VARIABLE, member.name))
        case list():
            return [_filled(item, member, what) for item in value]
        case dict():
            return {_filled(key, member, what): _filled(item, member, what) for key, item in value.items()}
    return value


def label_keys(overrides: Iterable[Override]) -> frozenset[str]:
    """The labels of a member on which it depends what overrides make of an object."""
    keys: set[str] = set()
    for override in overrides:
        for rule in override.rules:
            keys |= _selector_keys(rule)
            for operation in rule.json_patch_overrides:
                keys |= _value_keys(operation.value)
    return frozenset(keys)


def _selector_keys(rule: OverrideRule) -> set[str]:
    selectors = [
        term.label_selector
        for term in (() if rule.cluster_selector is None else rule.cluster_selector.cluster_selector_terms)
        if term.label_selector is not None
    ]
    return {
        key for selector in selectors for key in (*selector.match_labels, *(e.key for e in selector.match_expressions))
    }


def _value_keys(value: Any) -> set[str]:
    match value:
        case str():
            return set(_LABEL_VARIABLE.findall(value))
        case list():
            return {key for item in value for key in _value_keys(item)}
        case dict():
            return {key for pair in value.items() for part in pair for key in _value_keys(part)}
    return set()
