"""Reading bodies, and fields that stand twice."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.body import duplicate_fields, go_kind, media_type, parse_yaml

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("header", "type_"),
    [("", "application/json"), ("application/JSON; charset=utf-8", "application/json"), ("a/b", "a/b")],
)
def test_media_types(header: str, type_: str) -> None:
    assert media_type(header) == type_


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"a":1,"b":2}', []),
        ('{"a":1,"a":2}', ["a"]),
        ('{"a":1,"a":2,"a":3}', ["a"]),
        ('{"spec":{"x":1,"x":1}}', ["spec.x"]),
        ('{"l":[{"x":1},{"x":1,"x":2}]}', ["l[1].x"]),
        ('{"l":[[{"x":1,"x":2}]]}', ["l[0][0].x"]),
        ('{ "a" : 1, "b" : [ ] , "c": {} }', []),
        ("[]", []),
        ("a: b", []),
    ],
)
def test_duplicates(body: str, found: list[str]) -> None:
    decoded = parse_yaml(body.encode())
    assert duplicate_fields(body.encode(), decoded) == found


@given(JSON)
def test_what_was_encoded_has_no_duplicates(value: object) -> None:
    for option in (None, orjson.OPT_INDENT_2):
        assert duplicate_fields(orjson.dumps(value, option=option), value) == []


def test_yaml_is_read_as_json_would_be() -> None:
    text = b"when: 2026-01-01\n2: x\nyes: [1.5, ~, true]\n"
    assert parse_yaml(text) == {"when": "2026-01-01", "2": "x", "true": [1.5, None, True]}
    assert parse_yaml(b"{a: b}") == {"a": "b"}
    for wrong in (b"a: [", b"a: !!python/object:os.system x"):
        with pytest.raises(ValueError, match="yaml"):
            parse_yaml(wrong)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "bool"), (1, "number"), (1.5, "number"), ("", "string"), ([], "array"), ({}, "object"), (None, "null")],
)
def test_kinds(value: object, kind: str) -> None:
    assert go_kind(value) == kind
