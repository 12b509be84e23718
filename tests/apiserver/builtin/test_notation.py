"""The table of types: the notation, and that the table itself is whole."""

from __future__ import annotations

import orjson
import pytest

from echelon.apiserver.builtin import notation

EXAMPLE = """\
package example.io.v1
group example.io v1

# a comment
enum Colour red "dark blue"

kind Thing -- A thing.
  spec 2 ThingSpec required -- What is wanted.

type ThingSpec atomic -- Details.
  size 1 *int32 default=3 -- How big.
  parts 2 []Part list=map:name,place patch=merge,retainKeys:name -- What it is made of.
  notes 3 {}string kept atomic -- Notes.
  colour 4 Colour -- Colour.
  inline 5 Part

type Part
  name 1 string -- Name.
"""


def test_facts_of_a_field_line() -> None:
    package = notation.parse("example", EXAMPLE)
    size, parts, notes, colour, inline = package.types["ThingSpec"].fields
    assert (size.name, size.number, size.type, size.default) == ("size", 1, notation.Reference(("*",), "int32"), "3")
    assert parts.type == notation.Reference(("[]",), "example.Part")
    assert (parts.list_type, parts.map_keys) == ("map", ("name", "place"))
    assert (parts.patch_strategy, parts.merge_key) == (("merge", "retainKeys"), "name")
    assert notes.kept
    assert notes.atomic
    assert notes.description == "Notes."
    assert colour.type.name == "example.Colour"
    assert inline.inline


def test_facts_of_a_type() -> None:
    package = notation.parse("example", EXAMPLE)
    thing = package.types["Thing"]
    assert (thing.key, thing.component, thing.group, thing.version) == (
        "example.Thing",
        "example.io.v1.Thing",
        "example.io",
        "v1",
    )
    assert thing.kind
    assert thing.description == "A thing."
    assert package.types["ThingSpec"].atomic
    assert package.enums["Colour"].values == ("red", "dark blue")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type A\n  name 1 string colour=red", "line 2: unknown fact 'colour=red' of field name"),
        ("wibble A", "line 1: want package, group, enum, kind or type, not 'wibble'"),
    ],
)
def test_lines_that_do_not_follow_the_notation(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        notation.parse("bad", text)


def all_types() -> list[notation.Type]:
    return [entry for name in notation.PACKAGES for entry in notation.package(name).types.values()]


def test_every_reference_in_the_table_leads_somewhere() -> None:
    for entry in all_types():
        for field in entry.fields:
            if field.type.name not in notation.SCALARS and notation.find_enum(field.type.name) is None:
                assert notation.find(field.type.name)


@pytest.mark.parametrize("entry", all_types(), ids=lambda entry: entry.key)
def test_fields_are_described_and_distinct(entry: notation.Type) -> None:
    named = [field for field in entry.fields if not field.inline]
    assert all(field.description for field in named)
    assert len({field.name for field in named}) == len(named)
    numbers = [field.number for field in entry.fields if field.number]
    assert len(set(numbers)) == len(numbers)
    for field in named:
        if field.default is not None:
            orjson.loads(field.default)


@pytest.mark.parametrize("entry", [entry for entry in all_types() if entry.kind], ids=lambda entry: entry.key)
def test_kinds_are_described(entry: notation.Type) -> None:
    assert entry.description
