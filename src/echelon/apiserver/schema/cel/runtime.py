"""Compiles and evaluates expressions.

An expression sees ``self`` and ``oldSelf``. Both are of dynamic type, so the runtime checks syntax,
names and functions, and ``fields`` checks what is known from the schema. Evaluation is bounded by
the runtime's own iteration budget: an expression that would run away fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from echelon.apiserver.schema.cel.syntax import Identifier, Tree, read_tree

SELF, OLD_SELF = "self", "oldSelf"
_OPTIONAL_OLD_SELF = "optionalOldSelf"

MISSING_PACKAGE = (
    "rules need the package cel-expr-python, which is not installed here; "
    "install it or leave x-kubernetes-validations out"
)


class CompileError(ValueError):
    """An expression that cannot be used, and why, in the words of Kubernetes' compiler."""


class EvaluationError(Exception):
    """An expression that ended in an error instead of a value."""


class NoSuchOverload(EvaluationError):
    """A function or operator was applied to values it does not take."""


class BudgetExceeded(EvaluationError):
    """An expression was stopped since it ran for too long."""


@lru_cache(maxsize=1)
def _environment() -> Any:
    try:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings
    except ImportError as error:
        raise CompileError(MISSING_PACKAGE) from error
    from echelon.apiserver.schema.cel.library import extension

    return cel.NewEnv(
        variables=dict.fromkeys((SELF, OLD_SELF, _OPTIONAL_OLD_SELF), cel.Type.DYN),
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            extension(cel),
        ],
    )


class Program:
    """A compiled expression."""

    def __init__(self, text: str, tree: Tree, expression: Any, returns: str) -> None:
        self.text = text
        self.tree = tree
        self.returns = returns
        self.uses_old_self = any(isinstance(node, Identifier) and node.name == OLD_SELF for node in tree.walk())
        self._expression = expression

    def evaluate(self, variables: Variables) -> Any:
        """The value as Python has it.

        Raises:
            EvaluationError: there is none.
        """
        try:
            value = self._expression.eval(activation=variables.activation)
            if value.type().name() == "ERROR":
                raise _failure(str(value.plain_value()))
            return value.plain_value()
        except RuntimeError as error:
            raise _failure(str(error)) from error


class Variables:
    """What ``self`` and ``oldSelf`` stand for in some evaluations; converted once, however many they are."""

    def __init__(self, value: Any, old: Any = None, *, has_old: bool = False) -> None:
        data: Mapping[str, Any] = {
            SELF: value,
            OLD_SELF: old,
            _OPTIONAL_OLD_SELF: {"value": old} if has_old else {},
        }
        self.activation = _environment().Activation(data)


@lru_cache(maxsize=8192)
def compile_expression(text: str, *, optional_old_self: bool = False) -> Program:
    """Compile an expression; with ``optional_old_self`` it sees ``oldSelf`` as an optional value.

    Raises:
        CompileError: it cannot be.
    """
    expression = _compile(text)
    tree = read_tree(expression.serialize())
    returns = expression.return_type().name().lower()
    if optional_old_self:
        expression = _compile(f"cel.bind({OLD_SELF}, {_OPTIONAL_OLD_SELF}.?value,\n{text}\n)")
    return Program(text, tree, expression, returns)


_ENVELOPE = re.compile(r"\A[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?\Z", re.DOTALL)
_MIXED_NUMBERS = re.compile(
    r"no matching overload for '_(?:<|<=|>|>=|==|!=)_' applied to '\((?:int|uint|double), (?:int|uint|double)\)'"
)


def _compile(text: str) -> Any:
    environment = _environment()
    try:
        return environment.compile(text)
    except RuntimeError as error:
        # Kubernetes compares numbers of different types; the runtime does too, only its checker objects.
        problems = str(error).count("ERROR: ")
        if problems and problems == len(_MIXED_NUMBERS.findall(str(error))):
            return environment.compile(text, disable_check=True)
        raise CompileError(f"compilation failed: {_stripped(str(error))}") from error


def _stripped(message: str) -> str:
    found = _ENVELOPE.match(message)
    return found[1] if found else message


_WORDS = (
    (re.compile(r'Key not found in map : "?(.*?)"?'), r"no such key: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"modulus by zero"), "modulus by zero"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
)


def _failure(message: str) -> EvaluationError:
    text = _stripped(message)
    if "budget exceeded" in text:
        return BudgetExceeded("operation cancelled: actual cost limit exceeded")
    if text.startswith(("No matching overloads", "Applying SELECT to non-message type")):
        return NoSuchOverload("no such overload")
    for pattern, words in _WORDS:
        if found := pattern.fullmatch(text):
            return EvaluationError(found.expand(words))
    return EvaluationError(text)
