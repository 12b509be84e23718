"""Rules in CEL (``x-kubernetes-validations``): compiled with the schema, evaluated on objects.

A rule belongs to a node of the schema and sees the value there as ``self``. A rule that names
``oldSelf`` is a transition rule: it is evaluated only on updates, for values that correspond to an
old one (fields, keys of maps, elements of map lists), unless ``optionalOldSelf`` is set. Parents
come before children. The rules of a value that did not change do not fail an update, transition
rules excepted. A rule that cannot be evaluated counts as failed.

Only nodes with rules somewhere below them are visited, and of an object a rule reads only the
fields it names, so the rules of a large object cost what they look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import msgspec
import structlog

from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.cel.escaping import unescape
from echelon.apiserver.schema.cel.fields import fields_read, read_fields
from echelon.apiserver.schema.cel.runtime import (
    BudgetExceeded,
    CompileError,
    EvaluationError,
    NoSuchOverload,
    Program,
    Variables,
    compile_expression,
)
from echelon.apiserver.schema.cel.values import conversion_of, without_nul
from echelon.apiserver.schema.fieldpath import FieldPathError, resolve_field_path
from echelon.apiserver.schema.ratcheting import ABSENT, corresponding
from echelon.apiserver.schema.structural import EMBEDDED_RESOURCE, VALIDATIONS, References, Structural

_LONGEST_MESSAGE = 5 * 1024

logger = structlog.get_logger(__name__)


class Rule(msgspec.Struct, frozen=True):
    """A compiled rule. ``path`` is where its errors point to, below the node."""

    program: Program
    text: str
    message: str = ""
    message_program: Program | None = None
    reason: str = ""
    path: str = ""
    optional_old_self: bool = False

    @property
    def shown(self) -> str:
        """How errors call the rule."""
        return self.message or self.text


def has_rules(schema: Mapping[str, Any]) -> bool:
    """Whether there are rules anywhere in a schema; references are not followed, as such schemas have none."""
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return bool(schema.get(VALIDATIONS)) or any(has_rules(child) for child in below if isinstance(child, Mapping))


def compile_rule(raw: Mapping[str, Any], node: Structural) -> Rule:
    """Compile a rule of a node.

    Raises:
        CompileError: the rule or its message expression cannot be used.
    """
    optional = bool(raw.get("optionalOldSelf"))
    text = str(raw["rule"])
    program, returns = _compile(text, node, optional_old_self=optional)
    if returns not in ("bool", "dyn"):
        raise CompileError("cel expression must evaluate to a bool")
    return Rule(
        program=program,
        text=text.strip(),
        message=str(raw.get("message") or "").strip(),
        message_program=compile_message(raw, node) if raw.get("messageExpression") else None,
        reason=raw.get("reason") or "",
        path=_error_path(raw, node),
        optional_old_self=optional,
    )


def _compile(text: str, node: Structural, *, optional_old_self: bool = False) -> tuple[Program, str]:
    """The program of an expression over a node, and the type of its value."""
    program = compile_expression(text, optional_old_self=optional_old_self)
    reading = read_fields(program, node, optional_old_self=optional_old_self)
    if reading.text != text:
        program = compile_expression(reading.text, optional_old_self=optional_old_self)
    return program, reading.returns


def compile_message(raw: Mapping[str, Any], node: Structural) -> Program:
    """Compile the ``messageExpression`` of a rule.

    Raises:
        CompileError: it cannot be.
    """
    try:
        program, returns = _compile(raw["messageExpression"], node)
    except CompileError as error:
        raise CompileError(f"messageExpression {error}") from error
    if returns not in ("string", "dyn"):
        raise CompileError("messageExpression must evaluate to a string")
    return program


def _error_path(raw: Mapping[str, Any], node: Structural) -> str:
    try:
        return resolve_field_path(raw["fieldPath"], node)[0] if raw.get("fieldPath") else ""
    except FieldPathError:
        return ""


_OBJECT_NAMES = {"name": {"type": "string"}, "generateName": {"type": "string"}}


def seen_by_rules(node: Structural, *, root: bool = False) -> Structural:
    """The node as its rules see it: a whole object has ``apiVersion``, ``kind`` and the names in ``metadata``."""
    if not root and not node.embedded:
        return node
    given: Mapping[str, Any] = node.raw.get("properties") or {}
    metadata = given.get("metadata") or {}
    names = {**_OBJECT_NAMES, **(metadata.get("properties") or {})}
    head = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", **metadata, "properties": names},
    }
    without = {key: value for key, value in node.raw.items() if key != EMBEDDED_RESOURCE}
    return Structural({**without, "properties": {**given, **head}}, References(node.references.resolve))


class RuleNode:
    """A node of the schema with rules of its own or below it."""

    def __init__(self, node: Structural, *, root: bool = False) -> None:
        self.node = node
        self._root = root
        self.raw: Sequence[Mapping[str, Any]] = node.raw.get(VALIDATIONS) or ()

    @cached_property
    def seen(self) -> Structural:
        return seen_by_rules(self.node, root=self._root)

    @cached_property
    def rules(self) -> Sequence[Rule]:
        """The compiled rules. Raises: CompileError."""
        return [compile_rule(raw, self.seen) for raw in self.raw if str(raw.get("rule") or "").strip()]

    def is_compilable(self) -> bool:
        """Whether all rules of the node and below can be used."""
        try:
            compiled = bool(self.rules) or not self.raw
        except CompileError:
            return False
        below = [*self.fields.values(), self.others, self.items]
        return compiled and all(child.is_compilable() for child in below if child is not None)

    @cached_property
    def fields(self) -> Mapping[str, RuleNode]:
        return {name: RuleNode(child) for name, child in self.node.properties.items() if has_rules(child.raw)}

    @cached_property
    def others(self) -> RuleNode | None:
        node = self.node.additional
        return RuleNode(node) if node is not None and has_rules(node.raw) else None

    @cached_property
    def items(self) -> RuleNode | None:
        node = self.node.items
        return RuleNode(node) if node is not None and has_rules(node.raw) else None

    @cached_property
    def read(self) -> frozenset[str] | None:
        """The fields that the node's rules read, ``None`` when they may read all."""
        read: set[str] = set()
        for rule in self.rules:
            for program in (rule.program, rule.message_program):
                if program is not None:
                    names = fields_read(program)
                    if names is None:
                        return None
                    read |= {unescape(name) for name in names}
        return frozenset(read)

    @cached_property
    def uses_old_self(self) -> bool:
        return any(rule.program.uses_old_self for rule in self.rules)

    def convert(self, value: Any) -> Any:
        """The value as the node's rules read it."""
        if type(value) is dict and self.read is not None:
            value = {name: value[name] for name in self.read if name in value}
        change = conversion_of(self.seen)
        return change(value) if change is not None else value


