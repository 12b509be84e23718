"""How structs become schemas."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from echelon.api.fields import Field, Int32, IntOrPercent, Manifest, Quantity, Rule, Time, Value
from echelon.api.schema import struct_schema

OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Leaf(Value, frozen=True, kw_only=True):
    """A leaf.

    It has two
    paragraphs and ``code``.
    """

    rules: ClassVar[tuple[Rule, ...]] = (Rule("self.name != ''", "no name"),)

    name: Annotated[str, Field("The name.", max_length=5, pattern="^a", rules=(Rule("self == oldSelf", "fixed"),))]


class Tree(Value, frozen=True, kw_only=True):
    """A tree."""

    needed: Leaf
    wanted: Annotated[str, Field("Always written.", required=True)] = ""
    leaf: Annotated[Leaf | None, Field("One leaf.")] = None
    leaves: Annotated[tuple[Leaf, ...], Field("Leaves.", max_items=3, list_type="map", list_map_keys=("name",))] = ()
    kind: Literal["Oak", "Elm"] = "Oak"
    when: Annotated[Time | None, Field("When.")] = None
    count: Annotated[Int32, Field(minimum=1)] = 3
    share: Annotated[IntOrPercent | None, Field(pattern="%$")] = None
    sizes: Mapping[str, Quantity] = {}
    whole: tuple[Manifest, ...] = ()
    part: msgspec.Raw | None = None
    anything: Any = msgspec.UNSET
    digest: bytes = b""
    flag: bool = False
    default_flag: bool = True
    new: Annotated[str, Field(absent_from=("v1",))] = ""
    changed: Annotated[Literal["A", "B"], Field(per_version={"v1": {"enum": ["B"], "default": None}})] = "A"


SCHEMA = struct_schema(Tree, "v1beta1")
PROPERTIES = SCHEMA["properties"]
LEAF = {
    "description": "A leaf.\n\nIt has two paragraphs and code.",
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "description": "The name.",
            "pattern": "^a",
            "maxLength": 5,
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed"}],
        }
    },
    "required": ["name"],
    "x-kubernetes-validations": [{"rule": "self.name != ''", "message": "no name"}],
}


def test_what_has_no_default_is_required() -> None:
    assert SCHEMA["required"] == ["needed", "wanted"]


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("needed", LEAF),
        ("leaf", LEAF | {"description": "One leaf."}),
        (
            "leaves",
            {
                "type": "array",
                "items": LEAF,
                "description": "Leaves.",
                "maxItems": 3,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
        ("kind", {"type": "string", "enum": ["Oak", "Elm"], "default": "Oak"}),
        ("when", {"type": "string", "format": "date-time", "description": "When."}),
        ("count", {"type": "integer", "format": "int32", "minimum": 1, "default": 3}),
        (
            "share",
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True, "pattern": "%$"},
        ),
        ("whole", {"type": "array", "items": OBJECT | {"x-kubernetes-embedded-resource": True}}),
        ("part", OBJECT),
        ("anything", {"x-kubernetes-preserve-unknown-fields": True}),
        ("digest", {"type": "string", "format": "byte"}),
        ("flag", {"type": "boolean"}),
        ("defaultFlag", {"type": "boolean", "default": True}),
        ("changed", {"type": "string", "enum": ["A", "B"], "default": "A"}),
    ],
)
def test_fields(field: str, schema: object) -> None:
    assert PROPERTIES[field] == schema


def test_maps_hold_what_their_type_says() -> None:
    assert PROPERTIES["sizes"]["additionalProperties"]["x-kubernetes-int-or-string"] is True


def test_versions_differ_where_a_field_says_so() -> None:
    older = struct_schema(Tree, "v1")["properties"]
    assert "new" in PROPERTIES
    assert "new" not in older
    assert older["changed"] == {"type": "string", "enum": ["B"]}


class Unfit(Value, frozen=True, kw_only=True):
    """A struct that no structural schema stands for."""

    either: str | bool = ""


def test_a_type_without_a_schema_is_refused() -> None:
    with pytest.raises(TypeError, match="structural schema"):
        struct_schema(Unfit, "v1")


def test_limits_do_not_bind_a_reader() -> None:
    """What was stored under other limits can still be read."""
    stored = b'{"needed": {"name": "far too long"}, "count": -1, "share": "none"}'
    assert msgspec.json.decode(stored, type=Tree).needed.name == "far too long"
