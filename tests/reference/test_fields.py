"""Every kind of the placement API and every field of it has a test that shows what it does, by name."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator

import msgspec
import pytest

from echelon.api import meta
from echelon.api.crds import DEFINITIONS
from echelon.api.meta import KubeObject

from .evidence import says, text_of
from .fields import FIELDS, INERT, KINDS

GROUPS = ("cluster.kubernetes-fleet.io", "placement.kubernetes-fleet.io")
SERVED = [each.kind for each in DEFINITIONS if each.kind.resource.group in GROUPS]
COMMON = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def structs(type_: object, seen: set[type[msgspec.Struct]]) -> Iterator[type[msgspec.Struct]]:
    """The structs of the API that a type is made of; those of Kubernetes itself are not looked into."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        if type_ in seen or type_.__module__ == meta.__name__:
            return
        seen.add(type_)
        yield type_
        hints = typing.get_type_hints(type_)
        for field in msgspec.structs.fields(type_):
            yield from structs(hints[field.name], seen)
    for argument in typing.get_args(type_):
        yield from structs(argument, seen)


def fields() -> dict[str, tuple[str, str]]:
    """All fields by struct and name: as they are called in Python, and on the wire."""
    seen: set[type[msgspec.Struct]] = set()
    return {
        f"{struct.__name__}.{field.encode_name}": (field.name, field.encode_name)
        for kind in SERVED
        for struct in structs(kind, seen)
        for field in msgspec.structs.fields(struct)
        if not (issubclass(struct, KubeObject) and field.encode_name in COMMON)
    }


ALL = fields()


def test_every_kind_has_a_test() -> None:
    assert set(KINDS) == {kind.__name__ for kind in SERVED}


def test_every_field_has_a_test() -> None:
    assert set(ALL) - set(FIELDS) - set(INERT) == set()
    assert (set(FIELDS) | set(INERT)) - set(ALL) == set()
    assert set(FIELDS) & set(INERT) == set()


@pytest.mark.parametrize(("field", "test"), FIELDS.items(), ids=FIELDS)
def test_the_test_names_the_field(field: str, test: str) -> None:
    python, wire = ALL[field]
    named = re.search(rf"(?<![\w-])(\w+_)?({python}|{wire})(?![\w-])", text_of(test))
    assert named, f"tests/{test} does not name {field}"


@pytest.mark.parametrize(("kind", "test"), KINDS.items(), ids=KINDS)
def test_the_test_names_the_kind(kind: str, test: str) -> None:
    """By its own name, or by the part that it plays in either scope."""
    assert says(test, kind, *PARTS.get(kind.removeprefix("Cluster"), ())), f"tests/{test} does not name {kind}"


# What tests call some things by.
PARTS = {
    "ResourcePlacement": ("placement",),
    "SchedulingPolicySnapshot": ("policy_snapshot",),
    "ResourceSnapshot": ("snapshot", "masters"),
    "ResourceBinding": ("bindings", "bound_to"),
    "Work": ("works",),
    "StagedUpdateRun": ("run", "status"),
    "StagedUpdateStrategy": ("strategy", "plan"),
    "ApprovalRequest": ("approval",),
    "ResourceOverride": ("ClusterResourceOverride",),
    "ResourceOverrideSnapshot": ("ClusterResourceOverrideSnapshot",),
}
