"""Every rule by which the definitions refuse something has a test that is refused by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from echelon.api.crds import manifests

from .evidence import TESTS

GROUPS = ("cluster.kubernetes-fleet.io", "placement.kubernetes-fleet.io")
SHORT = 20  # a text of fewer letters could be part of any message


def messages(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            for rule in schema.get("x-kubernetes-validations") or ():
                yield rule["message"]
            for part in schema.values():
                yield from messages(part)
        case list():
            for part in schema:
                yield from messages(part)


MESSAGES = sorted({text for crd in manifests() if crd["spec"]["group"] in GROUPS for text in messages(crd)})


def expected() -> Iterator[str]:
    """What tests of the definitions expect to be told, texts put together from parts among it."""
    for folder in ("api", "placement"):
        for path in sorted((TESTS / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Constant(value=str() as text):
                        yield text
                    case ast.BinOp(op=ast.Add(), right=ast.Constant(value=str() as text)):
                        yield text


EXPECTED = frozenset(expected())
RUN_FIELDS = ("placementName", "resourceSnapshotIndex", "stagedRolloutStrategyName")
FROM_PARTS = {f"{field} is immutable" for field in RUN_FIELDS}


@pytest.mark.parametrize("message", sorted(set(MESSAGES) - FROM_PARTS))
def test_a_rule_is_tried(message: str) -> None:
    assert any(message in text or (len(text) > SHORT and text in message) for text in EXPECTED), (
        f"no test is refused with {message!r}"
    )


def test_rules_of_a_run_are_tried_by_their_fields() -> None:
    """``test_what_a_staged_run_rolls_out_cannot_be_changed`` puts these messages together."""
    assert set(MESSAGES) >= FROM_PARTS
    assert set(RUN_FIELDS) <= EXPECTED
