"""Checks the fields an expression reads against the schema of ``self``.

The runtime takes ``self`` for a value of unknown type; here types are followed from the schema
through selections, indexes and macros, as far as they are certain. That is enough to refuse a rule
that names a field there is not, the most frequent mistake in rules.
"""

from __future__ import annotations

from collections.abc import Mapping

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

_SCALARS = frozenset(("string", "integer", "number", "boolean"))


def check_fields(program: Program, node: Structural, *, optional_old_self: bool = False) -> str:
    """Follow the fields an expression reads; the CEL type of its value, ``dyn`` when that is not certain.

    Raises:
        CompileError: it reads a field that the schema does not have.
    """
    problems: list[tuple[int, str]] = []
    scope = {SELF: node, OLD_SELF: None if optional_old_self else node}
    found = _Check(problems).type_of(program.tree.root, scope)
    if not problems:
        certain = program.returns == "dyn" and found is not None and len(found.types) == 1
        return _type_name(found.types[0]) if certain and found is not None else program.returns
    lines = [_pointing(program, id_, text) for id_, text in dict.fromkeys(problems)]
    raise CompileError("compilation failed: " + "\n".join(lines))


def _pointing(program: Program, id_: int, problem: str) -> str:
    """The problem with the line it is in and a pointer below, as CEL compilers print it."""
    offset = program.tree.positions.get(id_, 0)
    before = program.text[:offset]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
    shown = program.text.split("\n")[line - 1]
    return f"ERROR: <input>:{line}:{column + 1}: {problem}\n | {shown}\n | {'.' * column}^"


class _Check:
    def __init__(self, problems: list[tuple[int, str]]) -> None:
        self.problems = problems

    def type_of(self, expression: Expression, scope: Scope) -> Structural | None:
        """The schema of the expression's value, ``None`` when it is not known."""
        match expression:
            case Identifier(name=name):
                return scope.get(name)
            case Select(id=id_, operand=operand, field=field):
                return self._field(id_, self.type_of(operand, scope), unescape(field))
            case Call():
                return self._call(expression, scope)
            case Fold():
                return self._fold(expression, scope)
            case Aggregate():
                for element in expression.elements:
                    self.type_of(element, scope)
        return None

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
