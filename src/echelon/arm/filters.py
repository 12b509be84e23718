"""``$filter`` of lists: conditions that all have to hold.

``PROPERTY eq VALUE`` and ``PROPERTY ne VALUE``, joined by ``and``. A value may be quoted or bare (``state eq
Pending`` is what az sends), a property may be given with ``properties/`` before it. Names and values of
properties are compared without regard to case, as ARM does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate
from echelon.arm.errors import invalid

_TERM = re.compile(r"\s*([A-Za-z][\w./-]*)\s+(eq|ne)\s+('(?:[^']|'')*'|[^\s']+)\s*", re.IGNORECASE)
_AND = re.compile(r"and\s", re.IGNORECASE)


class Term(msgspec.Struct, frozen=True):
    """One condition."""

    field: str
    equal: bool
    value: str


def parse_filter(text: str | None) -> Sequence[Term]:
    """Read a filter; none holds for everything. Raises ArmError."""
    terms: list[Term] = []
    rest = text or ""
    while rest.strip():
        match = _TERM.match(rest)
        if match is None:
            raise invalid(f"{text!r} is no filter; want PROPERTY eq VALUE, joined by and", "$filter")
        field, operator, value = match.groups()
        value = value[1:-1].replace("''", "'") if value.startswith("'") else value
        terms.append(Term(field.lower().removeprefix("properties/"), operator.lower() == "eq", value))
        rest = rest[match.end() :]
        joint = _AND.match(rest)
        if rest and (joint is None or not rest[joint.end() :].strip()):
            raise invalid(f"{text!r} is no filter; want PROPERTY eq VALUE, joined by and", "$filter")
        rest = rest[joint.end() :] if joint is not None else rest
    return terms


def matches_gate(terms: Iterable[Term], gate: Gate) -> bool:
    """Whether a gate is one of those asked for."""
    values = {"name": gate.metadata.name, "state": gate.status.state, "gatetype": gate.spec.gate_type}
    return _matches(terms, values.get, sorted(values))


def matches_member(terms: Iterable[Term], member: MemberCluster) -> bool:
    """Whether a member is one of those asked for."""
    labels = member.metadata.labels
    values = {"name": member.metadata.name, "group": labels.get(names.UPDATE_GROUP, "")}
    values |= {f"labels/{key.lower()}": value for key, value in labels.items()}

    def value_of(field: str) -> str | None:
        return values.get(field, "" if field.startswith("labels/") else None)

    return _matches(terms, value_of, ["group", "labels/KEY", "name"])


def _matches(terms: Iterable[Term], value_of: Callable[[str], str | None], known: Sequence[str]) -> bool:
    for term in terms:
        value = value_of(term.field)
        if value is None:
            raise invalid(f"cannot filter by {term.field!r}; accepted are {', '.join(known)}", "$filter")
        if (value.lower() == term.value.lower()) is not term.equal:
            return False
    return True
