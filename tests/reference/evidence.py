"""What a test says: its own text, and that of the helpers, tables and constants that it uses.

A test is named ``folder/test_module.py::test_function``, from the folder of all tests. What it uses is
followed through its module and through the modules of the tests that it imports from, not into Echelon
itself: a test that expects a reason has to name it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]


class NoSuchTest(LookupError):
    """There is no test of that name."""


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _definitions(path: Path) -> Mapping[str, ast.stmt]:
    """What a module defines at its top level, by name."""
    found: dict[str, ast.stmt] = {}
    for statement in _tree(path).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = statement
            case ast.Assign(targets=targets):
                found |= {part.id: statement for target in targets for part in _names(target)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = statement
    return found


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (part for part in ast.walk(node) if isinstance(part, ast.Name))


@cache
def _imports(path: Path) -> Mapping[str, tuple[Path, str]]:
    """What a module imports from other modules of the tests: name to module and name there."""
    found: dict[str, tuple[Path, str]] = {}
    for statement in _tree(path).body:
        if isinstance(statement, ast.ImportFrom) and statement.level:
            folder = path.parents[statement.level - 1]
            module = folder.joinpath(*(statement.module or "").split(".")).with_suffix(".py")
            for alias in statement.names:
                if module.is_file():
                    found[alias.asname or alias.name] = module, alias.name
    return found


@cache
def text_of(test: str) -> str:
    """All that a test says.

    Raises:
        NoSuchTest: there is no such module, or no such test in it.
    """
    file, _, name = test.partition("::")
    path = TESTS / file
    if not path.is_file():
        raise NoSuchTest(f"{test}: there is no file tests/{file}")
    definition = _find(path, name)
    if definition is None or not name.rpartition("::")[2].startswith("test_"):
        raise NoSuchTest(f"{test}: there is no such test in tests/{file}")
    return "\n".join(_texts(path, definition, set()))


def _find(path: Path, name: str) -> ast.AST | None:
    outer, _, inner = name.partition("::")
    found: ast.AST | None = _definitions(path).get(outer)
    if inner and isinstance(found, ast.ClassDef):
        return next((each for each in found.body if getattr(each, "name", "") == inner), None)
    return found


def _texts(path: Path, definition: ast.AST, seen: set[tuple[Path, str]]) -> Iterator[str]:
    yield ast.unparse(definition)
    for name in {part.id for part in _names(definition)}:
        where, there = _imports(path).get(name, (path, name))
        used = _definitions(where).get(there)
        if used is not None and (where, there) not in seen:
            seen.add((where, there))
            yield from _texts(where, used, seen)


def says(test: str, *words: str) -> bool:
    """Whether a test says one of these words, as a whole word."""
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text_of(test)) for word in words)


def all_tests(folders: tuple[str, ...]) -> Iterator[str]:
    """Every test of these folders."""
    for folder in folders:
        for path in sorted((TESTS / folder).rglob("test_*.py")):
            file = path.relative_to(TESTS)
            for name, definition in _definitions(path).items():
                if isinstance(definition, ast.ClassDef):
                    for inner in definition.body:
                        if getattr(inner, "name", "").startswith("test_"):
                            yield f"{file}::{name}::{inner.name}"  # type: ignore[attr-defined]
                elif name.startswith("test_"):
                    yield f"{file}::{name}"
