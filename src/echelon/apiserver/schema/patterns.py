"""Regular expressions of schemas: written for RE2 (Go), run by ``re``.

The two languages share most of their syntax but not all of its meaning. ``compile_pattern``
rewrites what means something else (``$`` before a final newline, Unicode classes of ``\\d``,
POSIX classes, ``\\z``, flags in the middle) and refuses what RE2 refuses (look-around, back
references, possessive quantifiers), so that a pattern accepted here is accepted by Kubernetes too
and matches the same strings. What RE2 has and ``re`` lacks (scripts such as ``\\p{Greek}``, the
``U`` flag) is refused as well, with a message that says so.
"""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z_][A-Za-z0-9_]*)>|([imsU]*)(?:-([imsU]+))?([:)]))")
_HEXADECIMAL = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"\\([1-7][0-7]{2}|0[0-7]{0,2})")
_LARGEST_REPEAT = 1000


class PatternError(ValueError):
    """A pattern that cannot be used, and why."""


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern as a compiled Python expression; use its ``search``.

    Raises:
        PatternError: RE2 would refuse it, or it uses something ``re`` cannot do.
    """
    translated = _Translation(pattern).run()
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise PatternError(f"error parsing regexp: {error}") from error


class _Translation:
    """One left-to-right pass over a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.out: list[str] = []
        self.open: list[tuple[int, bool]] = []  # per open group: extra parentheses to close, and multi-line outside
        self.extra = 0
        self.multiline = False

    def run(self) -> str:
        while self.position < len(self.pattern):
            self._step(self.pattern[self.position])
        if self.open:
            raise PatternError(f"error parsing regexp: missing closing ): `{self.pattern}`")
        return "".join(self.out) + ")" * self.extra

    def _emit(self, text: str, consumed: int) -> None:
        self.out.append(text)
        self.position += consumed

    def _step(self, character: str) -> None:
        match character:
            case "\\":
                self._escape()
            case "[":
                self._character_class()
            case "(":
                self._group()
            case ")":
                self._close()
            case "$":
                self._emit("$" if self.multiline else r"\Z", 1)
            case "*" | "+" | "?":
                self._quantifier(character, 1)
            case "{":
                self._repeat()
            case _:
                self._emit(character, 1)

    def _quantifier(self, text: str, consumed: int) -> None:
        self._emit(text, consumed)
        following = self.pattern[self.position : self.position + 1]
        if following == "?":
            self._emit("?", 1)
            following = self.pattern[self.position : self.position + 1]
        if following and (following in "*+?" or _REPEAT.match(self.pattern, self.position)):
            raise PatternError(f"error parsing regexp: invalid nested repetition operator: `{text}{following}`")

    def _repeat(self) -> None:
        found = _REPEAT.match(self.pattern, self.position)
        if found is None:
            self._emit(r"\{", 1)
            return
        low, high = int(found[1]), int(found[3]) if found[3] else 0
        if max(low, high) > _LARGEST_REPEAT or (found[3] and high < low):
            raise PatternError(f"error parsing regexp: invalid repeat count: `{found[0]}`")
        self._quantifier(found[0], len(found[0]))

    def _group(self) -> None:
        if not self.pattern.startswith("(?", self.position):
            self.open.append((self.extra, self.multiline))
            self.extra = 0
            self._emit("(", 1)
            return
        found = _GROUP.match(self.pattern, self.position)
        if found is None:
            rest = self.pattern[self.position : self.position + 4]
            raise PatternError(f"error parsing regexp: invalid or unsupported Perl syntax: `{rest}`")
        name, on, off, end = found.groups()
        if name is not None:
            self.open.append((self.extra, self.multiline))
            self.extra = 0
            self._emit(f"(?P<{name}>", len(found[0]))
            return
        self._flags(found[0], on or "", off or "", end)

    def _flags(self, text: str, on: str, off: str, end: str) -> None:
        """Flags hold to the end of their group; ``re`` knows them only as a group, so one is opened."""
        if "U" in on + off:
            raise PatternError(f"the flag U is not supported: `{text}`")
        group = f"(?{on}-{off}:" if off else f"(?{on}:"
        if end == ":":
            self.open.append((self.extra, self.multiline))
            self.extra = 0
        else:
            self.extra += 1
        self.multiline = (self.multiline or "m" in on) and "m" not in off
        self._emit(group, len(text))

    def _close(self) -> None:
        if not self.open:
            raise PatternError(f"error parsing regexp: unexpected ): `{self.pattern}`")
        closing = ")" * (self.extra + 1)
        self.extra, self.multiline = self.open.pop()
        self._emit(closing, 1)

    def _escape(self, in_class: bool = False) -> None:
        text = self.pattern
        following = text[self.position + 1 : self.position + 2]
        if not following:
            raise PatternError("error parsing regexp: trailing backslash at end of expression: ``")
        if following == "Q":
            end = text.find(r"\E", self.position + 2)
            literal = text[self.position + 2 : end if end >= 0 else len(text)]
            self._emit(re.escape(literal), len(literal) + (4 if end >= 0 else 2))
        elif found := _HEXADECIMAL.match(text, self.position) or _OCTAL.match(text, self.position):
            base = 16 if found.re is _HEXADECIMAL else 8
            code = int(next(group for group in found.groups() if group), base)
            if code > 0x10FFFF:
                raise PatternError(f"error parsing regexp: invalid escape sequence: `{found[0]}`")
            self._emit(re.escape(chr(code)), len(found[0]))
        elif following in "pP":
            self._unicode_class(in_class)
        elif following == "z" and not in_class:
            self._emit(r"\Z", 2)
        elif following in ("dDwWsSafnrtv" if in_class else "dDwWsSafnrtvAbB"):
            self._emit("\\" + following, 2)
        elif following.isalnum() or ord(following) >= 0x80:
            raise PatternError(f"error parsing regexp: invalid escape sequence: `\\{following}`")
        else:
            self._emit("\\" + following, 2)

    def _unicode_class(self, in_class: bool) -> None:
        found = re.compile(r"\\([pP])(?:\{(\^?)(\w+)\}|(\w))").match(self.pattern, self.position)
        name = (found[3] or found[4]) if found else ""
        if found is None or name not in _UNICODE or in_class:
            shown = found[0] if found else self.pattern[self.position : self.position + 3]
            raise PatternError(f"the Unicode class `{shown}` is not supported here")
        positive = (found[1] == "p") != bool(found[2])
        self._emit(_UNICODE[name][0 if positive else 1], len(found[0]))

    def _character_class(self) -> None:
        text, self.position = self.pattern, self.position + 1
        self.out.append("[")
        if text.startswith("^", self.position):
            self._emit("^", 1)
        first = True
        while True:
            character = text[self.position : self.position + 1]
            if not character:
                raise PatternError(f"error parsing regexp: missing closing ]: `{text}`")
            if character == "]" and not first:
                self._emit("]", 1)
                return
            first = False
            if character == "\\":
                self._escape(in_class=True)
            elif text.startswith("[:", self.position):
                self._posix_class()
            elif character in "[]&~|" or text.startswith("--", self.position):
                self._emit("\\" + character, 1)
            else:
                self._emit(character, 1)

    def _posix_class(self) -> None:
        end = self.pattern.find(":]", self.position)
        name = self.pattern[self.position + 2 : end] if end >= 0 else ""
        if name.startswith("^") or name not in _POSIX:
            raise PatternError(f"error parsing regexp: invalid character class range: `[:{name}:]`")
        self._emit(_POSIX[name], end + 2 - self.position)


# Classes of letters and digits that ``re`` can express, and their complements.
_UNICODE = {
    "L": (r"(?u:[^\W\d_])", r"(?u:[\W\d_])"),
    "N": (r"(?u:\d)", r"(?u:\D)"),
    "Nd": (r"(?u:\d)", r"(?u:\D)"),
}
