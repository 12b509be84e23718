"""What a scheduling policy may ask for, beyond the types of its fields, as CEL rules.

Limits on lengths stand beside them in ``policy``: an API server refuses rules whose cost it cannot
bound, and these compare requirements, or tolerations, in pairs.
"""

from __future__ import annotations

from collections.abc import Iterable

from echelon.api.fields import Rule

RESOURCE_PROPERTY = "resources.kubernetes-fleet.io/"
QUALIFIED_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)*$"

PROPERTY_NAME = Rule(
    f"!self.name.startsWith('{RESOURCE_PROPERTY}')"
    f" || self.name.matches('^{RESOURCE_PROPERTY}(total|allocatable|available)-.+$')",
    "invalid resource property name, expected format is [PREFIX]/[CAPACITY_TYPE]-[RESOURCE_NAME]"
    " with a capacity type of total, allocatable or available",
)

PROPERTY_VALUE = Rule(
    "self.values.all(v, isQuantity(v))",
    "values of a property selector must be quantities such as 4, 500m or 16Gi",
)

ONE_VALUE = Rule("size(self.values) == 1", "an operator of a property selector requires exactly one value")


def _pairwise(conflict: str) -> str:
    """A rule on the terms of a selector: no two requirements on one property conflict.

    ``conflict`` is said of the requirements a and b. Values that are no quantities have a rule of their own.
    """
    return (
        "self.clusterSelectorTerms.all(t, !has(t.propertySelector)"
        " || t.propertySelector.matchExpressions.all(a, t.propertySelector.matchExpressions.all(b, a.name != b.name"
        " || size(a.values) != 1 || size(b.values) != 1 || !isQuantity(a.values[0]) || !isQuantity(b.values[0])"
        f" || !({conflict}))))"
    )


_COMPARED = "quantity(a.values[0]).compareTo(quantity(b.values[0]))"

CONSISTENT = (
    Rule(
        _pairwise(f"a.operator == 'Eq' && b.operator == 'Eq' && {_COMPARED} != 0"),
        "inconsistent requirements on a property: conflicting Eq values",
    ),
    Rule(
        _pairwise(f"a.operator == 'Eq' && b.operator == 'Ne' && {_COMPARED} == 0"),
        "inconsistent requirements on a property: conflicting Eq and Ne on same value",
    ),
    Rule(
        _pairwise(
            f"a.operator in ['Gt', 'Ge'] && b.operator in ['Lt', 'Le'] && ({_COMPARED} > 0"
            f" || ((a.operator == 'Gt' || b.operator == 'Lt') && {_COMPARED} == 0))"
        ),
        "inconsistent requirements on a property: lower bound and upper bound exclude all values",
    ),
    Rule(
        _pairwise(
            f"a.operator == 'Eq' && ((b.operator in ['Gt', 'Ge'] && {_COMPARED} < 0)"
            f" || (b.operator in ['Lt', 'Le'] && {_COMPARED} > 0)"
            f" || (b.operator in ['Gt', 'Lt'] && {_COMPARED} == 0))"
        ),
        "inconsistent requirements on a property: an Eq value violates a bound",
    ),
)


def _alike(fields: Iterable[str]) -> str:
    return " && ".join(f"(has(a.{f}) ? a.{f} : '') == (has(b.{f}) ? b.{f} : '')" for f in fields)


_SAME_TOLERATION = _alike(("key", "operator", "value", "effect"))

TOLERATIONS_UNIQUE = Rule(f"self.all(a, self.exists_one(b, {_SAME_TOLERATION}))", "tolerations must be unique")

TOLERATIONS_ONLY_ADDED = Rule(
    "!has(oldSelf.tolerations) || size(oldSelf.tolerations) == 0 || (has(self.tolerations)"
    f" && oldSelf.tolerations.all(a, self.tolerations.exists(b, {_SAME_TOLERATION})))",
    "tolerations have been updated/deleted, only additions to tolerations are allowed",
)
