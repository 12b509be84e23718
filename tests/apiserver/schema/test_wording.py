"""Values as Go prints them."""

from __future__ import annotations

import pytest

from echelon.apiserver.schema import wording


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", '"plain"'),
        ('a"b\\c\n\x00é', '"a\\"b\\\\c\\n\\x00é"'),
        ("\u2028", '"\\u2028"'),
        (True, "true"),
        (None, "null"),
        (10, "10"),
        (10.0, "10"),
        (0.25, "0.25"),
        (1e21, "1e+21"),
        (999999.5, "999999.5"),
        (-1000000.0, "-1e+06"),
        (0.0001, "0.0001"),
        (0.0, "0"),
        (0.00001, "1e-05"),
        (123456789.5, "1.234567895e+08"),
        ({"b": 1, "a": "<&>"}, '{"a":"\\u003c\\u0026\\u003e","b":1}'),
        ([1, "x"], '[1,"x"]'),
        (wording.Record(Rule="r", Message=""), '{"Rule":"r","Message":""}'),
    ],
)
def test_values(value: object, shown: str) -> None:
    assert wording.show(value) == shown


def test_the_nil_path_and_omitted_values() -> None:
    assert str(wording.invalid(None, wording.OMITTED, "why")) == "<nil>: Invalid value: why"
    assert str(wording.required("a.b")) == "a.b: Required value"
    assert str(wording.too_many("a", 2, 1)) == "a: Too many: 2: must have at most 1 item"
