"""Label and field selectors: parsed once, kept, and asked of every object of a list or watch.

The grammar and the faults are those of Kubernetes. A label selector is a predicate over the labels.
A field selector is split by what a list can use at once: a demanded name or namespace leads
straight to the object; other terms are looked up in the object's JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from echelon.apiserver import names
from echelon.apiserver.errors import bad_request, invalid_value

Labels = Mapping[str, str]
LabelPredicate = Callable[[Labels], bool]

_SYMBOLS = "=!(),<>"
_TWO = {"==", "!="}
_END = ""
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_WORDS = {"<": "lt", ">": "gt"}


class _Fault(Exception):
    """The selector breaks the grammar."""


class Requirement(msgspec.Struct, frozen=True):
    """One term of a label selector."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "in" | "=" | "==":
                return value in self.values
            case "notin" | "!=":
                return value not in self.values
            case _:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        (bound,) = self.values
        try:
            return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)
        except ValueError:
            return False


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> LabelPredicate:
    """The predicate of a label selector.

    Raises:
        StatusError: 400 with Kubernetes' message.
    """
    try:
        requirements = _Parser(text).requirements()
    except _Fault as fault:
        raise bad_request(str(fault)) from None
    if len(requirements) == 1:
        return requirements[0].holds
    return lambda labels: all(requirement.holds(labels) for requirement in requirements)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        character = text[at]
        if character.isspace():
            at += 1
        elif character in _SYMBOLS:
            width = 2 if text[at : at + 2] in _TWO else 1
            tokens.append(text[at : at + width])
            at += width
        else:
            start = at
            while at < len(text) and not text[at].isspace() and text[at] not in _SYMBOLS:
                at += 1
            tokens.append(text[start:at])
    return tokens


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self._peek()) != _END:
            if token != "!" and not _is_identifier(token):
                raise _Fault(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except _Fault as fault:
                raise _Fault(f"unable to parse requirement: {fault}") from None
            separator = self._take()
            if separator == _END:
                break
            if separator != ",":
                raise _Fault(f"found '{separator}', expected: ',' or 'end of string'")
            following = self._peek()
            if following != "!" and not _is_identifier(following):
                raise _Fault(f"found '{following}', expected: identifier after ','")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._take()
        key = self._take()
        if not _is_identifier(key):
            raise _Fault(f"found '{key}', expected: identifier")
        _refuse("key", key, names.qualified_name(key))
        if negated:
            return Requirement(key, "!")
        if self._peek() in (_END, ","):
            return Requirement(key, "exists")
        operator = self._take()
        operator = _WORDS.get(operator, operator)
        if operator not in _OPERATORS:
            raise _Fault(f"found '{operator}', expected: {', '.join(_OPERATORS)}")
        values = self._set() if operator in ("in", "notin") else [self._value()]
        return _checked(Requirement(key, operator, frozenset(values)))

    def _value(self) -> str:
        if self._peek() in (_END, ","):
            return ""
        token = self._take()
        if not _is_identifier(token):
            raise _Fault(f"found '{token}', expected: identifier")
        return token

    def _set(self) -> list[str]:
        opening = self._take()
        if opening != "(":
            raise _Fault(f"found '{opening}' expected: '('")
        if self._peek() == ")":
            self._take()
            return []
        values: list[str] = []
        while True:
            token = self._peek()
            if token in (",", ")"):
                values.append("")
            elif _is_identifier(token):
                values.append(self._take())
            else:
                raise _Fault(f"found '{token}', expected: ',', ')' or identifier")
            separator = self._take()
            if separator == ")":
                return values
            if separator != ",":
                raise _Fault(f"found '{separator}', expected: ',' or ')'")


def _is_identifier(token: str) -> bool:
    return token != _END and token[0] not in _SYMBOLS


def _refuse(field: str, value: str, faults: Sequence[str]) -> None:
    if faults:
        raise _Fault(str(invalid_value(field, value, "; ".join(faults))))


def _checked(requirement: Requirement) -> Requirement:
    if requirement.operator in ("in", "notin") and not requirement.values:
        raise _Fault("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if requirement.operator in ("gt", "lt"):
        (bound,) = requirement.values
        if not bound.lstrip("-").isdigit():
            raise _Fault(
                f"values[0]: Invalid value: \"{bound}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return requirement
    for index, value in enumerate(sorted(requirement.values)):
        _refuse(f"values[{index}][{requirement.key}]", value, names.label_value(value))
    return requirement


class FieldTerm(msgspec.Struct, frozen=True):
    """``path`` equals (or, negated, does not equal) ``value``."""

    path: str
    value: str
    negated: bool


class FieldSelector(msgspec.Struct, frozen=True):
    """All terms must hold."""

    terms: tuple[FieldTerm, ...] = ()

    def demanded(self, path: str) -> str | None:
        """The one value that this field must have, if the selector says so."""
        return next((term.value for term in self.terms if term.path == path and not term.negated), None)

    @property
    def needs_object(self) -> bool:
        """Whether more than name and namespace is asked for."""
        return any(term.path not in METADATA_FIELDS for term in self.terms)

    def matches(self, namespace: str, name: str, load: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether an object is selected; ``load`` gives its JSON when a term needs it."""
        for term in self.terms:
            if term.path == "metadata.name":
                actual = name
            elif term.path == "metadata.namespace":
                actual = namespace
            else:
                actual = _field_text(load(), term.path)
            if (actual == term.value) is term.negated:
                return False
        return True


METADATA_FIELDS = ("metadata.name", "metadata.namespace")


def _field_text(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    for part in path.lstrip(".").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=1024)
def parse_fields(text: str, supported: tuple[str, ...], custom: bool) -> FieldSelector:
    """Parse a field selector over the metadata fields and ``supported``.

    Raises:
        StatusError: 400 with Kubernetes' message.
    """
    terms = tuple(_field_term(text, part) for part in _split_unescaped(text) if part)
    for term in terms:
        if term.path in METADATA_FIELDS or term.path in supported:
            continue
        if supported or custom:
            raise bad_request(f"field label not supported: {term.path}")
        known = ", ".join(f'"{path}"' for path in METADATA_FIELDS)
        raise bad_request(f'"{term.path}" is not a known field selector: only {known}')
    return FieldSelector(terms)


def _split_unescaped(text: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in text:
        if character == "," and not escaped:
            parts.append(current)
            current = ""
        else:
            current += character
        escaped = character == "\\" and not escaped
    return [*parts, current]


def _field_term(text: str, part: str) -> FieldTerm:
    for at, character in enumerate(part):
        for operator in ("!=", "==", "="):
            if part.startswith(operator, at) and (at == 0 or part[at - 1] != "\\"):
                value = _unescaped(text, part[at + len(operator) :])
                return FieldTerm(part[:at].strip(), value, operator == "!=")
        if character == "\\":
            continue
    raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")


def _unescaped(text: str, value: str) -> str:
    if "\\" not in value and "=" not in value:
        return value
    result, characters = "", iter(value)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            if character not in ("\\", ",", "="):
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{character}")
        elif character in ",=":
            raise bad_request(f"invalid selector: '{text}'; can't understand '{value}'")
        result += character
    return result
