"""Checks the fields an expression reads against the schema of ``self``.

The runtime takes ``self`` for a value of unknown type; here types are followed from the schema
through selections, indexes and macros, as far as they are certain. That is enough to refuse a rule
that names a field there is not, the most frequent mistake in rules, and to read times and durations as
such: their fields hold text, so ``typed_text`` writes the conversion around every reading of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from echelon.apiserver.schema.cel.escaping import unescape
from echelon.apiserver.schema.cel.runtime import OLD_SELF, SELF, CompileError, Program
from echelon.apiserver.schema.cel.syntax import (
    Aggregate,
    Call,
    Constant,
    Expression,
    Fold,
    Identifier,
    Select,
    children,
)
from echelon.apiserver.schema.structural import Structural

Scope = Mapping[str, Structural | None]
Span = tuple[int, int]

_FIELD = re.compile(r"\.\s*\w+", re.ASCII)

_SCALARS = frozenset(("string", "integer", "number", "boolean"))


class Reading(msgspec.Struct, frozen=True):
    """What is known of an expression over a schema.

    ``returns`` is the CEL type of its value, ``dyn`` when that is not certain; ``text`` is the
    expression with conversions for times and durations.
    """

    returns: str
    text: str


def read_fields(program: Program, node: Structural, *, optional_old_self: bool = False) -> Reading:
    """Follow the fields an expression reads from a value with the schema ``node``.

    Raises:
        CompileError: it reads a field that the schema does not have.
    """
    check = _Check(program)
    found = check.type_of(program.tree.root, {SELF: node, OLD_SELF: None if optional_old_self else node})
    if check.problems:
        lines = [_pointing(program, id_, text) for id_, text in dict.fromkeys(check.problems)]
        raise CompileError("compilation failed: " + "\n".join(lines))
    returns = program.returns
    if returns == "dyn" and found is not None and len(found.types) == 1:
        returns = _type_name(found.types[0])
    return Reading(returns, _converted(program.text, check.moments))


_CONVERSIONS = {
    "date": "timestamp({} + 'T00:00:00Z')",
    "datetime": "timestamp({})",
    "duration": "duration({})",
}


def _converted(text: str, moments: Mapping[Span, str]) -> str:
    """The text with conversions around readings; those that begin last are rewritten first."""
    for (start, end), form in sorted(moments.items(), reverse=True):
        text = text[:start] + _CONVERSIONS[form].format(text[start:end]) + text[end:]
    return text


def _pointing(program: Program, id_: int, problem: str) -> str:
    """The problem with the line it is in and a pointer below, as CEL compilers print it."""
    offset = program.tree.positions.get(id_, 0)
    before = program.text[:offset]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
    shown = program.text.split("\n")[line - 1]
    return f"ERROR: <input>:{line}:{column + 1}: {problem}\n | {shown}\n | {'.' * column}^"


class _Check:
    """One walk over an expression: the problems found, and where times and durations are read."""

    def __init__(self, program: Program) -> None:
        self.text = program.text
        self.positions = program.tree.positions
        self.problems: list[tuple[int, str]] = []
        self.moments: dict[Span, str] = {}

    def type_of(self, expression: Expression, scope: Scope) -> Structural | None:
        """The schema of the expression's value, ``None`` when it is not known."""
        match expression:
            case Identifier(name=name):
                return self._noted(expression, scope.get(name))
            case Select(id=id_, operand=operand, field=field, test=test):
                found = self._field(id_, self.type_of(operand, scope), unescape(field))
                return found if test else self._noted(expression, found)
            case Call():
                return self._call(expression, scope)
            case Fold():
                return self._fold(expression, scope)
            case Aggregate():
                for element in expression.elements:
                    self.type_of(element, scope)
        return None

    def _noted(self, expression: Identifier | Select, node: Structural | None) -> Structural | None:
        """The schema as it is, after a look whether it is that of a time or duration."""
        if node is not None and node.types == ("string",):
            form = node.format.replace("-", "")
            span = self._span(expression) if form in _CONVERSIONS else None
            if span is not None:
                self.moments[span] = form
        return node

    def _span(self, expression: Identifier | Select) -> Span | None:
        """Where the expression stands in the text, if it stands there as written."""
        first = _first(expression)
        if first is None or not self.text.startswith(first.name, self.positions.get(first.id, -1)):
            return None
        start = self.positions[first.id]
        if isinstance(expression, Identifier):
            return start, start + len(first.name)
        field = _FIELD.match(self.text, self.positions.get(expression.id, len(self.text)))
        return (start, field.end()) if field else None

    def _field(self, id_: int, node: Structural | None, name: str) -> Structural | None:
        if node is None or node.int_or_string:
            return None
        if node.additional is not None or node.allows_additional:
            return node.additional
        if name in node.properties:
            return node.properties[name]
        if "object" in node.types:
            self.problems.append((id_, f"undefined field '{name}'"))
        elif _SCALARS.intersection(node.types) or "array" in node.types:
            kind = _type_name(node.types[0])
            self.problems.append((id_, f"type '{kind}' does not support field selection"))
        return None

    def _call(self, call: Call, scope: Scope) -> Structural | None:
        types = [self.type_of(each, scope) for each in children(call)]
        first = types[0] if types else None
        match call.function, call.arguments:
            case ("_?._", (_, Constant(text=str(name)))):
                self._field(call.id, first, unescape(name))
            case ("_[_]", _) if first is not None:
                return first.items if "array" in first.types else first.additional
            case ("_?_:_", _) if types[1] is types[2]:
                return types[1]
        return None

    def _fold(self, fold: Fold, scope: Scope) -> Structural | None:
        ranged = self.type_of(fold.range, scope)
        element = ranged.items if ranged is not None and "array" in ranged.types else None
        bound = {**scope, fold.variable: element, fold.accumulator: self.type_of(fold.initial, scope)}
        for part in (fold.condition, fold.step):
            self.type_of(part, bound)
        return self.type_of(fold.result, bound)


def _first(expression: Expression) -> Identifier | None:
    """The name that a chain of selections and indexes begins with."""
    while True:
        match expression:
            case Identifier():
                return expression
            case Select(operand=operand):
                expression = operand
            case Call(function="_[_]", arguments=[operand, _]):
                expression = operand
            case _:
                return None


_TYPE_NAMES = {"integer": "int", "number": "double", "boolean": "bool", "array": "list", "object": "map"}


def _type_name(kind: str) -> str:
    return _TYPE_NAMES.get(kind, kind)


def fields_read(program: Program) -> frozenset[str] | None:
    """The fields of ``self`` and ``oldSelf`` that an expression reads, ``None`` when it may read all of them."""
    read: set[str] = set()
    whole = False

    def visit(expression: Expression) -> None:
        nonlocal whole
        match expression:
            case Select(operand=Identifier(name=name), field=field) if name in (SELF, OLD_SELF):
                read.add(field)
                return
            case Call(function="_?._", arguments=[Identifier(name=name), Constant(text=str(field))]) if name in (
                SELF,
                OLD_SELF,
            ):
                read.add(field)
                return
            case Identifier(name=name):
                whole = whole or name in (SELF, OLD_SELF)
        for child in children(expression):
            visit(child)

    visit(program.tree.root)
    return None if whole else frozenset(read)
