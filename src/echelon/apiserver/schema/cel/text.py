"""Functions on text: searching with regular expressions."""

from __future__ import annotations

from echelon.apiserver.schema.patterns import compile_pattern


def find(value: str, pattern: str) -> str:
    """The first match, empty when there is none."""
    found = compile_pattern(pattern).search(value)
    return found[0] if found else ""


def find_all(value: str, pattern: str, limit: int = -1) -> list[str]:
    """The matches, not more than ``limit`` unless that is negative."""
    found = [match[0] for match in compile_pattern(pattern).finditer(value)]
    return found if limit < 0 else found[:limit]
