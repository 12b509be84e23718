"""Every type and every reason of a condition has a test that shows it, by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from echelon.api import conditions
from echelon.placement.dialect import DIALECTS, Dialect

from .evidence import says
from .reasons import REASONS

VOCABULARY = {name: value for name, value in vars(conditions).items() if name.isupper() and isinstance(value, str)}
NAMES = {value: [name for name, other in VOCABULARY.items() if other == value] for value in VOCABULARY.values()}
ROWS = [row.split() for row in REASONS]


@pytest.mark.parametrize(("row", "test"), REASONS.items(), ids=REASONS)
def test_the_test_names_what_it_shows(row: str, test: str) -> None:
    _, type_, _, reason = row.split()
    assert says(test, reason, *NAMES.get(reason, ())), f"tests/{test} does not name {reason}"
    assert says(test, type_, *NAMES.get(type_, ())), f"tests/{test} does not name {type_}"


@pytest.mark.parametrize("row", ROWS, ids=REASONS)
def test_a_row_is_a_condition(row: list[str]) -> None:
    assert len(row) == 4
    assert row[2] in ("True", "False", "Unknown")
    assert row[1] in VOCABULARY.values()


@pytest.mark.parametrize("name", VOCABULARY)
def test_every_word_of_the_vocabulary_is_shown(name: str) -> None:
    assert VOCABULARY[name] in {word for row in ROWS for word in (row[1], row[3])}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_every_reason_of_a_dialect_is_shown(dialect: Dialect) -> None:
    assert {dialect.approval_created[0], dialect.approval_given[0]} <= {row[3] for row in ROWS}


def test_every_reason_is_of_the_vocabulary() -> None:
    """But for those of the dialects, and what those who approve give as theirs."""
    dialects = {each[0] for found in DIALECTS.values() for each in (found.approval_created, found.approval_given)}
    assert {row[3] for row in ROWS} - set(VOCABULARY.values()) - dialects == {"LooksGood"}


def test_controllers_write_no_reason_beside_the_vocabulary() -> None:
    """Whatever looks like a reason in the placement packages is one that is known here."""
    known = {word for row in ROWS for word in (row[1], row[3])}
    packages = Path(conditions.__file__).parents[1]
    written = {
        word
        for package in ("placement", "agent", "membership")
        for path in (packages / package).rglob("*.py")
        for word in re.findall(r"Condition\([^()]*?\"(?:True|False|Unknown)\", \"(\w+)\"", path.read_text())
    }
    assert written <= known