class _Stopped(Exception):
    """The budget is used up: no further rules are evaluated."""


class _Anchor(msgspec.Struct, frozen=True):
    """The innermost value on the way that corresponds to an old one, and that one."""

    value: Any
    old: Any

    def unchanged(self) -> bool:
        return self.old is not ABSENT and bool(self.value == self.old)


def evaluate_rules(root: RuleNode, obj: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[FieldError]:
    """The errors of all rules of an object, in the order of evaluation."""
    return evaluate_value(root, obj, None, ABSENT if old is None else old)


def evaluate_value(rules: RuleNode, value: Any, path: str | None, old: Any = ABSENT) -> list[FieldError]:
    """The errors of all rules of a value at a path; ``old`` is ``ABSENT`` where there was none."""
    errors: list[FieldError] = []
    value = without_nul(value)
    old = old if old is ABSENT else without_nul(old)
    with suppress(_Stopped):
        _Evaluation(errors).visit(rules, value, old, path, _Anchor(value, old))
    return errors


class _Evaluation:
    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors

    def visit(self, rules: RuleNode, value: Any, old: Any, path: str | None, anchor: _Anchor) -> None:
        """Evaluate the rules of a value, then those below it. ``old`` is ``ABSENT`` when nothing corresponds."""
        if value is None:
            return
        if rules.raw:
            self._evaluate(rules, value, old, path, anchor)
        if type(value) is dict:
            for name in value:
                below = rules.fields.get(name)
                at = f"{path}.{name}" if path else name
                if below is None and rules.others is not None and name not in rules.node.properties:
                    below, at = rules.others, f"{path or ''}[{name}]"
                if below is not None:
                    self._descend(below, rules.node, value, old, name, at, anchor)
        elif type(value) is list and rules.items is not None:
            for index in range(len(value)):
                self._descend(rules.items, rules.node, value, old, index, f"{path or ''}[{index}]", anchor)

    def _descend(
        self, below: RuleNode, node: Structural, value: Any, old: Any, step: str | int, path: str, anchor: _Anchor
    ) -> None:
        counterpart = corresponding(node, value, old, step)
        if counterpart is not ABSENT:
            anchor = _Anchor(value[step], counterpart)
        self.visit(below, value[step], counterpart, path, anchor)

    def _evaluate(self, rules: RuleNode, value: Any, old: Any, path: str | None, anchor: _Anchor) -> None:
        kind = (rules.node.types or ("",))[0] if not rules.node.int_or_string else ""
        try:
            has_old = old is not ABSENT and old is not None and rules.uses_old_self
        except CompileError as error:
            self.errors.append(wording.invalid(path, kind, f"rule compile error: {error}"))
            return
        variables = Variables(rules.convert(value), rules.convert(old) if has_old else None, has_old=has_old)
        for rule in rules.rules:
            transition = rule.program.uses_old_self
            if transition and not has_old and not rule.optional_old_self:
                continue
            try:
                holds = rule.program.evaluate(variables) is True
            except EvaluationError as error:
                self.errors.append(_broken(rule, error, path, kind))
                if isinstance(error, BudgetExceeded):
                    raise _Stopped from error
                continue
            if not holds and (transition or not anchor.unchanged()):
                shown = wording.OMITTED if kind in ("object", "array") else value
                self.errors.append(_failed(rule, variables, path, shown))


def _broken(rule: Rule, error: EvaluationError, path: str | None, kind: str) -> FieldError:
    """The error of a rule that has no outcome."""
    match error:
        case NoSuchOverload():
            detail = (
                f"'{error}': call arguments did not match a supported operator, function or macro signature "
                f"for rule: {rule.shown}"
            )
        case BudgetExceeded():
            detail = (
                f"'{error}': no further validation rules will be run due to call cost exceeds limit "
                f"for rule: {rule.shown}"
            )
        case _:
            detail = f"{error} evaluating rule: {rule.shown}"
    return wording.invalid(path, kind, detail)


def _failed(rule: Rule, variables: Variables, path: str | None, value: Any) -> FieldError:
    at = path
    if rule.path:
        at = f"{path or ''}{rule.path}" if rule.path.startswith("[") else f"{path}.{rule.path}" if path else rule.path
    detail = _message(rule, variables)
    match rule.reason:
        case "FieldValueForbidden":
            return wording.forbidden(at, detail)
        case "FieldValueRequired":
            return wording.required(at, detail)
        case "FieldValueDuplicate":
            return wording.duplicate(at, value)
    return wording.invalid(at, value, detail)


def _message(rule: Rule, variables: Variables) -> str:
    if rule.message_program is not None:
        try:
            text = rule.message_program.evaluate(variables)
        except EvaluationError as error:
            logger.debug("message expression failed", error=str(error))
        else:
            message = text.strip() if isinstance(text, str) else ""
            if message and "\n" not in message and len(message.encode()) <= _LONGEST_MESSAGE:
                return message
    return rule.message or f"failed rule: {rule.text}"
