"""The tree of a compiled expression, read from the runtime's serialised form.

The runtime gives no access to the tree but serialises it as ``cel.expr.CheckedExpr`` (or
``ParsedExpr``) in protobuf; the few fields needed are read here directly. See
``cel/expr/syntax.proto`` and ``checked.proto`` of the CEL specification for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Expression(msgspec.Struct, frozen=True):
    """A node; ``id`` leads to its place in the text."""

    id: int


class Constant(Expression, frozen=True):
    """A literal; ``text`` is set for strings only."""

    text: str | None = None


class Identifier(Expression, frozen=True):
    name: str


class Select(Expression, frozen=True):
    """``operand.field``, or ``has(operand.field)`` when it is a test."""

    operand: Expression
    field: str
    test: bool


class Call(Expression, frozen=True):
    function: str
    target: Expression | None
    arguments: Sequence[Expression]


class Aggregate(Expression, frozen=True):
    """A list or map literal and the expressions in it."""

    elements: Sequence[Expression]


class Fold(Expression, frozen=True):
    """What macros such as ``all`` and ``map`` expand to."""

    variable: str
    range: Expression
    accumulator: str
    initial: Expression
    condition: Expression
    step: Expression
    result: Expression


class Tree(msgspec.Struct, frozen=True):
    """An expression and where its nodes stand in the text, in characters."""

    root: Expression
    positions: Mapping[int, int]

    def walk(self) -> Iterator[Expression]:
        """Every node, outermost first."""
        pending = [self.root]
        while pending:
            node = pending.pop()
            yield node
            pending += children(node)


def children(node: Expression) -> Sequence[Expression]:
    match node:
        case Select(operand=operand):
            return (operand,)
        case Call(target=None, arguments=arguments):
            return arguments
        case Call(target=target, arguments=arguments) if target is not None:
            return (target, *arguments)
        case Aggregate(elements=elements):
            return elements
        case Fold(range=range_, initial=initial, condition=condition, step=step, result=result):
            return (range_, initial, condition, step, result)
    return ()


def read_tree(serialized: bytes) -> Tree:
    """Read a serialised expression, which is wrapped in a ``google.protobuf.Any``."""
    envelope = _message(serialized)
    checked = _text(envelope, 1).endswith("CheckedExpr")
    body = _message(_bytes(envelope, 2))
    source = _message(_bytes(body, 5 if checked else 3))
    return Tree(_expression(_bytes(body, 4 if checked else 2)), dict(map(_position, source.get(4, ()))))


Message = dict[int, list[int | bytes]]


def _message(data: bytes) -> Message:
    fields: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            width = {_FIXED64: 8, _FIXED32: 4}[wire]
            value, at = data[at : at + width], at + width
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _bytes(message: Message, number: int) -> bytes:
    value = message.get(number, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def _integer(message: Message, number: int) -> int:
    value = message.get(number, [0])[-1]
    return value if isinstance(value, int) else 0


def _text(message: Message, number: int) -> str:
    return _bytes(message, number).decode()


def _position(entry: int | bytes) -> tuple[int, int]:
    message = _message(entry if isinstance(entry, bytes) else b"")
    return _integer(message, 1), _integer(message, 2)


def _expressions(message: Message, number: int) -> list[Expression]:
    return [_expression(value) for value in message.get(number, ()) if isinstance(value, bytes)]


def _expression(data: bytes) -> Expression:
    message = _message(data)
    id_ = _integer(message, 2)
    if 4 in message:
        return Identifier(id_, _text(_message(_bytes(message, 4)), 1))
    if 5 in message:
        select = _message(_bytes(message, 5))
        return Select(id_, _expression(_bytes(select, 1)), _text(select, 2), bool(_integer(select, 3)))
    if 6 in message:
        call = _message(_bytes(message, 6))
        target = _expression(_bytes(call, 1)) if 1 in call else None
        return Call(id_, _text(call, 2), target, _expressions(call, 3))
    if 7 in message:
        return Aggregate(id_, _expressions(_message(_bytes(message, 7)), 1))
    if 8 in message:
        return Aggregate(id_, list(_entries(_message(_bytes(message, 8)))))
    if 9 in message:
        return _fold(id_, _message(_bytes(message, 9)))
    constant = _message(_bytes(message, 3))
    return Constant(id_, _text(constant, 6) if 6 in constant else None)


def _entries(literal: Message) -> Iterator[Expression]:
    for value in literal.get(2, ()):
        entry = _message(value if isinstance(value, bytes) else b"")
        if 3 in entry:
            yield _expression(_bytes(entry, 3))
        yield _expression(_bytes(entry, 4))


def _fold(id_: int, fold: Message) -> Fold:
    range_, initial, condition, step, result = (_expression(_bytes(fold, number)) for number in (2, 4, 5, 6, 7))
    return Fold(id_, _text(fold, 1), range_, _text(fold, 3), initial, condition, step, result)
