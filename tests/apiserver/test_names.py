"""Names, label keys and values."""

from __future__ import annotations

import pytest

from echelon.apiserver import names


@pytest.mark.parametrize("text", ["a", "a-b", "a.b-c.d1", "1a", "a" * 253])
def test_subdomains(text: str) -> None:
    assert names.dns_subdomain(text) == []


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a..b", ".a", "a_b", "a\n"])
def test_other_than_subdomains(text: str) -> None:
    (fault,) = names.dns_subdomain(text)
    assert fault.startswith("a lowercase RFC 1123 subdomain must consist of")


def test_long_names() -> None:
    assert names.dns_subdomain("a" * 254) == ["must be no more than 253 bytes"]
    assert names.dns_label("a" * 64) == ["must be no more than 63 bytes"]
    assert names.label_value("a" * 64) == ["must be no more than 63 bytes"]


@pytest.mark.parametrize(("text", "good"), [("a", True), ("a-1", True), ("1-a", True), ("a.b", False), ("", False)])
def test_labels(text: str, good: bool) -> None:
    assert (names.dns_label(text) == []) is good


@pytest.mark.parametrize(("text", "good"), [("a", True), ("a-1", True), ("1-a", False)])
def test_labels_that_begin_with_a_letter(text: str, good: bool) -> None:
    assert (names.dns_1035_label(text) == []) is good


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("system:node", []),
        (".", ["may not be '.'"]),
        ("..", ["may not be '..'"]),
        ("a/b", ["may not contain '/'"]),
        ("a%b/", ["may not contain '/'", "may not contain '%'"]),
    ],
)
def test_path_segments(text: str, faults: list[str]) -> None:
    assert names.path_segment(text) == faults


@pytest.mark.parametrize("text", ["a", "A.b_c-d", "example.com/a", "x.y/A"])
def test_qualified_names(text: str) -> None:
    assert names.qualified_name(text) == []


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a b", "name part must consist of"),
        ("", "name part must be non-empty"),
        ("/a", "prefix part must be non-empty"),
        ("A/a", "prefix part a lowercase RFC 1123 subdomain"),
        ("a/b/c", "a qualified name must consist of"),
        ("a" * 64, "name part must be no more than 63 bytes"),
    ],
)
def test_other_than_qualified_names(text: str, start: str) -> None:
    assert names.qualified_name(text)[0].startswith(start)


@pytest.mark.parametrize(("text", "good"), [("", True), ("a", True), ("a_B.c-1", True), ("-a", False), ("a b", False)])
def test_label_values(text: str, good: bool) -> None:
    assert (names.label_value(text) == []) is good


@pytest.mark.parametrize(
    ("text", "good"), [("kubernetes", True), ("orphan", True), ("example.com/a", True), ("mine", False)]
)
def test_finalizers_of_builtin_kinds(text: str, good: bool) -> None:
    assert names.is_standard_or_qualified_finalizer(text) is good
