"""Values without fields: what is read, how it is stored, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.builtin.scalars import SCALARS, Refused


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("string", "x", "x"),
        ("int32", -(2**31), -(2**31)),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("float64", 1, 1),
        ("bytes", "aGk=\n", "aGk=\n"),
        ("time", "2026-01-01T01:00:00.999+01:00", "2026-01-01T00:00:00Z"),
        ("time", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("microtime", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ("microtime", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456Z"),
        ("quantity", 0.5, "500m"),
        ("quantity", 2, "2"),
        ("intorstring", 5, 5),
        ("intorstring", "25%", "25%"),
        ("json", [1, None], [1, None]),
    ],
)
def test_values_are_stored_in_one_form(name: str, value: Any, stored: Any) -> None:
    assert SCALARS[name].read(value) == stored


@pytest.mark.parametrize(
    ("name", "value", "found", "plain"),
    [
        ("string", 1, "", ""),
        ("bool", 1, "", ""),
        ("int32", True, "", ""),
        ("int32", 2**31, "number 2147483648", ""),
        ("int64", 1.0, "number 1.0", ""),
        ("float64", False, "", ""),
        ("bytes", "a?==", "", "illegal base64 data at input byte 1"),
        ("bytes", "abc", "", "illegal base64 data at input byte 3"),
        ("time", 5, "", "json: cannot unmarshal number into Go value of type string"),
        (
            "time",
            "2026-13-01T00:00:00Z",
            "",
            'parsing time "2026-13-01T00:00:00Z" as "2006-01-02T15:04:05Z07:00": '
            'cannot parse "2026-13-01T00:00:00Z" as "2006"',
        ),
        ("intorstring", {}, "", "json: cannot unmarshal object into Go value of type int32"),
        ("intorstring", 1.5, "", "json: cannot unmarshal number 1.5 into Go value of type int32"),
        ("fields", [], "", ""),
    ],
)
def test_other_values_are_refused(name: str, value: Any, found: str, plain: str) -> None:
    with pytest.raises(Refused) as caught:
        SCALARS[name].read(value)
    assert (caught.value.found, caught.value.plain) == (found, plain)
