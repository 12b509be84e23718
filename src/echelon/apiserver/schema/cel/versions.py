"""Semantic versions in expressions, as a tagged text, and the comparisons they share with quantities."""

from __future__ import annotations

import re
from decimal import Decimal

from echelon.apiserver.schema.cel import quantities

TAG = "\x01semver "

_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_FORM = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_LOOSE = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)", re.ASCII | re.DOTALL)

Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def _normalized(text: str) -> str:
    """Without a leading v and leading zeros, with all three numbers."""
    found = _LOOSE.fullmatch(text)
    if found is None:
        return text
    numbers = ".".join(str(int(number or 0)) for number in found.group(1, 2, 3))
    return numbers + found[4]


def semver(text: str, normalize: bool = False) -> str:
    version = _normalized(text) if normalize else text
    if not _FORM.fullmatch(version):
        raise ValueError(f"{text!r} is not a semantic version")
    return TAG + version


def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        semver(text, normalize)
    except ValueError:
        return False
    return True


def _parts(value: str) -> re.Match[str]:
    found = _FORM.fullmatch(value.removeprefix(TAG)) if value.startswith(TAG) else None
    if found is None:
        raise TypeError("no such overload: a semver is needed")
    return found


def major_of(value: str) -> int:
    return int(_parts(value)[1])


def minor_of(value: str) -> int:
    return int(_parts(value)[2])


def patch_of(value: str) -> int:
    return int(_parts(value)[3])


def _precedence(value: str) -> Precedence:
    found = _parts(value)
    release = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (found[4] or "").split(".") if part
    )
    return int(found[1]), int(found[2]), int(found[3]), not release, release


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 for two versions or two quantities."""
    if left.startswith(TAG):
        version, other = _precedence(left), _precedence(right)
        return (version > other) - (version < other)
    if not left.startswith(quantities.TAG):
        raise TypeError("no such overload: a quantity or a semver is needed")
    amount: Decimal = quantities.amount_of(left)
    beside = quantities.amount_of(right)
    return (amount > beside) - (amount < beside)


def is_less_than(left: str, right: str) -> bool:
    return compare(left, right) < 0


def is_greater_than(left: str, right: str) -> bool:
    return compare(left, right) > 0
