"""Go patterns in Python: the same strings match, and what RE2 refuses is refused."""

from __future__ import annotations

import pytest

from echelon.apiserver.schema.patterns import PatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("^[a-z]{3}$", "abc", "abc\n"),
        (r"^a\z", "a", "a\n"),
        (r"^\d+$", "12", "١٢"),
        (r"^[[:alpha:]_]+$", "a_Z", "é"),
        (r"^[^[:space:]]+$", "ab", "a b"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        (r"^\x{41}\x42\101$", "ABA", "AB"),
        ("^a(?i)b$", "aB", "AB"),
        ("^(a(?i:b))c$", "aBc", "aBC"),
        ("(?m)^b$", "a\nb\nc", "ab"),
        ("(?s)^a.c$", "a\nc", "abbc"),
        ("^a.c$", "abc", "a\nc"),
        ("^(?P<first>a)(?<second>b)$", "ab", "a"),
        ("^a{,2}$", "a{,2}", "aa"),
        ("^[]a]+$", "]a", "b"),
        ("^[a[b&&c--]+$", "[&", "d"),
        (r"^\pL+$", "éa", "1"),
        (r"^\PL$", "1", "a"),
        ("^(?:(?:0|[1-9][0-9]*)(\\.[0-9]+)?(?:s|m|h))+$", "1h30.5m", "1d"),
    ],
)
def test_meaning_is_that_of_go(pattern: str, matching: str, other: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled.search(matching)
    assert not compiled.search(other)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        r"(a)\1",
        "(?P=name)",
        "(?>a)",
        "a++",
        "a**",
        "a{2}{3}",
        "a{1001}",
        "a{3,2}",
        "(a",
        "a)",
        "[a",
        "[[:nonsense:]]",
        r"\C",
        r"a\Z",
        "(?U)a+",
        r"\p{Greek}",
        "a\\",
        "*a",
    ],
)
def test_what_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)
