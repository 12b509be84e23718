"""How a member is named on the command line: ``NAME[:key=value,…]``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from echelon.local.simulation import SimulatedCluster

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME = 50  # leaves room for fleet-member-<name> in 63 characters
_RESERVED = ("hub",)


class BadMember(ValueError):
    """A member specification that cannot be taken; the message is for the user."""


class MemberSpec(msgspec.Struct, frozen=True):
    """A member to be brought up: what its MemberCluster carries, and what it consists of at first."""

    name: str
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    cluster: SimulatedCluster | None = None


# The members of the staged rollout tutorial.
DEFAULT_MEMBERS = (
    MemberSpec("member1", {"environment": "canary", "order": "2"}),
    MemberSpec("member2", {"environment": "staging"}),
    MemberSpec("member3", {"environment": "canary", "order": "1"}),
)


def parse_member(text: str) -> MemberSpec:
    """Read ``NAME`` or ``NAME:key=value,key=value``.

    Raises:
        BadMember: naming the part that is wrong and what would be accepted.
    """
    name, colon, rest = text.partition(":")
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise BadMember(
            f"member {text!r}: the name {name!r} is not one of at most {_MAX_NAME} lower-case letters, digits and "
            "inner hyphens; want NAME[:key=value,…], for example member1:environment=canary,order=2"
        )
    if name in _RESERVED:
        raise BadMember(f"member {text!r}: the name {name!r} is taken by the hub itself")
    if colon and not rest:
        raise BadMember(f"member {text!r}: no label follows the colon; want NAME:key=value,…")
    labels: dict[str, str] = {}
    for pair in rest.split(",") if rest else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadMember(f"member {text!r}: the label {pair!r} has no value; want key=value")
        if problem := label_problem(key, value):
            raise BadMember(f"member {text!r}: {problem}")
        if key in labels:
            raise BadMember(f"member {text!r}: the label {key!r} is given twice")
        labels[key] = value
    return MemberSpec(name, labels)


def parse_members(texts: Sequence[str]) -> tuple[MemberSpec, ...]:
    """Read several member specifications; a name may be given once.

    Raises:
        BadMember: as ``parse_member``, or for a name given twice.
    """
    members = tuple(parse_member(text) for text in texts)
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise BadMember(f"member {member.name!r} is given twice")
        seen.add(member.name)
    return members


def label_problem(key: str, value: str) -> str:
    """What is wrong with a label, and what would be accepted; empty for a good one."""
    prefix, slash, name = key.rpartition("/")
    well_formed = _LABEL_NAME.fullmatch(name) and len(name) <= 63
    if slash:
        well_formed = well_formed and _LABEL_PREFIX.fullmatch(prefix) and len(prefix) <= 253
    if not well_formed:
        return f"{key!r} is not a label key; want [prefix/]name, for example environment"
    if value and not (_LABEL_NAME.fullmatch(value) and len(value) <= 63):
        return (
            f"{value!r} is not a value for the label {key!r}; want at most 63 letters, digits, "
            "'-', '_' or '.', with a letter or digit at both ends"
        )
    return ""
