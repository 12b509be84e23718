"""Field names as CEL identifiers.

``-``, ``.``, ``/`` and ``__`` cannot stand in an identifier and CEL reserves some words, so fields
are renamed in rules: ``x-y`` is ``self.x__dash__y``, ``namespace`` is ``self.__namespace__``.
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    (
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    )
)
_SEQUENCES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_LETTERS = {sequence: plain for plain, sequence in _SEQUENCES.items()}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ESCAPABLE = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)
_TO_ESCAPE = re.compile(r"__|[-./]")
_TO_UNESCAPE = re.compile(r"__[^_]+__")


def escape(name: str) -> str | None:
    """The identifier of a field; ``None`` when rules cannot name it."""
    if name in RESERVED:
        return f"__{name}__"
    if "__" not in name and _PLAIN.fullmatch(name):
        return name
    if not _ESCAPABLE.fullmatch(name):
        return None
    return _TO_ESCAPE.sub(lambda found: _SEQUENCES[found[0]], name)


def unescape(identifier: str) -> str:
    """The field an identifier stands for; a sequence that is no escape stays as it is."""
    if identifier.startswith("__") and identifier[2:-2] in RESERVED and identifier.endswith("__"):
        return identifier[2:-2]
    return _TO_UNESCAPE.sub(lambda found: _LETTERS.get(found[0], found[0]), identifier)
