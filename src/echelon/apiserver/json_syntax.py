"""What is wrong with a JSON text, in the words of Go's ``encoding/json``.

Clients of Kubernetes see these sentences, so a text that the fast decoder refuses is read once
more here, slowly, only to name the fault.
"""

from __future__ import annotations

import re

from echelon.apiserver.documents import DEEPEST, TOO_DEEP

END = "unexpected end of JSON input"
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_SPACE = " \t\r\n"
_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"


class _Fault(Exception):
    """The first fault met."""


def explain(body: bytes) -> str:
    """The fault of a text that is not JSON."""
    text = body.decode("latin-1")
    try:
        reader = _Reader(text)
        reader.value()
        reader.spaces()
        if reader.at < len(text):
            reader.refuse("after top-level value")
    except _Fault as fault:
        return str(fault)
    return "invalid UTF-8 in JSON input"


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def refuse(self, where: str) -> None:
        character = self.text[self.at]
        raise _Fault(f"invalid character {_quoted(character)} {where}")

    def peek(self) -> str:
        if self.at >= len(self.text):
            raise _Fault(END)
        return self.text[self.at]

    def spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1

    def value(self) -> None:
        self.spaces()
        first = self.peek()
        if first in "{[":
            self.depth += 1
            if self.depth > DEEPEST:
                raise _Fault(TOO_DEEP)
            if first == "{":
                self._members()
            else:
                self._elements()
            self.depth -= 1
        elif first == '"':
            self._string()
        elif first == "-" or first in _DIGITS:
            self._number()
        elif first in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[first])
        else:
            self.refuse("looking for beginning of value")

    def _members(self) -> None:
        self.at += 1
        self.spaces()
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            self.spaces()
            if self.peek() != '"':
                self.refuse("looking for beginning of object key string")
            self._string()
            self.spaces()
            if self.peek() != ":":
                self.refuse("after object key")
            self.at += 1
            self.value()
            if self._closed("}", "after object key:value pair"):
                return

    def _elements(self) -> None:
        self.at += 1
        self.spaces()
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            self.value()
            if self._closed("]", "after array element"):
                return

    def _closed(self, end: str, where: str) -> bool:
        self.spaces()
        character = self.peek()
        if character not in (",", end):
            self.refuse(where)
        self.at += 1
        return character == end

    def _string(self) -> None:
        self.at += 1
        while True:
            plain = _PLAIN.match(self.text, self.at)
            assert plain is not None
            self.at = plain.end()
            character = self.peek()
            if character == '"':
                break
            if character < " ":
                self.refuse("in string literal")
            self.at += 1
            self._escape()
        self.at += 1

    def _escape(self) -> None:
        character = self.peek()
        if character not in '"\\/bfnrtu':
            self.refuse("in string escape code")
        self.at += 1
        if character == "u":
            for _ in range(4):
                if self.peek() not in _HEX:
                    self.refuse("in \\u hexadecimal character escape")
                self.at += 1

    def _number(self) -> None:
        if self.peek() == "-":
            self.at += 1
            if self.peek() not in _DIGITS:
                self.refuse("in numeric literal")
        if self.peek() == "0":
            self.at += 1
        else:
            self._digits()
        if self._next_is("."):
            self.at += 1
            if self.peek() not in _DIGITS:
                self.refuse("after decimal point in numeric literal")
            self._digits()
        if self._next_is("eE"):
            self.at += 1
            if self.peek() in "+-":
                self.at += 1
            if self.peek() not in _DIGITS:
                self.refuse("in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._next_is(_DIGITS):
            self.at += 1

    def _next_is(self, characters: str) -> bool:
        return self.at < len(self.text) and self.text[self.at] in characters

    def _literal(self, word: str) -> None:
        for expected in word:
            if self.peek() != expected:
                self.refuse(f"in literal {word} (expecting '{expected}')")
            self.at += 1


def _quoted(character: str) -> str:
    special = {"'": "'\\''", '"': "'\"'", "\\": "'\\\\'", "\n": "'\\n'", "\t": "'\\t'", "\r": "'\\r'"}
    if character in special:
        return special[character]
    return f"'{character}'" if " " <= character < "\x7f" else f"'\\x{ord(character):02x}'"
