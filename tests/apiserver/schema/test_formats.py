"""String formats, with examples on both sides of each line."""

from __future__ import annotations

import pytest

from echelon.apiserver.schema.formats import known_format, string_format


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", ["2024-02-29"], ["2023-02-29", "2024-2-9", ""]),
        ("date-time", ["2024-01-01T10:00:00Z", "2024-01-01t10:00:00.5+02:00"], ["2024-01-01", "2024-01-01T24:00:00Z"]),
        ("duration", ["1h30m", "-1.5s", "0", "3 days", "22 ns"], ["soon", "", "1"]),
        ("ipv4", ["10.0.0.1", "010.0.0.1"], ["10.0.0", "10.0.0.256", "::1"]),
        ("ipv6", ["::1", "2001:db8::1"], ["10.0.0.1", ":::1"]),
        ("cidr", ["10.0.0.0/8", "::/0"], ["10.0.0.0", "10.0.0.0/33"]),
        ("hostname", ["a.example.com", "localhost"], ["-a", "a..b", ""]),
        ("uri", ["https://example.com/x?y", "/path"], ["relative", "a b", ""]),
        ("email", ["a@example.com", "A <a@example.com>"], ["a", "@x"]),
        ("mac", ["00:1a:2b:3c:4d:5e", "001a.2b3c.4d5e"], ["00:1a:2b"]),
        ("uuid", ["123E4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        ("uuid4", ["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
        ("byte", ["YWJj", "YQ=="], ["YQ", "?"]),
        ("hexcolor", ["#fff", "00ff00"], ["#ff"]),
        ("rgbcolor", ["rgb(1, 2,3)"], ["rgb(256,0,0)"]),
        ("isbn", ["0321751043", "978-0321751041"], ["0321751044"]),
        ("creditcard", ["4111 1111 1111 1111"], ["4111 1111 1111 1112"]),
        ("ssn", ["123-45-6789"], ["123-45-678"]),
        ("password", ["anything"], []),
        ("k8s-short-name", ["abc-1"], ["Abc", "a" * 64]),
        ("k8s-long-name", ["a.b-c"], ["a..b"]),
    ],
)
def test_examples(name: str, good: list[str], bad: list[str]) -> None:
    holds = string_format(name)
    assert holds is not None
    assert [text for text in good if not holds(text)] == []
    assert [text for text in bad if holds(text)] == []


def test_unknown_formats_and_formats_of_other_types_mean_nothing() -> None:
    assert string_format("nonsense") is None
    assert known_format("int32", ("integer",))
    assert not known_format("int32", ("string",))
    assert not known_format("date", ("object",))
    assert known_format("date", ())
